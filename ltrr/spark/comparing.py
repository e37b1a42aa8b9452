"""Comparison of two sets of rows of one table by key.

Derived numbers are compared with a tolerance, all other columns exactly.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.tables.table import Table

TOLERANCE = 1e-9
"""Largest difference of two equal derived numbers, summed in other orders; relative above 1."""


def compare_rows(ours: DataFrame, theirs: DataFrame, declared: Table, tolerance: float = TOLERANCE) -> dict[str, int]:
    """Counts of rows `in both`, `only here`, `only there` and `different`.

    The cost is one full join on the grain. Columns that are neither exact nor numbers (clocks,
    remarks) are not compared. NaN equals NaN, null equals null.
    """
    here = ours.select(F.struct("*").alias("ours"), *_keys(declared))
    there = theirs.select(F.struct("*").alias("theirs"), *_keys(declared))
    joined = here.join(there, [f"key_{name}" for name in declared.grain], how="full_outer")
    both = F.col("ours").isNotNull() & F.col("theirs").isNotNull()
    differs = [_is_different(column.name, column.type, tolerance) for column in declared.columns if column.is_compared]
    different = reduce(Column.__or__, differs, F.lit(False))
    counts = joined.agg(
        F.count_if(both).alias("in both"),
        F.count_if(F.col("theirs").isNull()).alias("only here"),
        F.count_if(F.col("ours").isNull()).alias("only there"),
        F.count_if(both & different).alias("different"),
    ).first()
    return {name: int(count) for name, count in (counts.asDict() if counts is not None else {}).items()}


def is_same(counts: dict[str, int]) -> bool:
    """Whether `compare_rows` found no difference.

    >>> is_same({"in both": 3, "only here": 0, "only there": 0, "different": 0})
    True
    """
    return not (counts["only here"] or counts["only there"] or counts["different"])


def _keys(declared: Table) -> list[Column]:
    # Null is a value of a key here: a release by hand has no date.
    return [F.coalesce(F.col(name).cast("string"), F.lit("\0")).alias(f"key_{name}") for name in declared.grain]


def _is_different(name: str, kind: str, tolerance: float) -> Column:
    ours, theirs = F.col(f"ours.{name}"), F.col(f"theirs.{name}")
    if kind == "double":
        scale = F.greatest(F.lit(1.0), F.abs(ours), F.abs(theirs))
        near = (F.abs(ours - theirs) <= F.lit(tolerance) * scale) | (F.isnan(ours) & F.isnan(theirs))
        return ~F.coalesce(near, ours.isNull() & theirs.isNull())
    if kind.startswith("map<"):
        ours, theirs = F.array_sort(F.map_entries(ours)), F.array_sort(F.map_entries(theirs))
    return ~ours.eqNullSafe(theirs)
