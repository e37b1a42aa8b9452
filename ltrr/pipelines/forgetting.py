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
from ltrr.logs.folder import delete_folder
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.runner import run_job, run_nightly
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
        NotReadyError: the logs of a date that has to be ingested again are gone.
        LeaseError: another process writes to this home.
    """
    home, warehouse = settings.paths.home, Warehouse(spark, settings.paths.tables, settings.nights.readable_days)
    keys = sorted(user_keys)
    with hold_lease(home, "forgetting users", tables=settings.paths.tables):
        rows = spark.createDataFrame([(key, today) for key in keys], "user_key string, since date")
        warehouse.append_new(table("forgotten_users"), rows)
    searched = _dates_of(warehouse, keys)
    runs: list[JobRun] = []
    newest = warehouse.read(JOB_RUNS).where(F.col("job") == JOBS[0]).agg(F.max("run_date").alias("day")).first()
    last = newest["day"] if newest else None
    if searched and last:
        oldest = max(settings.first_date, last - timedelta(days=settings.nights.repair_days - 1))
        again = [day for day in searched if day >= oldest]
        if again:
            if on_start:
                on_start(JOBS[0], again[0])
            runs.append(run_job(spark, settings, JOBS[0], again[0]))
            runs += run_nightly(spark, settings, last, repair=True, on_start=on_start, on_commit=on_commit)
    with hold_lease(home, "forgetting users", tables=settings.paths.tables) as lease:
        deleted = _delete_rows(warehouse, CommitLog(warehouse), lease, keys, last) if last else {}
        for declared in CATALOG.values():
            if _is_personal(declared) and warehouse.exists(declared):
                warehouse.remove_earlier_versions(declared)
        # Rejected lines are kept as they came, so any of them may name a user.
        delete_folder(spark, settings.paths.quarantine)
    return Forgotten(searched, runs, deleted, _bundles(settings, searched))


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
