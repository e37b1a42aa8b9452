"""Toy jobs over real catalog tables, whose results can be computed by hand.

`figures.json` in the home has the figure of each date's logs, so that a test can correct earlier
dates. As a program (`toy_jobs.py HOME JOB DATE`) a job waits between its first two tables until it
is killed.
"""

import json
import sys
import time
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import functions as F

from ltrr.config import load_settings
from ltrr.pipelines import job_runner, runner
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.spark.lease import hold_lease
from ltrr.spark.session import SparkSettings, build_session

FIRST = date(2026, 3, 1)
_CHECKS = "log_date date, check string, figure double, limit double, verdict string, detail string"
_REJECTED = ("source", "offset", "settled_date", "reason", "detail", "format", "line_hash", "excerpt")


def toy_settings(home, figures=None):
    """Settings of a toy home whose logs hold `figures` (day of March 2026 -> number)."""
    if figures is not None:
        by_date = {str(date(2026, 3, day)): figure for day, figure in figures.items()}
        (home / "figures.json").write_text(json.dumps(by_date))
    return load_settings(home, None, ["policy={name: toy, strategies: [a, b]}", f"history_starts={FIRST}"])


def ingest_logs(night):
    """Write data_quality with the figure of the date, and one row of rejected_rows."""
    figures = json.loads((night.settings.paths.home / "figures.json").read_text())
    checked = (night.date, "figure", float(figures.get(str(night.date), 0)), None, "reported", "toy")
    night.write("data_quality", night.spark.createDataFrame([checked], _CHECKS))
    rejected = ("decisions-1.ndjson", 1, night.date, "unreadable", "", "foreign", "00", "{")
    night.write("rejected_rows", night.spark.createDataFrame([rejected], list(_REJECTED)))
    night.note(lines=int(checked[2]), impressions=0, query_key_version=2)


def fit_click_model(night):
    """Write examination with the sum of all visible figures as the number of impressions."""
    total = night.read("data_quality").agg(F.coalesce(F.sum("figure"), F.lit(0.0)).cast("bigint").alias("impressions"))
    columns = ("'search' surface", "1 position", "1D examination", "null standard_error", "'prior' method")
    curve = total.selectExpr(f"date'{night.date}' as_of_date", *columns, "true is_identified", "impressions")
    night.write("examination", curve)


def build_memory(night):
    """Write queries of the two open dates, with the impressions of the night's curve."""
    yesterday = night.date - timedelta(days=1)
    curve = night.read("examination").where(F.col("as_of_date") == F.lit(night.date)).select("impressions")
    days = night.spark.createDataFrame([(yesterday,), (night.date,)], "log_date date")
    columns = ("'q' query_key", "'one_word' query_class", "impressions", "X'00' users_sketch", "1D users")
    queries = days.crossJoin(curve).selectExpr("log_date", *columns)
    night.write("queries", queries, f"log_date IN (DATE'{yesterday}', DATE'{night.date}')")


def nothing(_night):
    """A job that writes no table and sets no note."""


TOYS = {
    **dict.fromkeys(JOBS, nothing),
    "ingest_logs": ingest_logs,
    "fit_click_model": fit_click_model,
    "build_memory": build_memory,
}


def run_in_one_process(spark, settings, jobs, day):
    """Run some jobs of a date in one process, with one read of the commits."""
    with hold_lease(settings.paths.home, f"toys of {day}", tables=settings.paths.tables) as lease:
        runner_of_jobs = job_runner.JobRunner(spark, settings, lease)
        if settings.nights.repair_first and jobs[0] == JOBS[0]:
            runner_of_jobs.repair_before(day)
        return [runner_of_jobs.run(job, day, None) for job in jobs]


class SlowNight(Night):
    """A night that waits after its first table."""

    def write(self, name, frame, where=None):
        """Write, then wait to be killed."""
        super().write(name, frame, where)
        time.sleep(600)


def main(home, job, day):
    """Run one toy job with a slow night."""
    job_runner.load_job = TOYS.__getitem__
    job_runner.Night = SlowNight
    session = build_session("toy", SparkSettings(master="local[1]"))
    runner.run_job(session, toy_settings(Path(home)), job, date.fromisoformat(day))


if __name__ == "__main__":
    main(*sys.argv[1:])
