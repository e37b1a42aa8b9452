"""Choice, partition and order of the bandit's training rows: the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.features import shared_features
from ltrr.core.plans import PlanSpace
from ltrr.spark.hashing import HashUse, salted_hash


def only_training_users(rows: DataFrame, held_out_percent: int) -> DataFrame:
    """Rows of users that evaluations never use: those in fold `held_out_percent` and above."""
    return rows.where(F.col("user_fold") >= held_out_percent)


def only_served_plans(rows: DataFrame) -> DataFrame:
    """Rows whose plan was served; of a shadow policy's plan, the reward is not known."""
    return rows.where(~F.coalesce("is_shadow", F.lit(False)))


def only_of_versions(rows: DataFrame, versions: Collection[str]) -> DataFrame:
    """Rows that these bundles served; a row's bundle determines the meaning of its features."""
    return rows.where(F.col("policy_version").isin(sorted(versions)))


def only_of_space(
    rows: DataFrame, space: PlanSpace, observe: str, groups: tuple[str, ...] = DEFAULT_GROUPS
) -> DataFrame:
    """Rows with the plans and features of `space`.

    Rows from before a change of strategies or budget have others.
    """
    known = F.forall("actions", lambda action: action["action"].isin(list(space.texts)))
    for blocks in ("look", "deeper"):
        known &= F.forall(
            blocks,
            lambda block: block["strategy"].isin(list(space.strategies)) & (block["depth"] <= space.budget),
        )
    return rows.where(known & (F.size("shared_features") == len(shared_features(space, observe, groups))))


def only_capped(rows: DataFrame, query_decisions: int) -> DataFrame:
    """At most `query_decisions` decisions per query and date, chosen by a hash of the impression.

    The choice does not depend on outcomes, and a rerun makes the same choice. Spark applies the
    limit before the shuffle too, so each task sends at most this number for a hot query.
    """
    in_order = (salted_hash(HashUse.BANDIT_CAP, "impression_id"), "impression_id", "step")
    by_hash = Window.partitionBy("log_date", "query_key").orderBy(*in_order)
    numbered = rows.withColumn("_place", F.row_number().over(by_hash))
    return numbered.where(F.col("_place") <= query_decisions).drop("_place")


def assign_part(query_key: Column, partitions: int) -> Column:
    """The part that trains on a query, 0-based; all rows of a query are in one part.

    >>> keys = spark.createDataFrame([("love",), ("the matrix",), ("love",)], "query_key string")
    >>> parts = keys.select(assign_part(F.col("query_key"), 4).alias("part"))
    >>> [row.part for row in parts.collect()]
    [3, 2, 3]
    """
    return F.pmod(salted_hash(HashUse.BANDIT_PART, query_key), F.lit(partitions)).cast("int")


def to_training_parts(rows: DataFrame, partitions: int) -> DataFrame:
    """The rows with their `part`: one partition for each part, sorted by hash of the impression.

    The order is pseudorandom, which online learning needs, and depends only on the rows. Its hash
    differs from that of `only_capped`. Otherwise the kept decisions of hot queries, which have the
    lowest hashes, would come first.
    """
    parted = rows.withColumn("part", assign_part(F.col("query_key"), partitions))
    in_parts = parted.repartitionById(partitions, F.col("part"))
    in_order = salted_hash(HashUse.BANDIT_ORDER, "log_date", "impression_id")
    return in_parts.sortWithinPartitions(in_order, "log_date", "impression_id", "step")
