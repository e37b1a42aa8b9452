"""Training data of values: a bounded sample of queries with looks, known blocks and clicks."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ltrr.bandit.values import ValueSettings
from ltrr.spark.fixed_point import from_fixed_point, to_fixed_point
from ltrr.spark.hashing import HashUse, salted_hash


def to_known_queries(rows: DataFrame, settings: ValueSettings) -> DataFrame:
    """One row for each query_key of a sample, from rows of `bandit_rows` by (impression_id, step).

    Columns: query_key; `looks`, its newest looks; `blocks`, the newest content of every block that
    an impression looked at or drew; `pairs`, clicks and examinations of every entity shown. All
    arrays are sorted, so that the same rows give the same result for any partitions.

    The sample bounds the size of the one task that trains: `settings.queries` rows of about 6 kB,
    whatever the size of the data.

    Args:
        rows: Rows of the window, of training users only.
        settings: Number of queries and looks.
    """
    kept = rows.select("query_key", "log_date", "impression_id", "look", "deeper", "shown")
    by_hash = (salted_hash(HashUse.VALUE_QUERIES, "query_key"), F.col("query_key"))
    sample = kept.select("query_key").distinct().orderBy(*by_hash).limit(settings.queries)
    sampled = kept.join(F.broadcast(sample), on="query_key", how="left_semi")
    parts = (_collect_looks(sampled, settings.query_looks), _collect_blocks(sampled), _collect_pairs(sampled))
    joined = sample
    for part in parts:
        joined = joined.join(part, on="query_key", how="inner")
    return joined


def _collect_looks(sampled: DataFrame, query_looks: int) -> DataFrame:
    """query_key and its looks, chosen by date and hash, independently of outcomes."""
    newest = Window.partitionBy("query_key").orderBy(
        F.col("log_date").desc(), salted_hash(HashUse.VALUE_CAP, "impression_id"), "impression_id"
    )
    placed = sampled.withColumn("_place", F.row_number().over(newest)).where(F.col("_place") <= query_looks)
    numbered = F.sort_array(F.collect_list(F.struct("_place", "look")))
    return placed.groupBy("query_key").agg(F.transform(numbered, lambda entry: entry["look"]).alias("looks"))


def _collect_blocks(sampled: DataFrame) -> DataFrame:
    """query_key and the contents of its blocks; blocks without an answer are left out."""
    blocks = sampled.select(
        "query_key", "log_date", "impression_id", F.explode(F.concat("look", "deeper")).alias("block")
    )
    answered = blocks.where(F.col("block.status").isin("ok", "empty"))
    in_order = F.struct("log_date", salted_hash(HashUse.VALUE_BLOCK, "impression_id"), "impression_id")
    newest = F.max_by("block", in_order).alias("block")
    contents = answered.groupBy("query_key", "block.strategy", "block.depth").agg(newest)
    return contents.groupBy("query_key").agg(F.sort_array(F.collect_list("block")).alias("blocks"))


def _collect_pairs(sampled: DataFrame) -> DataFrame:
    """query_key and the sums of its pairs, in fixed point: the same in any order."""
    shown = sampled.select("query_key", F.explode("shown").alias("row"))
    pairs = shown.groupBy("query_key", "row.entity_id").agg(
        F.sum("row.clicks").cast("double").alias("clicks"),
        from_fixed_point(F.sum(to_fixed_point(F.col("row.examination")))).alias("examinations"),
    )
    pair = F.struct("entity_id", "clicks", "examinations")
    return pairs.groupBy("query_key").agg(F.sort_array(F.collect_list(pair)).alias("pairs"))
