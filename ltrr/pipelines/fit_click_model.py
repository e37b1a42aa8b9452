"""Examination by position: the configured click model, fitted to the slates of the last days."""

from __future__ import annotations

import logging
from dataclasses import astuple
from datetime import timedelta

from pyspark.sql import functions as F

from ltrr.clicks.curve_rows import curve_rows
from ltrr.clicks.models import click_model
from ltrr.clicks.pairs import to_position_counts
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night

log = logging.getLogger(__name__)

_COLUMNS = (
    "surface string, position int, examination double, standard_error double, method string, is_identified boolean, "
    "impressions bigint"
)


def run(night: Night) -> None:
    """Fit the examination curve of every surface on log dates D - window_days + 1 .. D.

    The curves are written to `examination`. Each night reads the whole window, so the curve is a
    function of the logs alone. Cost of the position-based model: one shuffle of the window's slate
    rows to pairs, then a few passes over the linking pairs in the cache.

    Raises:
        ConfigError: `clicks.model` names no click model.
    """
    settings = night.settings.clicks
    model = click_model(settings.model)
    first = min(night.first_open, night.date - timedelta(days=settings.window_days - 1))
    window = night.read("slate_rows").where(F.col("log_date").between(F.lit(first), F.lit(night.date)))
    columns = ("log_date", "user_key", "impression_id", "surface", "query_key", "entity_id", "position", "clicks")
    slate_rows = only_counted_users(night, window.select(*columns))
    # Surfaces times at most max_positions rows.
    counts = to_position_counts(slate_rows, settings.max_positions).collect()
    shown = {(row["surface"], row["position"]): int(row["impressions"]) for row in counts}
    fit = None
    if shown:
        surfaces = sorted({surface for surface, _ in shown})
        fit = model.fit(slate_rows, surfaces, max(position for _, position in shown), settings)
        night.note(examination_passes=fit.iterations, examination_converged=fit.is_converged)
    else:
        log.warning("no slates between %s and %s: examination is the prior", first, night.date)
    rows = [astuple(row) for row in curve_rows(fit, shown, settings)]
    curves = night.spark.createDataFrame(rows, _COLUMNS).coalesce(1)
    night.write("examination", curves.withColumn("as_of_date", F.lit(night.date)))
