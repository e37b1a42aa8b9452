"""Repeated ids: the line of the earliest night is kept, and among its lines the earliest one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def only_repeats(lines: DataFrame, earlier: DataFrame, id_column: str) -> DataFrame:
    """Lines whose id an earlier night or an earlier line has: source, offset, detail.

    Among the lines of a night, time and content decide, not the place: the same lines in another
    order, or in other files, keep the same rows.

    The shuffle moves ids and places only. At 1,000x the data it is one shuffle of a few dozen bytes
    per line and per id of earlier nights; wide rows are not moved. All lines of one id are in one
    task, which sorts them on disk: a million lines of one id are about 0.2 GB.

    Args:
        lines: Rows with id_column, at, line_hash, source and offset, of the night's lines. A
            column `after` may say that a line counts only after those with a smaller number.
        earlier: Rows with id_column, accepted on earlier nights.
        id_column: event_id or impression_id.

    >>> places = [("i1", 7, "b", 1), ("i1", 5, "a", 9), ("i2", 5, "a", 2), ("i3", 5, "a", 3)]
    >>> schema = "impression_id string, at int, source string, offset bigint"
    >>> lines = spark.createDataFrame(places, schema).withColumn("line_hash", F.lit("0"))
    >>> earlier = spark.createDataFrame([("i3",), ("i4",)], "impression_id string")
    >>> repeats = only_repeats(lines, earlier, "impression_id").orderBy("offset")
    >>> [(row.source, row.offset, row.detail) for row in repeats.collect()]
    [('b', 1, 'first seen in line 9 of a'), ('a', 3, 'first seen on an earlier night')]
    """
    after = F.col("after") if "after" in lines.columns else F.lit(0).alias("after")
    current = lines.select(id_column, after, "at", "line_hash", "source", "offset")
    before = earlier.select(id_column).distinct().select(id_column, F.lit("").alias("source"), F.lit(0).alias("offset"))
    # Nulls come first: a row of an earlier night has neither time nor content here.
    in_order = Window.partitionBy(id_column).orderBy("after", "at", "line_hash", "source", "offset")
    first_place = F.first(F.struct("source", "offset")).over(
        in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    ranked = before.unionByName(current, allowMissingColumns=True).select(
        "source", "offset", F.row_number().over(in_order).alias("place"), first_place.alias("first_place")
    )
    seen = F.when(F.col("first_place.offset") == 0, "first seen on an earlier night").otherwise(
        F.format_string("first seen in line %d of %s", "first_place.offset", "first_place.source")
    )
    return ranked.where((F.col("place") > 1) & (F.col("offset") > 0)).select("source", "offset", seen.alias("detail"))


def ids_of_several(lines: Sequence[DataFrame], earlier: Sequence[DataFrame]) -> DataFrame:
    """`id_hash` of the ids that several lines have, or a line and an earlier night; each once.

    Only lines of these ids need to be compared, and a night seldom has many. The shuffle has one
    whole number per line. Ids with equal hashes are compared without need, and never taken for
    each other.

    Args:
        lines: Frames of the night's lines with `id_hash`, which `id_hash` computes.
        earlier: The same for rows of earlier nights.

    >>> ids = spark.createDataFrame([("a",), ("b",), ("b",), ("c",)], "event_id string")
    >>> hashed = ids.select(id_hash("event_id"))
    >>> before = ids.where("event_id = 'a'").select(id_hash("event_id"))
    >>> several = ids_of_several([hashed], [before])
    >>> found = ids.select("event_id", id_hash("event_id")).join(several, on="id_hash").distinct()
    >>> sorted(row.event_id for row in found.collect())
    ['a', 'b']
    """
    hashes = reduce(DataFrame.unionByName, (*lines, *earlier))
    return hashes.groupBy("id_hash").agg(F.count(F.lit(1)).alias("n")).where("n > 1").select("id_hash")


def id_hash(id_column: str) -> Column:
    """Hash of an id with the name of its column, so that ids of two kinds do not meet."""
    return F.xxhash64(F.lit(id_column), id_column).alias("id_hash")
