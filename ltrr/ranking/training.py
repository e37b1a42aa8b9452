"""Trains the ranker: XGBoost's `rank:ndcg` in Spark tasks that build every tree together.

What SparkXGBRanker does by itself, and what is done about it here:

- it re-partitions by range of the query id unless there are exactly `num_workers` partitions, and range bounds are
  sampled: so the rows come in that many partitions, by hash of the query;
- it sorts each partition by the query id alone, which must be a number: so impressions are numbered within their
  partition and the rows lie in one full order beforehand;
- it counts partitions by running the plan, then runs it again to train: so the rows are cached;
- with too few free slots its barrier stage waits or fails: so slots are counted before;
- weights are one a query group, not one a row (XGBoost, "Learning to Rank"): so examination is in the gain.

Every tree adds up gradients of all workers, so one partition's data must fit one task's memory; more data means more
workers (100 executors: num_workers 100, spark.task.cpus threads each), without dynamic allocation.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from ltrr.errors import NotReadyError
from ltrr.ranking.settings import RankerSettings

log = logging.getLogger(__name__)


def train_ranker(rows: DataFrame, feature_names: Sequence[str], settings: RankerSettings) -> bytes | None:
    """The booster as XGBoost's own `ubj` bytes; None where too few queries were clicked.

    Args:
        rows: of the table `ranking_rows`, training rows of whole clicked impressions only.
        feature_names: of the columns of `features`.
        settings: of the ranker.

    Raises:
        NotReadyError: fewer free slots than workers.
    """
    check_slots(rows.sparkSession, settings.num_workers)
    from xgboost.spark import SparkXGBRanker

    # It gives itself a handler and writes to stderr, beside whatever the operator has set up.
    logging.getLogger("XGBoost-PySpark").setLevel(logging.WARNING)
    cached = laid_out(rows, settings.num_workers).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        queries = cached.agg(F.count_distinct("query_key").alias("queries")).collect()[0]["queries"]
        if queries < settings.min_queries:
            log.warning("queries=%d min_queries=%d: too few clicked queries to train on", queries, settings.min_queries)
            return None
        estimator = SparkXGBRanker(
            features_col="features",
            label_col="gain",
            qid_col="qid",
            num_workers=settings.num_workers,
            objective="rank:ndcg",
            # Gains are counts of clicks, not grades: 2 ** gain would overflow what matters.
            ndcg_exp_gain=False,
            # Pairs with one of the best positions, all of them: no random sample of pairs.
            lambdarank_pair_method="topk",
            lambdarank_num_pair_per_sample=settings.ndcg_positions,
            tree_method="hist",
            n_estimators=settings.trees,
            max_depth=settings.max_depth,
            learning_rate=settings.learning_rate,
            min_child_weight=settings.min_child_weight,
            monotone_constraints=monotone_constraints(feature_names, settings.monotone),
            random_state=0,
        )
        model = estimator.fit(cached.select("qid", "gain", "features"))
    finally:
        cached.unpersist()
    return bytes(model.get_booster().save_raw("ubj"))


def laid_out(rows: DataFrame, workers: int) -> DataFrame:
    """The rows in `workers` partitions, by hash of the query, in one full order, impressions numbered by `qid`.

    Columns: query_key, qid, gain, features (a missing score as NaN, which XGBoost takes for missing).
    """
    part = F.pmod(F.xxhash64("query_key"), F.lit(workers)).cast("int")
    in_order = Window.partitionBy("part").orderBy("query_key", "log_date", "impression_id")
    numbered = rows.withColumn("part", part).withColumn("qid", F.dense_rank().over(in_order))
    whole = F.transform("features", lambda value: F.coalesce(value, F.lit(float("nan"))))
    placed = numbered.select("part", "query_key", "qid", "entity_id", "gain", whole.alias("features"))
    in_parts = placed.repartitionById(workers, F.col("part")).sortWithinPartitions("qid", "entity_id")
    return in_parts.select("query_key", "qid", "gain", "features")


def monotone_constraints(feature_names: Sequence[str], monotone: Sequence[str]) -> str:
    """As XGBoost wants them: 1 where a feature may only raise the score.

    >>> monotone_constraints(["fusion", "query_words", "score:memory"], ["score:memory", "score:title"])
    '(0,0,1)'
    """
    return "(" + ",".join(str(int(name in monotone)) for name in feature_names) + ")"


def check_slots(spark: SparkSession, workers: int) -> None:
    """Nothing where `workers` tasks can run at once.

    Raises:
        NotReadyError: they cannot yet: executors are still to come, or there are none to come.
    """
    context = spark.sparkContext._jsc.sc()  # noqa: SLF001  # PySpark has no public way to ask
    profile = context.resourceProfileManager().resourceProfileFromId(0)
    slots = int(context.maxNumConcurrentTasks(profile))
    if slots < workers:
        raise NotReadyError(
            "the ranker's workers must all run at once",
            which="ranker.num_workers",
            expected=f"{workers} free task slots",
            got=f"{slots}",
            todo="wait for executors, give the job more cores, or lower ranker.num_workers",
        )
