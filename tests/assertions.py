"""Comparison of frames that also finds differences in NaN and infinity.

`pyspark.testing.assertDataFrameEqual` passes NaN against 1.0, and 1.0 against infinity.
"""

import math
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import CATALOG


def assert_rows_equal(
    got: DataFrame, wanted: DataFrame, *, key: Sequence[str], tolerance: float = 1e-9, finite: bool = True
) -> None:
    """Check that two frames have the same columns, types and rows; rows are matched by key.

    Args:
        got: Frame to check.
        wanted: Frame with the expected rows.
        key: Columns that identify a row; doubled keys fail.
        tolerance: Relative and absolute tolerance of floating-point values, nested ones included.
        finite: Whether NaN and infinity fail even if both sides have them.
    """
    shapes = [[(field.name, field.dataType.simpleString()) for field in frame.schema.fields] for frame in (got, wanted)]
    assert shapes[0] == shapes[1], f"columns differ: {shapes[0]} instead of {shapes[1]}"
    left, right = (_by_key(frame, key) for frame in (got, wanted))
    assert left.keys() == right.keys(), (
        f"keys differ: only in got {sorted(map(str, left.keys() - right.keys()))[:5]}, "
        f"missing {sorted(map(str, right.keys() - left.keys()))[:5]}"
    )
    faults = [
        f"{dict(zip(key, name, strict=True))}.{column}: {left[name][column]} instead of {right[name][column]}"
        for name in left
        for column in got.columns
        if not is_same_value(left[name][column], right[name][column], tolerance=tolerance, finite=finite)
    ]
    assert not faults, f"{len(faults)} values differ: " + "; ".join(faults[:5])


def assert_keys_are_unique(warehouse: Warehouse, *, filled: Collection[str]) -> None:
    """Check that the catalog's grain identifies a row in every table of a home.

    Args:
        warehouse: Tables of the home.
        filled: Names of tables that must have rows, so that the check is not empty.
    """
    for declared in CATALOG.values():
        key = [F.col(name) for name in declared.grain]
        counted = warehouse.read(declared).groupBy(*key).count().agg(F.max("count").alias("most")).collect()[0]
        assert counted["most"] in (None, 1), f"{declared.name}: {counted['most']} rows share a {declared.grain}"
        assert counted["most"] or declared.name not in filled, f"{declared.name} holds no rows"


def is_same_value(got: Any, wanted: Any, *, tolerance: float = 1e-9, finite: bool = True) -> bool:
    """Whether two values of a row are equal, floats within the tolerance, at any depth."""
    if isinstance(got, float) and isinstance(wanted, float):
        if not (math.isfinite(got) and math.isfinite(wanted)):
            return not finite and (got == wanted or (math.isnan(got) and math.isnan(wanted)))
        return math.isclose(got, wanted, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(got, Row) and isinstance(wanted, Row):
        got, wanted = got.asDict(), wanted.asDict()
    if isinstance(got, dict) and isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(
            is_same_value(got[name], wanted[name], tolerance=tolerance, finite=finite) for name in got
        )
    if isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(
            is_same_value(one, other, tolerance=tolerance, finite=finite)
            for one, other in zip(got, wanted, strict=True)
        )
    return type(got) is type(wanted) and bool(got == wanted)


def _by_key(frame: DataFrame, key: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    rows = frame.collect()
    found = {tuple(_plain(row[name]) for name in key): row for row in rows}
    assert len(found) == len(rows), f"{len(rows) - len(found)} rows share a key of {list(key)}"
    return found


def _plain(value: Any) -> Any:
    assert not isinstance(value, float), "a float is no key: rows must not be matched by it"
    return value.normalize() if isinstance(value, Decimal) else value
