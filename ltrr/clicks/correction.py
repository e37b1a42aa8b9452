"""Joins what was shown with the examination of where it was shown."""

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

    Evidence takes the curve committed for its own date, in rebuilds too, so that it does not change with what is
    learned later; dates before the first curve take the first. A surface that the curve of the date does not know
    takes that of all surfaces (`*`), a position beyond the end of the curve its deepest one.

    The curves are read here and now and go to the tasks as one small table: dates x surfaces x max_positions numbers,
    however many slates there are. Pass the dates that are needed.

    Args:
        slate_rows: any rows with log_date, surface and position.
        examination: the table as committed, or those of its dates that `slate_rows` has and one more to fall back on.

    Raises:
        LtrrError: there is no curve at all.

    >>> rows = spark.sql("SELECT DATE'2026-03-02' log_date, 'search' surface, explode(array(1, 2, 9)) position")
    >>> curve = spark.sql("SELECT DATE'2026-03-02' as_of_date, '*' surface, 1 position, 1.0D examination UNION ALL "
    ...                   "SELECT DATE'2026-03-02', '*', 2, 0.5D UNION ALL SELECT DATE'2026-03-02', 'search', 1, 1.0D")
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
    """The curves of every date between the first and the last; a date without one has that of the date before."""
    rows = examination.select("as_of_date", "surface", "position", "examination").collect()
    if not rows:
        raise LtrrError("there is no examination curve", which="examination", todo="run the job fit_click_model first")
    found: dict[date, dict[str, list[float]]] = {}
    for row in sorted(rows, key=lambda row: row["position"]):
        found.setdefault(row["as_of_date"], {}).setdefault(row["surface"], []).append(row["examination"])
    curves: dict[date, _Curves] = {}
    day = min(found)
    of_date = _filled(found[day])
    while day <= max(found):
        of_date = _filled(found[day]) if day in found else of_date
        curves[day] = of_date
        day += timedelta(days=1)
    return curves


def _filled(of_date: Mapping[str, list[float]]) -> _Curves:
    """Every surface down to the depth of `*`: where its own curve ends, that of all surfaces goes on."""
    # A table without `*` is not ours; its deepest curve then stands for all.
    everywhere = of_date.get(EVERY_SURFACE) or max(of_date.values(), key=len)
    curves = {EVERY_SURFACE: everywhere, **of_date}
    return {surface: (*curve, *everywhere[len(curve) :]) for surface, curve in curves.items()}
