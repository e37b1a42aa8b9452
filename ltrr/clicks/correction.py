"""Correction for position: join slate rows with the examination of their positions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.clicks.fit import EVERY_SURFACE
from ltrr.errors import LtrrError

_Curves = dict[str, tuple[float, ...]]


def with_examination(slate_rows: DataFrame, examination: DataFrame) -> DataFrame:
    """Add `examination` of (log_date, surface, position): same rows, never null.

    A row has the curve that was committed for its own date, in rebuilds too, so that later fits do
    not change it. Dates before the first curve have the first. A surface without a curve on the
    date has that of all surfaces (`*`). A position beyond the end of the curve has the value of its
    deepest position.

    The curves are read at the call and go to the tasks as one small table of dates x surfaces x
    max_positions numbers, for any number of slates. Pass only the dates that are needed.

    Args:
        slate_rows: Any rows with log_date, surface and position.
        examination: The table as committed, or its dates that `slate_rows` has and one earlier
            date.

    Raises:
        LtrrError: There is no curve.

    >>> rows = spark.sql('''SELECT DATE'2026-03-02' log_date, 'search' surface,
    ...     explode(array(1, 2, 9)) position''')
    >>> curve = spark.sql('''SELECT DATE'2026-03-02' as_of_date, *
    ...     FROM VALUES ('*', 1, 1.0D), ('*', 2, 0.5D), ('search', 1, 1.0D)
    ...     AS t(surface, position, examination)''')
    >>> [row.examination for row in with_examination(rows, curve).orderBy("position").collect()]
    [1.0, 0.5, 0.5]
    """
    curves = _collect_curves(examination)
    first, last = min(curves), max(curves)
    known = sorted({surface for of_date in curves.values() for surface in of_date})
    columns = {
        "curve_date": pa.array([day for day in curves for _ in known], pa.date32()),
        "curve_surface": pa.array([surface for _ in curves for surface in known], pa.string()),
        "curve": pa.array(
            [of_date.get(surface, of_date[EVERY_SURFACE]) for of_date in curves.values() for surface in known],
            pa.list_(pa.float64()),
        ),
    }
    day = F.greatest(F.lit(first), F.least(F.lit(last), F.col("log_date")))
    surface = F.when(F.col("surface").isin(known), F.col("surface")).otherwise(F.lit(EVERY_SURFACE))
    joined = slate_rows.join(
        F.broadcast(slate_rows.sparkSession.createDataFrame(pa.table(columns))),
        on=(F.col("curve_date") == day) & (F.col("curve_surface") == surface),
        how="left",
    )
    place = F.least(F.col("position"), F.size("curve"))
    return joined.withColumn("examination", F.element_at("curve", place)).drop(*columns)


def _collect_curves(examination: DataFrame) -> Mapping[date, _Curves]:
    """Curves of every date from first to last; a date without one has that of the previous date."""
    rows = examination.select("as_of_date", "surface", "position", "examination").collect()
    if not rows:
        raise LtrrError("there is no examination curve", which="examination", todo="run the job fit_click_model first")
    found: dict[date, dict[str, list[float]]] = {}
    for row in sorted(rows, key=lambda row: row["position"]):
        found.setdefault(row["as_of_date"], {}).setdefault(row["surface"], []).append(row["examination"])
    curves: dict[date, _Curves] = {}
    day = min(found)
    of_date = _fill_curves(found[day])
    while day <= max(found):
        of_date = _fill_curves(found[day]) if day in found else of_date
        curves[day] = of_date
        day += timedelta(days=1)
    return curves


def _fill_curves(of_date: Mapping[str, list[float]]) -> _Curves:
    """Curves of every surface down to the depth of `*`, which continues shorter curves."""
    # ltrr always writes `*`. In a table without it, the deepest curve takes its place.
    everywhere = of_date.get(EVERY_SURFACE) or max(of_date.values(), key=len)
    curves = {EVERY_SURFACE: everywhere, **of_date}
    return {surface: (*curve, *everywhere[len(curve) :]) for surface, curve in curves.items()}
