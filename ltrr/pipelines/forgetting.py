"""Forgets users: their rows leave every table, and no earlier version that holds them stays readable.

Forgetting overrides retention. The dates on which a user searched are ingested again without the user, as far back as a
repair looks, and everything computed from them is repaired. Rows of older dates are deleted. Then all files that only
earlier versions hold are removed, each table records the oldest version that can still be read, and the quarantine of
rejected lines is emptied.

Each step can be run again: a run that was killed is completed by the same command.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import read_manifest, versions
from ltrr.config import Settings
from ltrr.errors import CommitError
from ltrr.logs.folder import delete_folder
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.runner import run_job, run_nightly
from ltrr.pipelines.staleness import stale_jobs
from ltrr.spark.commits import JOB_RUNS, CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import Lease, hold_lease
from ltrr.tables.catalog import CATALOG, table
from ltrr.tables.table import Table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forgotten:
    """What forgetting did.

    Attributes:
        dates: log dates on which the users had searched, oldest first.
        runs: jobs that were run again.
        rows_deleted: from dates that were too old to run again, by table.
        bundles: published versions whose training data covers such a date.
    """

    dates: Sequence[date]
    runs: Sequence[JobRun]
    rows_deleted: dict[str, int]
    bundles: Sequence[str]


def forget_users(
    spark: SparkSession,
    settings: Settings,
    user_keys: Collection[str],
    today: date,
    *,
    on_start: Callable[[str, date], None] | None = None,
    on_commit: Callable[[JobRun], None] | None = None,
) -> Forgotten:
    """Forget users in all tables of a home.

    Args:
        spark: the session.
        settings: all settings.
        user_keys: keys as in `impressions`; a handful.
        today: when the users asked; recorded.
        on_start: called with job and date before each run.
        on_commit: called with each run that was committed.

    Raises:
        CommitError: the newest night is not complete, or a date is still stale after its repair.
        NotReadyError: the logs of a date that has to be ingested again are gone.
        LeaseError: another process writes to this home.
    """
    home, keys = settings.paths.home, sorted(user_keys)
    warehouse = Warehouse(spark, settings.paths.tables, settings.nights.readable_days)
    with hold_lease(home, "forgetting users", tables=settings.paths.tables):
        rows = spark.createDataFrame([(key, today) for key in keys], "user_key string, since date")
        warehouse.append_new(table("forgotten_users"), rows)
        commits = CommitLog(warehouse)
        last = _last_night(warehouse, commits)
        _restore(warehouse, commits)
        searched = _dates_of(warehouse, keys)
    if last is None:
        return Forgotten(searched, [], {}, [])
    runs: list[JobRun] = []
    if _stale_dates(commits, settings, last):
        # A forgetting that did not end, or mended logs: nothing may be removed while a date waits for its repair.
        runs += run_nightly(spark, settings, last, repair=True, on_start=on_start, on_commit=on_commit)
    again = [day for day in searched if day >= _first_rerun(warehouse, commits, settings, last)]
    if again:
        if on_start:
            on_start(JOBS[0], again[0])
        runs.append(run_job(spark, settings, JOBS[0], again[0]))
        runs += run_nightly(spark, settings, last, repair=True, on_start=on_start, on_commit=on_commit)
    with hold_lease(home, "forgetting users", tables=settings.paths.tables) as lease:
        commits = CommitLog(warehouse)
        _restore(warehouse, commits)
        stale = _stale_dates(commits, settings, last)
        if stale:
            raise CommitError(
                "a date is stale, so its earlier versions cannot be removed",
                which=str(stale[0]),
                expected="every job committed after its inputs",
                todo=f"run `ltrr nightly --date {last} --repair`, then forget the user again",
            )
        deleted = _delete_rows(warehouse, commits, lease, keys, last)
        for declared in CATALOG.values():
            committed = commits.newest_version(declared.name)
            if _is_personal(declared) and committed is not None:
                warehouse.remove_earlier_versions(declared, committed)
        # Rejected lines are kept as they came, so any of them may name a user.
        delete_folder(spark, settings.paths.quarantine)
    return Forgotten(searched, runs, deleted, _bundles(settings, searched))


def _last_night(warehouse: Warehouse, commits: CommitLog) -> date | None:
    """The newest date that was begun; None in a home without nights.

    Raises:
        CommitError: not all of its jobs are committed.
    """
    newest = warehouse.read(JOB_RUNS).agg(F.max("run_date").alias("day")).first()
    last: date | None = newest["day"] if newest else None
    missing = [job for job in JOBS if last is not None and commits.run(job, last) is None]
    if missing:
        raise CommitError(
            "the newest night is not complete",
            which=str(last),
            expected="all jobs committed",
            got=f"no {', '.join(missing)}",
            todo=f"run `ltrr nightly --date {last}`, then forget the user again",
        )
    return last


def _restore(warehouse: Warehouse, commits: CommitLog) -> None:
    """Undo what runs that did not commit have written: their rows must neither count nor replace committed ones."""
    for declared in CATALOG.values():
        if declared.is_read_by_version:
            warehouse.restore(declared, commits.newest_version(declared.name))


def _stale_dates(commits: CommitLog, settings: Settings, last: date) -> list[date]:
    first = max(settings.first_date, last - timedelta(days=settings.nights.repair_days))
    commits.load(first - timedelta(days=1))
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day for day in dates if stale_jobs(commits, settings.first_date, day)]


def _first_rerun(warehouse: Warehouse, commits: CommitLog, settings: Settings, last: date) -> date:
    """The oldest date in the repair window that can be ingested again: earlier forgetting removed older versions."""
    first = max(settings.first_date, last - timedelta(days=settings.nights.repair_days - 1))
    for number in range((last - first).days + 1):
        day = last - timedelta(days=number)
        before = [run for job in JOBS if (run := commits.run(job, day - timedelta(days=1))) is not None]
        outputs = [out for run in before for out in run.outputs]
        if any(0 <= out.version < warehouse.oldest_readable(table(out.table)) for out in outputs):
            return day + timedelta(days=1)
    return first


def _is_personal(declared: Table) -> bool:
    """Whether rows of the table belong to a user, or may name one (`data_quality`: heavy users by their key)."""
    named = {"user_key", "impression_id", "check"}
    return declared.is_read_by_version and bool(named & set(declared.column_names))


def _dates_of(warehouse: Warehouse, keys: Sequence[str]) -> list[date]:
    """A date a row: at most as many as the log has."""
    rows = warehouse.read(table("impressions")).where(F.col("user_key").isin(*keys)).select("log_date").distinct()
    return sorted(row["log_date"] for row in rows.collect())


def _delete_rows(
    warehouse: Warehouse, commits: CommitLog, lease: Lease, keys: Sequence[str], last: date
) -> dict[str, int]:
    """Delete what is left of the users, and commit it as a further attempt of the newest run of each writer."""
    impressions = warehouse.read(table("impressions")).where(F.col("user_key").isin(*keys)).select("impression_id")
    # Read once: the deletions take the rows away from under it.
    theirs = impressions.distinct().localCheckpoint()
    deleted: dict[str, int] = {}
    for job in JOBS:
        run, changed = commits.run(job, last), {}
        for declared in CATALOG.values():
            if run is None or declared.written_by != job or not _is_personal(declared):
                continue
            output = run.output(declared.name)
            count, version = warehouse.delete(declared, _rows_of(warehouse.read(declared), keys, theirs))
            if count and output is not None:
                deleted[declared.name], changed[declared.name] = count, version
        if run is not None and changed:
            outputs = tuple(replace(out, version=changed.get(out.table, out.version)) for out in run.outputs)
            lease.check()
            commits.commit(replace(run, attempt=run.attempt + 1, outputs=outputs))
    return deleted


def _rows_of(rows: DataFrame, keys: Sequence[str], theirs: DataFrame) -> DataFrame:
    by_key = F.col("user_key").isin(*keys) if "user_key" in rows.columns else F.lit(False)
    if "check" in rows.columns:
        by_key = F.col("check").isin(*(f"user_{key}" for key in keys))
    if "impression_id" not in rows.columns:
        return rows.where(by_key)
    marked = rows.join(theirs.withColumn("is_theirs", F.lit(True)), "impression_id", "left")
    is_theirs: Column = F.coalesce(F.col("is_theirs"), F.lit(False))
    return marked.where(by_key | is_theirs).drop("is_theirs")


def _bundles(settings: Settings, dates: Sequence[date]) -> list[str]:
    """Published versions whose data window covers one of the dates."""
    root, name = settings.paths.policies, settings.policy.name
    days = [day.isoformat() for day in dates]
    windows = {version: read_manifest(root, name, version).data_window for version in versions(root, name)}
    return [
        version
        for version, window in sorted(windows.items())
        if window and any(window["first"] <= day <= window["last"] for day in days)
    ]
