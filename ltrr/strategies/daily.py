"""Draws, clicks and propensities to the daily counts of every block."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.spark.fixed_point import from_fixed_point, to_fixed_point

ALL_QUERIES = "all"
BY_CLASS = "class"
BY_QUERY = "query"


def found_reward(clicks: Column, examination: Column, examination_floor: float) -> Column:
    """Clicks over examination, examination counting at least as `examination_floor`: 1 per entity wanted and seen.

    >>> rows = spark.createDataFrame([(1, 0.5), (1, 0.01), (0, 0.5)], "clicks int, examination double")
    >>> reward = found_reward(F.col("clicks"), F.col("examination"), 0.05).alias("reward")
    >>> [row.reward for row in rows.select(reward).collect()]
    [2.0, 20.0, 0.0]
    """
    return clicks / F.greatest(examination, F.lit(examination_floor))


def to_block_hits(slate_rows: DataFrame, candidates: DataFrame, examination_floor: float) -> DataFrame:
    """Clicked slate rows and drawn candidates -> (log_date, impression_id, strategy, depth): hits, marginal hits.

    A shown entity's found reward is credited to every drawn block that holds it, and as marginal
    where only one does, whatever the order of draws; hits are in fixed point. The third column,
    `first_rank`, is that of the block's best clicked entity in the strategy's list, and knows
    nothing of examination: a rank cannot be divided by it. Only clicked entities are joined: of the
    candidates, the long table, nothing else is shuffled but what the filter on is_drawn leaves.

    Args:
        slate_rows: with `examination` on every row.
        candidates: of the same impressions.
        examination_floor: see `found_reward`.
    """
    reward = found_reward(F.col("clicks"), F.col("examination"), examination_floor)
    clicked = slate_rows.where(F.col("clicks") > 0).select(
        "log_date", "impression_id", "entity_id", to_fixed_point(reward).alias("found")
    )
    drawn = candidates.where("is_drawn").select("log_date", "impression_id", "entity_id", "strategy", "depth", "rank")
    by_entity = (
        drawn.join(clicked, on=["log_date", "impression_id", "entity_id"], how="inner")
        # A strategy may list an entity twice; the block is credited once.
        .groupBy("log_date", "impression_id", "entity_id", "found", "strategy", "depth")
        .agg(F.min("rank").alias("rank"))
        .groupBy("log_date", "impression_id", "entity_id", "found")
        .agg(F.collect_list(F.struct("strategy", "depth", "rank")).alias("blocks"))
    )
    credited = by_entity.select(
        "log_date",
        "impression_id",
        "found",
        F.when(F.size("blocks") == 1, F.col("found")).otherwise(F.lit(0)).alias("marginal"),
        F.explode("blocks").alias("block"),
    )
    return credited.groupBy("log_date", "impression_id", "block.strategy", "block.depth").agg(
        F.sum("found").alias("hits"),
        F.sum("marginal").alias("marginal_hits"),
        F.min("block.rank").alias("first_rank"),
    )


def to_strategy_days(drawn_blocks: DataFrame, draws: DataFrame, block_hits: DataFrame, max_weight: float) -> DataFrame:
    """(impression, strategy, depth) -> (log_date, level, key, strategy, depth): sums for all, by class and by query.

    Each draw weighs 1 / P(block drawn), at most `max_weight`: a block drawn where it promised much
    would look better than it is, and the weight gives back the impressions in which it could have
    been drawn but was not. The sums of squares and products show how much of the spread is chance.

    One shuffle: most rows of the coarse levels meet before it, those of a query stay as many as its
    drawn blocks.

    Args:
        drawn_blocks: as `to_drawn_blocks` gives them.
        draws: of the same impressions, for the number of results.
        block_hits: as `to_block_hits` gives them.
        max_weight: the most that one draw may weigh.
    """
    block = ["log_date", "impression_id", "strategy", "depth"]
    results = draws.where("is_drawn").select(*block, "results")
    weight = F.least(F.lit(1.0) / F.col("chance"), F.lit(max_weight))
    weighed = (
        drawn_blocks.join(results, on=block, how="left")
        .join(block_hits, on=block, how="left")
        .withColumn("weight", F.when(F.col("chance").isNotNull(), weight).otherwise(F.lit(0.0)))
    )
    hit = F.coalesce(from_fixed_point(F.col("hits")), F.lit(0.0))
    marginal_hit = F.coalesce(from_fixed_point(F.col("marginal_hits")), F.lit(0.0))
    reciprocal_rank = F.coalesce(F.lit(1.0) / F.col("first_rank"), F.lit(0.0))
    weight = F.col("weight")
    return (
        weighed.withColumn("of", F.explode(_levels()))
        .groupBy("log_date", "of.level", "of.key", "strategy", "depth")
        .agg(
            F.sum("impressions").alias("impressions"),
            F.count("impression_id").alias("draws"),
            F.sum(F.coalesce("results", F.lit(0))).alias("results"),
            F.sum(to_fixed_point(weight)).alias("weights"),
            F.sum(to_fixed_point(weight * weight)).alias("weights_squared"),
            F.sum(to_fixed_point(weight * hit)).alias("hits"),
            F.sum(to_fixed_point(weight * hit * weight * hit)).alias("hits_squared"),
            F.sum(to_fixed_point(weight * weight * hit)).alias("weights_hits"),
            F.sum(to_fixed_point(weight * marginal_hit)).alias("marginal_hits"),
            F.sum(to_fixed_point(weight * reciprocal_rank)).alias("reciprocal_ranks"),
        )
    )


def _levels() -> Column:
    """The (level, key) pairs that a row counts for; rows that count impressions are of no query."""

    def level(name: str, key: Column) -> Column:
        return F.struct(F.lit(name).alias("level"), key.alias("key"))

    coarse = level(ALL_QUERIES, F.lit(ALL_QUERIES)), level(BY_CLASS, F.col("query_class"))
    query = level(BY_QUERY, F.col("query_key"))
    return F.when(F.col("query_key").isNull(), F.array(*coarse)).otherwise(F.array(*coarse, query))
