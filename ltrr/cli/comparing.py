"""Two versions of a table side by side: derived floats by a tolerance, everything else exactly."""

from __future__ import annotations

from functools import reduce
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from ltrr.spark.delta import Warehouse
from ltrr.tables.table import Table


def compare_tables(here: Warehouse, there: Warehouse, declared: Table, tolerance: float) -> dict[str, Any]:
    """Rows on one side only, and rows whose values differ; one full join on the grain, nothing collected but counts.

    What is not exact and not a number (clocks, remarks) is not compared. NaN equals NaN, null equals null.
    """
    ours = here.read(declared).select(F.struct("*").alias("ours"), *_keys(declared))
    theirs = there.read(declared).select(F.struct("*").alias("theirs"), *_keys(declared))
    joined = ours.join(theirs, [f"key_{name}" for name in declared.grain], how="full_outer")
    both = F.col("ours").isNotNull() & F.col("theirs").isNotNull()
    differs = [_differs(column.name, column.type, tolerance) for column in declared.columns if _is_compared(column)]
    different = reduce(Column.__or__, differs, F.lit(False))
    counts = joined.agg(
        F.count_if(both).alias("in both"),
        F.count_if(F.col("theirs").isNull()).alias("only here"),
        F.count_if(F.col("ours").isNull()).alias("only there"),
        F.count_if(both & different).alias("different"),
    ).first()
    return {"table": declared.name, **(counts.asDict() if counts is not None else {})}


def _is_compared(column: Any) -> bool:
    return bool(column.exact or column.type in ("double", "bigint"))


def _keys(declared: Table) -> list[Column]:
    # Null is a value of a key here: a release done by hand has no date.
    return [F.coalesce(F.col(name).cast("string"), F.lit("\0")).alias(f"key_{name}") for name in declared.grain]


def _differs(name: str, kind: str, tolerance: float) -> Column:
    ours, theirs = F.col(f"ours.{name}"), F.col(f"theirs.{name}")
    if kind == "double":
        scale = F.greatest(F.lit(1.0), F.abs(ours), F.abs(theirs))
        near = (F.abs(ours - theirs) <= F.lit(tolerance) * scale) | (F.isnan(ours) & F.isnan(theirs))
        return ~F.coalesce(near, ours.isNull() & theirs.isNull())
    if kind.startswith("map<"):
        ours, theirs = F.array_sort(F.map_entries(ours)), F.array_sort(F.map_entries(theirs))
    return ~ours.eqNullSafe(theirs)
