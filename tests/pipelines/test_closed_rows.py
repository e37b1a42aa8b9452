"""Training rows in the tables, night by night, while the longest reward window changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ltrr.bandit.settings import BanditSettings
from ltrr.config import Settings
from ltrr.logs.settings import EventKind, LogSettings
from ltrr.pipelines import train_bandit
from ltrr.pipelines.closing import dates_to_write
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import BanditNotes, RankerNotes
from ltrr.pipelines.ranking_rows import write_ranking_rows
from ltrr.spark.columns import schema_of
from ltrr.spark.commits import CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.pipelines.evidence_home import CURVE, SUNDAY, commit_logs, evidence_home, logged_day

pytestmark = pytest.mark.spark

IMPRESSIONS = 20


def of_window(settings: Settings, days: int) -> Settings:
    kinds = {"click": EventKind(30), "purchase": EventKind(days * 1440)}
    return replace(settings, logs=LogSettings(kinds=kinds))


def run(spark: SparkSession, settings: Settings, day: date, job: str) -> None:
    """Run the part of a job that writes rows, and commit it as the runner does."""
    warehouse = Warehouse(spark, settings.paths.tables)
    commits = CommitLog(warehouse)
    commits.load(day - timedelta(days=1))
    night = Night(day, job, settings, spark, warehouse, commits)
    if job == "fit_click_model":
        rows = [(day, "*", place + 1, share, None, "prior", False, 0) for place, share in enumerate(CURVE)]
        night.write("examination", spark.createDataFrame(rows, schema_of(table("examination"))).coalesce(1))
    elif job != "build_memory":
        name, kind = ("bandit_rows", BanditNotes) if job == "train_bandit" else ("ranking_rows", RankerNotes)
        dates = dates_to_write(night, name, 14, kind)
        if dates.written:
            {"train_bandit": train_bandit._write_rows, "train_ranker": write_ranking_rows}[job](night, dates)
    commits.commit(JobRun(job, day, 1, "test", "test", (), night.carried_outputs(), night.notes, 0.0))


def rows_of(spark: SparkSession, settings: Settings, name: str) -> dict[date, int]:
    """Date -> impressions with rows in a table."""
    rows = Warehouse(spark, settings.paths.tables).read(table(name))
    counted = rows.select("log_date", "impression_id").distinct().groupBy("log_date").count().collect()
    return {row["log_date"]: row["count"] for row in counted}


@pytest.mark.long
def test_rows_are_those_of_the_closed_dates_whatever_the_window_was(spark, home: Path) -> None:
    # The candidates of this log do not have the pages.
    settings = replace(evidence_home(home), bandit=BanditSettings(max_unshown_share=1.0))
    days = [SUNDAY + timedelta(days=number) for number in range(5)]
    logs = [logged_day(day, IMPRESSIONS) for day in days]
    for of_day in logs:
        of_day["decisions"] = [(*row[:17], [("title:2", [0.5] * 4)], *row[18:]) for row in of_day["decisions"]]
    # A ranker learns from impressions with a click.
    clicked = [len({row[0] for row in of_day["slate_rows"] if row[8]}) for of_day in logs]
    # No date is closed; two dates close at once; the newer one is open again; it closes again with
    # the next one.
    windows = (2, 2, 1, 3, 2)
    closed = (0, 0, 2, 1, 3)
    for number, day in enumerate(days):
        changed = of_window(settings, windows[number])
        commit_logs(spark, changed, day, *(logs if number == 0 else ()))
        for job in ("fit_click_model", "build_memory", "train_bandit", "train_ranker"):
            run(spark, changed, day, job)
        dates = range(closed[number])
        assert rows_of(spark, changed, "bandit_rows") == {days[date]: IMPRESSIONS for date in dates}, day
        assert rows_of(spark, changed, "ranking_rows") == {days[date]: clicked[date] for date in dates}, day
