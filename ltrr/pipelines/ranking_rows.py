"""Rows of `ranking_rows`; pages without logged features get what was known before their date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.clicks.correction import with_examination
from ltrr.memory.rollup import MemoryPeriod
from ltrr.memory.served_before import PLACE, to_memory_before
from ltrr.pipelines.closing import ClosedPeriods
from ltrr.pipelines.entity_catalogue import only_catalogue
from ltrr.pipelines.night import Night
from ltrr.ranking.overlaps import with_overlap
from ltrr.ranking.rows import only_without_features, to_ranking_rows
from ltrr.spark.columns import with_added_columns
from ltrr.spark.reused import reused
from ltrr.tables.catalog import table


def write_ranking_rows(night: Night, dates: ClosedPeriods) -> None:
    """Write the rows of the closed dates.

    Args:
        night: Night of `train_ranker`.
        dates: Dates that the night writes.
    """
    slates = dates.only_written(night.read("slate_rows"))
    curves = dates.only_since(night.read("examination"), "as_of_date")
    settings = night.settings
    rows = to_ranking_rows(
        with_examination(slates, curves), settings.clicks.examination_floor, settings.ranker.gain_cap
    )
    unlogged = _dates_without_features(slates)
    if unlogged:
        rows = _with_evidence(night, reused(rows), unlogged)
    night.write("ranking_rows", with_added_columns(rows, table("ranking_rows")), dates.where("log_date"))


def _dates_without_features(slates: DataFrame) -> list[date]:
    """Dates with a clicked entity whose page has no logged features; none in logs of ltrr."""
    clicked = only_without_features(slates).where("clicks > 0").select("log_date").distinct()
    return sorted(row["log_date"] for row in clicked.collect())


def _with_evidence(night: Night, rows: DataFrame, unlogged: Sequence[date]) -> DataFrame:
    settings = night.settings
    periods = [
        MemoryPeriod.of(before, settings.logs.first_open(before), settings.memory.horizon_weeks)
        for before in (day - timedelta(days=1) for day in unlogged)
    ]
    without = only_without_features(rows)
    memory = to_memory_before(
        night.read("q2e_daily"),
        night.read("q2e_rollup"),
        without.select("log_date", "query_key"),
        periods,
        settings.memory,
    )
    filled = without.join(memory, on=list(PLACE), how="left")
    entities = only_catalogue(night.read("entities"), settings.catalogue) if settings.catalogue else None
    if entities is not None:
        filled = with_overlap(filled, entities, settings.policy.query_key_version)
    declared = table("ranking_rows")
    logged = rows.where(F.size("features") > 0)
    return with_added_columns(logged, declared).unionByName(with_added_columns(filled, declared))
