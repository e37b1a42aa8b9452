"""Rewards of shown entities, computed from events."""

from __future__ import annotations

from functools import reduce
from operator import add

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.logs.settings import LogSettings

REWARDS = {"clicks": "int", "page_reward": "double"}
"""Columns of `to_entity_rewards` that a slate row gets, with their types."""


def to_entity_rewards(events: DataFrame, settings: LogSettings) -> DataFrame:
    """Joined events -> clicks and capped page_reward, by (log_date, impression_id, entity_id).

    clicks is 1 for any number of clicks, else 0. The sums are over counts, not amounts, so the
    reward does not depend on the order of events.

    >>> events = spark.sql(
    ...     "SELECT DATE'2026-03-02' log_date, 'i1' impression_id, * FROM VALUES ('e1', 'click'), "
    ...     "('e1', 'click'), ('e1', 'purchase'), ('e2', 'purchase') AS t(entity_id, kind)")
    >>> rewards = to_entity_rewards(events, LogSettings(page_reward_cap=2.0)).orderBy("entity_id")
    >>> [tuple(row) for row in rewards.drop("log_date").collect()]
    [('i1', 'e1', 1, 2.0), ('i1', 'e2', 0, 1.0)]
    """
    kinds = sorted(settings.kinds)
    counted = events.groupBy("log_date", "impression_id", "entity_id").agg(
        *(F.count_if(F.col("kind") == kind).alias(f"n_{kind}") for kind in kinds)
    )
    worth = reduce(add, (F.lit(settings.kinds[kind].worth) * F.col(f"n_{kind}") for kind in kinds))
    return counted.select(
        "log_date",
        "impression_id",
        "entity_id",
        (F.col("n_click") > 0).cast("int").alias("clicks"),
        F.least(F.lit(settings.page_reward_cap), worth).alias("page_reward"),
    )


def with_rewards(slates: DataFrame, rewards: DataFrame) -> DataFrame:
    """Add clicks and page_reward to slate rows; an entity without events has 0.

    An id that is used again on a later date keeps its own rewards.

    >>> slates = spark.sql(
    ...     "SELECT DATE'2026-03-02' log_date, 'i1' impression_id, "
    ...     "explode(array('e1', 'e2')) entity_id")
    >>> rewards = spark.sql(
    ...     "SELECT *, 'i1' impression_id FROM VALUES (DATE'2026-03-02', 'e2', 1, 1D), "
    ...     "(DATE'2026-03-20', 'e1', 1, 1D) AS t(log_date, entity_id, clicks, page_reward)")
    >>> rows = with_rewards(slates, rewards).orderBy("entity_id").collect()
    >>> [(row.entity_id, row.clicks, row.page_reward) for row in rows]
    [('e1', 0, 0.0), ('e2', 1, 1.0)]
    """
    joined = slates.join(rewards, on=["log_date", "impression_id", "entity_id"], how="left")
    return joined.fillna({"clicks": 0, "page_reward": 0.0})
