"""What events are worth to the entity that was shown."""

from __future__ import annotations

from functools import reduce
from operator import add

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.logs.settings import LogSettings


def to_entity_rewards(events: DataFrame, settings: LogSettings) -> DataFrame:
    """Joined events -> one row an impression and entity: clicks (1 or 0, however often) and page_reward, capped.

    Counts are summed, not amounts: the reward is the same in whatever order events come.

    >>> events = spark.createDataFrame(
    ...     [("i1", "e1", "click"), ("i1", "e1", "click"), ("i1", "e1", "purchase"), ("i1", "e2", "purchase")],
    ...     "impression_id string, entity_id string, kind string")
    >>> rewards = to_entity_rewards(events, LogSettings(page_reward_cap=2.0)).orderBy("entity_id")
    >>> [tuple(row) for row in rewards.collect()]
    [('i1', 'e1', 1, 2.0), ('i1', 'e2', 0, 1.0)]
    """
    kinds = sorted(settings.kinds)
    counted = events.groupBy("impression_id", "entity_id").agg(
        *(F.count_if(F.col("kind") == kind).alias(f"n_{kind}") for kind in kinds)
    )
    worth = reduce(add, (F.lit(settings.kinds[kind].worth) * F.col(f"n_{kind}") for kind in kinds))
    return counted.select(
        "impression_id",
        "entity_id",
        (F.col("n_click") > 0).cast("int").alias("clicks"),
        F.least(F.lit(settings.page_reward_cap), worth).alias("page_reward"),
    )


def with_rewards(slates: DataFrame, rewards: DataFrame) -> DataFrame:
    """Slate rows with clicks and page_reward; an entity without events earned 0.

    >>> slates = spark.createDataFrame([("i1", "e1"), ("i1", "e2")], "impression_id string, entity_id string")
    >>> rewards = spark.createDataFrame([("i1", "e2", 1, 1.0)],
    ...                                 "impression_id string, entity_id string, clicks int, page_reward double")
    >>> [tuple(row) for row in with_rewards(slates, rewards).orderBy("entity_id").collect()]
    [('i1', 'e1', 0, 0.0), ('i1', 'e2', 1, 1.0)]
    """
    joined = slates.join(rewards, on=["impression_id", "entity_id"], how="left")
    return joined.fillna({"clicks": 0, "page_reward": 0.0})
