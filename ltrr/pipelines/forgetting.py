"""Forgets users: removes their rows from every table and from all readable versions.

Forgetting overrides retention. The dates on which a user searched are ingested again without the
user, as far back as a repair looks, and everything computed from them is repaired. Rows of older
dates are deleted. Then all files that only earlier versions hold are removed, each table records
the oldest version that can still be read, and the quarantine of rejected lines is emptied.

Each step can be run again: a run that was killed is completed by the same command.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import read_manifest, versions
from ltrr.config import Settings
from ltrr.errors import CommitError
from ltrr.logs.folder import delete_folder, folder_name
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.runner import run_repairs
from ltrr.pipelines.staleness import stale_jobs
from ltrr.spark.commits import JOB_RUNS, CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import Lease, hold_lease
from ltrr.tables.catalog import CATALOG, table
from ltrr.tables.table import Table

log = logging.getLogger(__name__)

_PURPOSE = "forgetting users"


@dataclass(frozen=True)
class ForgettingResult:
    """The result of forgetting users.

    Attributes:
        dates: Log dates on which the users had searched, oldest first.
        runs: Runs of the jobs that ran again.
        rows_deleted: Number of rows deleted from dates too old to run again, by table.
        bundles: Published versions whose training data cover one of the dates.
        folders: Folders of the logs whose files still contain the users' searches.
    """

    dates: Sequence[date]
    runs: Sequence[JobRun]
    rows_deleted: dict[str, int]
    bundles: Sequence[str]
    folders: Sequence[str] = ()


def forget_users(
    spark: SparkSession,
    settings: Settings,
    user_keys: Collection[str],
    today: date,
    *,
    accept_quality: Mapping[str, str] | None = None,
    on_start: Callable[[str, date], None] | None = None,
    on_commit: Callable[[JobRun], None] | None = None,
) -> ForgettingResult:
    """Forget users in all tables of a home; the result lists what has changed.

    Args:
        spark: Session of the tables.
        settings: All settings.
        user_keys: A few keys, as in `impressions`.
        today: Date of the users' request, which is recorded.
        accept_quality: Reason to continue if a rerun without the users fails a quality check, by
            name of the check. A check that was accepted for a date before is accepted again.
        on_start: Function that is called with job and date before each run.
        on_commit: Function that is called with each committed run.

    Raises:
        CommitError: The newest night is not complete, or a date is still stale after its repair.
        NotReadyError: The logs of a date that must be ingested again are missing.
        DataQualityError: A date fails a check without the users, and no reason to accept it was
            given.
        LeaseError: Another process writes to this home.
    """
    keys = sorted(user_keys)
    warehouse = Warehouse(spark, settings.paths.tables, settings.nights.readable_days)
    with hold_lease(settings.paths.home, _PURPOSE, tables=settings.paths.tables):
        rows = spark.createDataFrame([(key, today) for key in keys], "user_key string, since date")
        warehouse.append_new(table("forgotten_users"), rows)
        commits = CommitLog(warehouse)
        last = _find_last_night(warehouse, commits)
        _restore_tables(warehouse, commits)
        # Stored now: events name an impression and no user, and the reruns remove the impressions.
        theirs = _impressions_of(warehouse, keys).localCheckpoint()
        searched, arrived = (_list_dates(theirs, column) for column in ("log_date", "arrival_date"))
    # The rows of a history arrived on their own dates; the first night reads all of them.
    read_by = sorted({max(day, settings.first_night_date) for day in arrived})
    folders = [f"{settings.paths.logs}/{folder_name(day)}" for day in read_by]
    if last is None:
        return ForgettingResult(searched, [], {}, [], folders)
    repair = partial(
        run_repairs, spark, settings, last, accept_quality=accept_quality, on_start=on_start, on_commit=on_commit
    )
    # After an unfinished forgetting or corrected logs, a repair must precede any removal.
    runs = list(repair()) if _list_stale_dates(commits, settings, last) else []
    # A night reads the folder in which a search arrived, which is not always that of its date.
    again = [day for day in read_by if day >= _find_first_rerun(warehouse, commits, settings, last)]
    if again:
        runs += repair(rerun=again[0])
    with hold_lease(settings.paths.home, _PURPOSE, tables=settings.paths.tables) as lease:
        deleted = _remove_users(warehouse, lease, keys, theirs, again, settings, last)
    return ForgettingResult(searched, runs, deleted, _list_bundles(settings, searched), folders)


def _remove_users(
    warehouse: Warehouse,
    lease: Lease,
    keys: Sequence[str],
    theirs: DataFrame,
    again: Sequence[date],
    settings: Settings,
    last: date,
) -> dict[str, int]:
    """Delete the users' remaining rows, all earlier versions and the quarantine.

    Args:
        warehouse: Tables of the home.
        lease: Held lease of the home.
        keys: Keys of the users.
        theirs: log_date, arrival_date and impression_id of all their searches.
        again: Dates that were ingested again.
        settings: All settings.
        last: Newest date.

    Returns:
        Number of deleted rows by table.
    """
    commits = CommitLog(warehouse)
    _restore_tables(warehouse, commits)
    _check_nothing_stale(commits, settings, last)
    _check_none_left(warehouse, keys, again)
    deleted = _delete_rows(warehouse, commits, lease, keys, theirs, settings, last)
    _remove_earlier_versions(warehouse, commits)
    # Rejected lines are kept unchanged, so any of them may name a user.
    delete_folder(warehouse.spark, settings.paths.quarantine)
    return deleted


def _find_last_night(warehouse: Warehouse, commits: CommitLog) -> date | None:
    """The newest date with a committed job; None in a home without nights.

    Raises:
        CommitError: Not all jobs of the date are committed.
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


def _restore_tables(warehouse: Warehouse, commits: CommitLog) -> None:
    """Undo the writes of uncommitted runs: their rows must not count or replace committed rows."""
    for declared in CATALOG.values():
        if declared.is_read_by_version:
            warehouse.restore(declared, commits.newest_version(declared.name))


def _list_stale_dates(commits: CommitLog, settings: Settings, last: date) -> list[date]:
    first = max(settings.first_night_date, last - timedelta(days=settings.nights.repair_days))
    commits.load(first - timedelta(days=1))
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day for day in dates if stale_jobs(commits, settings.first_night_date, day)]


def _check_nothing_stale(commits: CommitLog, settings: Settings, last: date) -> None:
    """Check that no date is stale: a stale date still needs earlier versions."""
    stale = _list_stale_dates(commits, settings, last)
    if stale:
        raise CommitError(
            "a date is stale, so its earlier versions cannot be removed",
            which=str(stale[0]),
            expected="every job committed after its inputs",
            todo=f"run `ltrr nightly --date {last} --repair`, then forget the user again",
        )


def _remove_earlier_versions(warehouse: Warehouse, commits: CommitLog) -> None:
    """Remove the files of all but the committed versions from tables with personal rows."""
    for declared in CATALOG.values():
        committed = commits.newest_version(declared.name)
        if _is_personal(declared) and committed is not None:
            warehouse.remove_earlier_versions(declared, committed)


def _find_first_rerun(warehouse: Warehouse, commits: CommitLog, settings: Settings, last: date) -> date:
    """The oldest date in the repair window that can be ingested again.

    An earlier forgetting may have removed the versions that older dates need.
    """
    first = max(settings.first_night_date, last - timedelta(days=settings.nights.repair_days - 1))
    for number in range((last - first).days + 1):
        day = last - timedelta(days=number)
        before = [run for job in JOBS if (run := commits.run(job, day - timedelta(days=1))) is not None]
        outputs = [out for run in before for out in run.outputs]
        if any(0 <= out.version < warehouse.oldest_readable(table(out.table)) for out in outputs):
            return day + timedelta(days=1)
    return first


def _is_personal(declared: Table) -> bool:
    """Whether rows of the table belong to a user or may name one.

    `data_quality` names heavy users by their key.
    """
    named = {"user_key", "impression_id", "check"}
    return declared.is_read_by_version and bool(named & set(declared.column_names))


def _impressions_of(warehouse: Warehouse, keys: Sequence[str]) -> DataFrame:
    rows = warehouse.read(table("impressions")).where(F.col("user_key").isin(*keys))
    return rows.select("log_date", "arrival_date", "impression_id")


def _list_dates(rows: DataFrame, column: str) -> list[date]:
    """Distinct dates of a column, oldest first; at most as many as the log has."""
    return sorted(row[column] for row in rows.select(column).distinct().collect())


def _check_none_left(warehouse: Warehouse, keys: Sequence[str], again: Sequence[date]) -> None:
    """Check that the reruns left no search of the users that arrived on the rerun dates."""
    left = [day for day in _list_dates(_impressions_of(warehouse, keys), "arrival_date") if again and day >= again[0]]
    if left:
        raise CommitError(
            "searches of a forgotten user are still there after their dates were run again",
            which=f"arrived on {', '.join(map(str, left))}",
            expected="none",
            todo="run the same command again; if it says the same, this is a defect of ltrr",
        )


def _delete_rows(
    warehouse: Warehouse,
    commits: CommitLog,
    lease: Lease,
    keys: Sequence[str],
    theirs: DataFrame,
    settings: Settings,
    last: date,
) -> dict[str, int]:
    """Delete the users' remaining rows, as a further attempt of the newest run of each writer.

    Args:
        warehouse: Tables of the home.
        commits: Log of committed runs.
        lease: Held lease of the home.
        keys: Keys of the users.
        theirs: log_date, arrival_date, impression_id of all their searches, also of those that
            reruns left out.
        settings: All settings.
        last: Newest date.
    """
    deleted: dict[str, int] = {}
    for job in JOBS:
        run, changed = commits.run(job, last), {}
        for declared in CATALOG.values():
            if run is None or declared.written_by != job or not _is_personal(declared):
                continue
            output = run.output(declared.name)
            count, version = warehouse.delete(
                declared, _rows_of(warehouse.read(declared), keys, theirs, settings.logs.late_days)
            )
            if count and output is not None:
                deleted[declared.name], changed[declared.name] = count, version
        if run is not None and changed:
            outputs = tuple(replace(out, version=changed.get(out.table, out.version)) for out in run.outputs)
            lease.check()
            commits.commit(replace(run, attempt=run.attempt + 1, outputs=outputs))
    return deleted


def _rows_of(rows: DataFrame, keys: Sequence[str], theirs: DataFrame, late_days: int) -> DataFrame:
    by_key = F.col("user_key").isin(*keys) if "user_key" in rows.columns else F.lit(False)
    if "check" in rows.columns:
        by_key = F.col("check").isin(*(f"user_{key}" for key in keys))
    if "impression_id" not in rows.columns:
        return rows.where(by_key)
    # Another user may have the same impression id on a later date. An event without an impression
    # has no date of one; it arrived while the id was remembered.
    is_same = F.col("r.impression_id") == F.col("t.impression_id")
    is_of_date = F.col("r.log_date") == F.col("t.log_date")
    if "arrival_date" in rows.columns:
        waited = F.abs(F.date_diff(F.col("r.arrival_date"), F.col("t.log_date"))) <= late_days
        is_of_date = F.coalesce(is_of_date, waited)
    found = rows.alias("r").join(theirs.alias("t"), is_same & is_of_date, "left_semi")
    return found if "user_key" not in rows.columns else found.unionByName(rows.where(by_key))


def _list_bundles(settings: Settings, dates: Sequence[date]) -> list[str]:
    """Published versions whose data window covers one of the dates."""
    root, name = settings.paths.policies, settings.policy.name
    days = [day.isoformat() for day in dates]
    windows = {version: read_manifest(root, name, version).data_window for version in versions(root, name)}
    return [
        version
        for version, window in sorted(windows.items())
        if window and any(window["first"] <= day <= window["last"] for day in days)
    ]
