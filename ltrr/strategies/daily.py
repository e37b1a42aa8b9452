"""Daily sums of draws and rewards of every block, from draws, clicks and propensities."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.spark.fixed_point import from_fixed_point, to_fixed_point

ALL_QUERIES = "all"
BY_CLASS = "class"
BY_QUERY = "query"


def found_reward(clicks: Column, examination: Column, examination_floor: float) -> Column:
    """Found reward of a shown entity: clicks / max(examination, examination_floor).

    >>> rows = spark.createDataFrame(
    ...     [(1, 0.5), (1, 0.01), (0, 0.5)], "clicks int, examination double")
    >>> reward = found_reward(F.col("clicks"), F.col("examination"), 0.05).alias("reward")
    >>> [row.reward for row in rows.select(reward).collect()]
    [2.0, 20.0, 0.0]
    """
    return clicks / F.greatest(examination, F.lit(examination_floor))


def to_block_hits(slate_rows: DataFrame, candidates: DataFrame, examination_floor: float) -> DataFrame:
    """Clicked slate rows, drawn candidates -> (log_date, impression_id, strategy, depth): hits.

    Columns:
        hits: Found reward of the entities of the block, fixed point. Each drawn block that contains
            an entity gets its reward, whatever the order of draws.
        marginal_hits: Found reward of the entities that no other drawn block contains, fixed point.
        first_rank: Rank of the block's first clicked entity in the strategy's list. It is not
            corrected for examination.

    Only clicked entities are joined. Of the large table of candidates, only drawn ones are
    shuffled.

    Args:
        slate_rows: Slate rows with `examination`.
        candidates: Candidates of the same impressions.
        examination_floor: See `found_reward`.
    """
    reward = found_reward(F.col("clicks"), F.col("examination"), examination_floor)
    clicked = slate_rows.where(F.col("clicks") > 0).select(
        "log_date", "impression_id", "entity_id", to_fixed_point(reward).alias("found")
    )
    drawn = candidates.where("is_drawn").select("log_date", "impression_id", "entity_id", "strategy", "depth", "rank")
    by_entity = (
        drawn.join(clicked, on=["log_date", "impression_id", "entity_id"], how="inner")
        # A strategy may list an entity twice. The block gets its reward once.
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
    """(impression, strategy, depth) -> (log_date, level, key, strategy, depth): weighted sums.

    The levels are all queries, query classes and single queries. The weight of a draw is 1 /
    P(block drawn), at most `max_weight`. Without it, a block that is drawn mainly where it promises
    much would look better than it is. From the sums of squares and products, `strategies.shrinkage`
    estimates the variance by chance.

    One shuffle. Before it, Spark combines most rows of the two coarse levels; the level of queries
    has one row per query and drawn block.

    Args:
        drawn_blocks: Rows of `to_drawn_blocks`.
        draws: Draws of the same impressions, for their numbers of results.
        block_hits: Rows of `to_block_hits`.
        max_weight: Maximum weight of one draw.
    """
    block = ["log_date", "impression_id", "strategy", "depth"]
    results = draws.where("is_drawn").select(*block, "results")
    weight = F.least(F.lit(1.0) / F.col("chance"), F.lit(max_weight))
    weighted = (
        drawn_blocks.join(results, on=block, how="left")
        .join(block_hits, on=block, how="left")
        .withColumn("weight", F.when(F.col("chance").isNotNull(), weight).otherwise(F.lit(0.0)))
    )
    hit = F.coalesce(from_fixed_point(F.col("hits")), F.lit(0.0))
    marginal_hit = F.coalesce(from_fixed_point(F.col("marginal_hits")), F.lit(0.0))
    reciprocal_rank = F.coalesce(F.lit(1.0) / F.col("first_rank"), F.lit(0.0))
    weight = F.col("weight")
    return (
        weighted.withColumn("of", F.explode(_levels()))
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
    """(level, key) pairs to which a row contributes.

    Rows that count impressions have no query, and the empty query has no history of its own.
    """

    def level(name: str, key: Column) -> Column:
        return F.struct(F.lit(name).alias("level"), key.alias("key"))

    coarse = level(ALL_QUERIES, F.lit(ALL_QUERIES)), level(BY_CLASS, F.col("query_class"))
    query = level(BY_QUERY, F.col("query_key"))
    return F.when(F.coalesce("query_key", F.lit("")) == "", F.array(*coarse)).otherwise(F.array(*coarse, query))
