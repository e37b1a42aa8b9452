"""Which rows a bandit is trained on, and in which partition and order, so that the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.features import shared_features
from ltrr.core.plans import PlanSpace
from ltrr.spark.hashing import HashUse, salted_hash


def only_training_users(rows: DataFrame, held_out_percent: int) -> DataFrame:
    """Rows of users that no judge will ever look at: fold `held_out_percent` and above."""
    return rows.where(F.col("user_fold") >= held_out_percent)


def only_of_versions(rows: DataFrame, versions: Collection[str]) -> DataFrame:
    """Rows that these bundles served: what a row's numbers are features of, its bundle alone says."""
    return rows.where(F.col("policy_version").isin(sorted(versions)))


def only_of_space(
    rows: DataFrame, space: PlanSpace, observe: str, groups: tuple[str, ...] = DEFAULT_GROUPS
) -> DataFrame:
    """Rows with the plans and features of `space`: those from before a change of strategies or budget have others."""
    known = F.forall("actions", lambda action: action["action"].isin(list(space.texts)))
    for blocks in ("look", "deeper"):
        known &= F.forall(
            blocks,
            lambda block: block["strategy"].isin(list(space.strategies)) & (block["depth"] <= space.budget),
        )
    return rows.where(known & (F.size("shared_features") == len(shared_features(space, observe, groups))))


def only_capped(rows: DataFrame, query_decisions: int) -> DataFrame:
    """At most `query_decisions` decisions of a query and date, chosen by a hash of the impression.

    The choice is blind to what happened, and a rerun chooses the same. Spark cuts each query off
    before the shuffle already, so a hot query sends no more than the cap from each task.
    """
    in_order = (salted_hash(HashUse.BANDIT_CAP, "impression_id"), "impression_id", "step")
    by_hash = Window.partitionBy("log_date", "query_key").orderBy(*in_order)
    numbered = rows.withColumn("_place", F.row_number().over(by_hash))
    return numbered.where(F.col("_place") <= query_decisions).drop("_place")


def part_of(query_key: Column, partitions: int) -> Column:
    """The part that trains on a query, 0-based: a query is in one part, whatever the cluster.

    >>> keys = spark.createDataFrame([("love",), ("the matrix",), ("love",)], "query_key string")
    >>> [row.part for row in keys.select(part_of(F.col("query_key"), 4).alias("part")).collect()]
    [3, 2, 3]
    """
    return F.pmod(salted_hash(HashUse.BANDIT_PART, query_key), F.lit(partitions)).cast("int")


def laid_out(rows: DataFrame, partitions: int) -> DataFrame:
    """The rows with their `part`, one part a partition, each in one order: by hash of the impression, then its id.

    The order is as good as random, which online learning needs, and depends on nothing but the
    rows. Its hash is not that of `only_capped`: otherwise the kept decisions of hot queries, those
    with the lowest hashes, would come first.
    """
    parted = rows.withColumn("part", part_of(F.col("query_key"), partitions))
    in_parts = parted.repartitionById(partitions, F.col("part"))
    in_order = salted_hash(HashUse.BANDIT_ORDER, "log_date", "impression_id")
    return in_parts.sortWithinPartitions(in_order, "log_date", "impression_id", "step")
