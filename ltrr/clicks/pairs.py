"""Slate rows -> the counts on which the position-based model is fitted."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def modelled_position(max_positions: int) -> Column:
    """Position of the model: positions beyond `max_positions` share the last one.

    >>> positions = spark.createDataFrame([(1,), (20,), (31,)], "position int")
    >>> [row.p for row in positions.select(modelled_position(20).alias("p")).collect()]
    [1, 20, 20]
    """
    return F.least(F.col("position"), F.lit(max_positions))


def to_position_counts(slate_rows: DataFrame, max_positions: int) -> DataFrame:
    """(impression, position) -> (surface, position): number of impressions of each position."""
    return slate_rows.groupBy("surface", modelled_position(max_positions).alias("position")).agg(
        F.count(F.lit(1)).alias("impressions")
    )


def to_linking_pairs(slate_rows: DataFrame, max_positions: int) -> DataFrame:
    """(impression, position) -> (surface, query_key, entity_id): pairs that identify examination.

    These pairs have clicks and were shown at two positions or more (`clicks.examination` gives the
    reason). They are a few per cent of all pairs, so the fit can read them many times for
    any size of log. The first grouping grows with the log. It is one shuffle after a partial count,
    so a frequent pair is a few rows in it.

    Columns: surface, positions, impressions, clicks (three arrays of one length).
    """
    pair = ["surface", "query_key", "entity_id"]
    counts = slate_rows.groupBy(*pair, modelled_position(max_positions).alias("position")).agg(
        F.count(F.lit(1)).alias("impressions"), F.sum("clicks").alias("clicks")
    )
    seen = counts.groupBy(*pair).agg(
        F.collect_list(F.struct("position", "impressions", "clicks")).alias("seen"), F.sum("clicks").alias("clicks")
    )
    return seen.where((F.col("clicks") > 0) & (F.size("seen") > 1)).select(
        "surface",
        F.col("seen.position").alias("positions"),
        F.col("seen.impressions").alias("impressions"),
        F.col("seen.clicks").alias("clicks"),
    )
