"""The memory as it was served before the searches of a date, for training rows of the ranker.

A search of date D was served with the memory of the night before: evidence of dates up to D - 1.
The scores here are computed by the functions that build that memory, so a feature of a training row
is the number that a service gets from the published parts. No evidence of D itself or of a later
date is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ltrr.memory.rollup import MemoryPeriod, to_evidence_of_dates
from ltrr.memory.score import AS_OF, estimate_priors_by_date, with_predicted_score, with_score
from ltrr.memory.settings import MemorySettings

PLACE = ("log_date", "query_key", "entity_id")
"""Key of `to_memory_before`."""


def to_memory_before(
    daily: DataFrame,
    weeks: DataFrame,
    searched: DataFrame,
    periods: Sequence[MemoryPeriod],
    settings: MemorySettings,
) -> DataFrame:
    """Lists of the served memory: (log_date, query_key, entity_id) -> rank, score, best score.

    `memory_rank` is the rank of the entity in the memory's list for the query, from 1 on.
    `memory_score` is its score and `memory_best_score` that of rank 1. The driver collects one
    number per date, the fitted weight of the prediction.

    Args:
        daily: Rows of `q2e_daily`.
        weeks: Rows of `q2e_rollup`.
        searched: (log_date, query_key) whose lists are wanted.
        periods: Period of the day before each log_date.
        settings: Settings of the memory.
    """
    evidence = to_evidence_of_dates(daily, weeks, periods, settings.half_life_days)
    evidence = evidence.persist(StorageLevel.MEMORY_AND_DISK)
    predicted = with_predicted_score(evidence, settings.entity_prior_examinations, (AS_OF,))
    predicted = predicted.persist(StorageLevel.MEMORY_AND_DISK)
    priors = estimate_priors_by_date(predicted, settings)
    dated = predicted.withColumn("log_date", F.date_add(AS_OF, 1))
    asked = dated.join(searched.distinct(), on=["log_date", "query_key"], how="left_semi")
    return to_served_lists(_with_scores(asked, priors, settings), settings.entities_per_query)


def _with_scores(predicted: DataFrame, priors: Mapping[date, float], settings: MemorySettings) -> DataFrame:
    rows = predicted.sparkSession.createDataFrame(list(priors.items()), f"{AS_OF} date, prior double")
    scored = with_score(
        predicted.join(F.broadcast(rows), on=AS_OF, how="inner"), F.col("prior"), settings.interval_sigmas
    )
    return scored.select(*PLACE, "weighted_clicks", "score")


def to_served_lists(scored: DataFrame, entities_per_query: int) -> DataFrame:
    """Pairs with scores -> entries of the published memory, in the order in which it recalls them.

    As `memory.parts` does, a query keeps its clicked entities with the best scores, and stores
    scores as 32-bit floats.

    Args:
        scored: log_date, query_key, entity_id, weighted_clicks, score.
        entities_per_query: Maximum number of entities of a query.

    >>> rows = spark.sql('''SELECT DATE'2026-03-02' log_date, 'love' query_key, * FROM VALUES
    ...     ('e1', 1.0D, 0.25D), ('e2', 2.0D, 0.5D), ('e3', 0.0D, 0.9D)
    ...     AS t(entity_id, weighted_clicks, score)''')
    >>> found = to_served_lists(rows, entities_per_query=10).orderBy("memory_rank")
    >>> found.drop("log_date", "query_key").collect()
    [Row(entity_id='e2', memory_rank=1, memory_score=0.5, memory_best_score=0.5),
     Row(entity_id='e1', memory_rank=2, memory_score=0.25, memory_best_score=0.5)]
    """
    query = Window.partitionBy("log_date", "query_key")
    best_first = query.orderBy(F.desc("score"), "entity_id")
    kept = (
        scored.where("weighted_clicks > 0")
        .withColumn("place", F.row_number().over(best_first))
        .where(F.col("place") <= entities_per_query)
    )
    stored = kept.withColumn("memory_score", F.col("score").cast("float").cast("double"))
    return stored.select(
        *PLACE,
        F.row_number().over(query.orderBy(F.desc("memory_score"), "entity_id")).alias("memory_rank"),
        "memory_score",
        F.max("memory_score").over(query).alias("memory_best_score"),
    )
