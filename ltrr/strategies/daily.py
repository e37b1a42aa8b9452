"""Draws, clicks and propensities to the daily counts of every block."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.spark.fixed_point import to_fixed_point

ALL_QUERIES = "all"
BY_CLASS = "class"


def found_reward(clicks: Column, examination: Column, examination_floor: float) -> Column:
    """Clicks over examination, examination counting at least as `examination_floor`: 1 per entity wanted and seen.

    >>> rows = spark.createDataFrame([(1, 0.5), (1, 0.01), (0, 0.5)], "clicks int, examination double")
    >>> reward = found_reward(F.col("clicks"), F.col("examination"), 0.05).alias("reward")
    >>> [row.reward for row in rows.select(reward).collect()]
    [2.0, 20.0, 0.0]
    """
    return clicks / F.greatest(examination, F.lit(examination_floor))


def to_block_hits(slate_rows: DataFrame, candidates: DataFrame, examination_floor: float) -> DataFrame:
    """Clicked slate rows and drawn candidates -> (impression_id, strategy, depth): hits and marginal hits, fixed point.

    A shown entity's found reward is credited to every drawn block that holds it, and as marginal where only one does,
    whatever the order of draws. Only clicked entities are joined: of the candidates, the long table, nothing else is
    shuffled but what the filter on is_drawn leaves.

    Args:
        slate_rows: with `examination` on every row.
        candidates: of the same impressions.
        examination_floor: see `found_reward`.
    """
    reward = found_reward(F.col("clicks"), F.col("examination"), examination_floor)
    clicked = slate_rows.where(F.col("clicks") > 0).select(
        "impression_id", "entity_id", to_fixed_point(reward).alias("found")
    )
    drawn = candidates.where("is_drawn").select("impression_id", "entity_id", "strategy", "depth")
    by_entity = (
        drawn.join(clicked, on=["impression_id", "entity_id"], how="inner")
        .groupBy("impression_id", "entity_id", "found")
        .agg(F.collect_set(F.struct("strategy", "depth")).alias("blocks"))
    )
    credited = by_entity.select(
        "impression_id",
        "found",
        F.when(F.size("blocks") == 1, F.col("found")).otherwise(F.lit(0)).alias("marginal"),
        F.explode("blocks").alias("block"),
    )
    return credited.groupBy("impression_id", "block.strategy", "block.depth").agg(
        F.sum("found").alias("hits"), F.sum("marginal").alias("marginal_hits")
    )


def to_strategy_days(drawn_blocks: DataFrame, draws: DataFrame, block_hits: DataFrame, max_weight: float) -> DataFrame:
    """(impression, strategy, depth) -> (log_date, level, key, strategy, depth): sums, for all queries and by class.

    Each draw weighs 1 / P(block drawn), at most `max_weight`: a block drawn where it promised much would look better
    than it is, and the weight gives back the impressions in which it could have been drawn but was not.

    Args:
        drawn_blocks: as `to_drawn_blocks` gives them.
        draws: of the same impressions, for the number of results.
        block_hits: as `to_block_hits` gives them.
        max_weight: the most that one draw may weigh.
    """
    block = ["impression_id", "strategy", "depth"]
    results = draws.where("is_drawn").select(*block, "results")
    weight = F.least(F.lit(1.0) / F.col("chance"), F.lit(max_weight))
    counted = (
        drawn_blocks.join(results, on=block, how="left")
        .join(block_hits, on=block, how="left")
        .withColumn("weight", F.when(F.col("chance").isNotNull(), weight).otherwise(F.lit(0.0)))
        .groupBy("log_date", "query_class", "strategy", "depth")
        .agg(
            F.sum("impressions").alias("impressions"),
            F.count("impression_id").alias("draws"),
            F.sum(F.coalesce("results", F.lit(0))).alias("results"),
            F.sum(to_fixed_point(F.col("weight"))).alias("weights"),
            F.sum(to_fixed_point(F.col("weight") * F.col("weight"))).alias("weights_squared"),
            F.sum(_weighted(F.col("hits"))).alias("hits"),
            F.sum(_weighted(F.col("marginal_hits"))).alias("marginal_hits"),
        )
    )
    levels = F.array(
        F.struct(F.lit(ALL_QUERIES).alias("level"), F.lit(ALL_QUERIES).alias("key")),
        F.struct(F.lit(BY_CLASS).alias("level"), F.col("query_class").alias("key")),
    )
    sums = ("impressions", "draws", "results", "weights", "weights_squared", "hits", "marginal_hits")
    return (
        counted.withColumn("of", F.explode(levels))
        .groupBy("log_date", "of.level", "of.key", "strategy", "depth")
        .agg(*(F.sum(name).alias(name) for name in sums))
    )


def _weighted(hits: Column) -> Column:
    return F.coalesce(F.rint(F.col("weight") * hits).cast("bigint"), F.lit(0).cast("bigint"))
