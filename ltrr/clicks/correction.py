"""Joins what was shown with the examination of where it was shown."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.clicks.fit import EVERY_SURFACE


def with_examination(slate_rows: DataFrame, examination: DataFrame) -> DataFrame:
    """Add `examination` of (log_date, surface, position): same rows, never null.

    The curve is the one committed for the row's own date, in rebuilds too, so that evidence does not change with what
    is learned later; dates before the first curve take the first. A surface or position that the curve of the date
    does not have takes that of all surfaces (`*`), and a position beyond it the deepest one. The table is a few rows a
    date: it is broadcast.

    >>> rows = spark.sql("SELECT DATE'2026-03-02' log_date, 'search' surface, explode(array(1, 2, 9)) position")
    >>> curve = spark.sql("SELECT DATE'2026-03-02' as_of_date, '*' surface, 1 position, 1.0D examination UNION ALL "
    ...                   "SELECT DATE'2026-03-02', '*', 2, 0.5D UNION ALL SELECT DATE'2026-03-02', 'search', 2, 0.6D")
    >>> [row.examination for row in with_examination(rows, curve).orderBy("position").collect()]
    [1.0, 0.6, 0.5]
    """
    curve_of_date = F.struct(
        F.map_from_entries(
            F.collect_list(F.struct(F.concat_ws(" ", "surface", "position"), F.col("examination")))
        ).alias("by_place"),
        F.max(F.when(F.col("surface") == EVERY_SURFACE, F.col("position"))).alias("deepest"),
    )
    curves = examination.groupBy(F.col("as_of_date").alias("log_date")).agg(curve_of_date.alias("own_curve"))
    first = curves.agg(F.min_by("own_curve", "log_date").alias("first_curve"))
    joined = slate_rows.join(F.broadcast(curves), on="log_date", how="left").join(F.broadcast(first), how="cross")
    with_curve = joined.withColumn("curve", F.coalesce("own_curve", "first_curve"))
    by_place = F.col("curve.by_place")
    everywhere = F.concat_ws(" ", F.lit(EVERY_SURFACE), F.least("position", "curve.deepest"))
    found = F.coalesce(
        F.try_element_at(by_place, F.concat_ws(" ", "surface", "position")), F.element_at(by_place, everywhere)
    )
    return with_curve.withColumn("examination", found).drop("own_curve", "first_curve", "curve")
