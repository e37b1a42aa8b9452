"""Checks before a job runs: inputs are committed and up to date, and the date is not too old."""

from __future__ import annotations

from datetime import date, timedelta

from ltrr.config import HOME_FILE, Settings
from ltrr.errors import CommitError, ConfigError
from ltrr.pipelines.jobs import JOBS, NEEDS, comes_before
from ltrr.pipelines.night import missing_run
from ltrr.pipelines.note_codec import decode_note
from ltrr.pipelines.notes import IngestNotes
from ltrr.pipelines.staleness import changed_jobs
from ltrr.spark.commits import CommitLog, JobRun


def first_checked(settings: Settings, day: date) -> date:
    """The oldest date that is checked for stale jobs and repaired before the night of `day`."""
    return max(settings.first_night_date, day - timedelta(days=settings.nights.repair_days))


def check_order(commits: CommitLog, settings: Settings, job: str, day: date) -> None:
    """Check the date, and that all runs that the job needs are committed.

    Raises:
        CommitError: The date is not allowed, or a run is missing.
        ConfigError: The home has another version of the query key.
    """
    check_date(commits, settings, day)
    check_not_too_old(commits, settings, job, day)
    check_key_version(commits, settings, day)
    for need in NEEDS[job]:
        if commits.run(need, day) is None:
            raise missing_run(need, day, wanted_by=f"{job} of {day}")
    before = day - timedelta(days=1)
    if day > settings.first_night_date and commits.run(job, before) is None:
        raise missing_run(job, before, wanted_by=f"{job} of {day}")


def check_key_version(commits: CommitLog, settings: Settings, day: date) -> None:
    """Check that the home keeps the version of the query key of its committed nights.

    With keys of two versions, the memory and the history of one query would be split.

    Raises:
        ConfigError: The committed night used another version.
    """
    runs = [commits.run(JOBS[0], on) for on in (day - timedelta(days=1), day)]
    committed = {_key_version(run, run.run_date) for run in runs if run is not None}
    version = settings.policy.query_key_version
    if committed - {version}:
        used = min(committed - {version})
        raise ConfigError(
            "the committed nights of this home used another version of the query key",
            which="policy.query_key_version",
            expected=str(used),
            got=str(version),
            todo=f"keep it: set policy.query_key_version to {used} in {HOME_FILE} of the home; or begin a new home "
            f"with version {version}",
        )


def _key_version(run: JobRun, day: date) -> int:
    return decode_note(IngestNotes, run.notes, "query_key_version", day) or 1


def check_nothing_stale(commits: CommitLog, settings: Settings, job: str, day: date) -> None:
    """Check that all inputs of the job are up to date.

    A run on top of a stale date would lose the rows that later nights added to it.

    Raises:
        CommitError: An earlier date, or a job that runs before, is stale.
    """
    first_date, first = settings.first_night_date, first_checked(settings, day)
    for number in range((day - first).days):
        earlier = first + timedelta(days=number)
        stale = changed_jobs(commits, first_date, earlier)
        if stale:
            raise CommitError(
                f"{job} of {day} needs an earlier date that is stale",
                which=str(earlier),
                expected="every job committed after its inputs",
                got="; ".join(f"{name}: {reason}" for name, reason in stale.items()),
                todo=f"run `ltrr nightly --date {day} --repair`, or set nights.repair_first to true",
            )
    stale = {name: why for name, why in changed_jobs(commits, first_date, day).items() if comes_before(name, job)}
    if stale:
        raise CommitError(
            f"{job} of {day} needs a job of the same date that is stale",
            which=next(iter(stale)),
            expected="committed after its inputs",
            got=next(iter(stale.values())),
            todo=f"run `ltrr job {next(iter(stale))} --date {day}` first, or the whole night",
        )


def before_the_first_night(settings: Settings, day: date) -> CommitError:
    """The error for a date before the first night."""
    name = "first_night" if settings.first_night else "history_starts"
    return CommitError(
        "the date is before the first night" if settings.first_night else "the date is before the history starts",
        which=str(day),
        expected=f"{settings.first_night_date} or later ({name})",
        todo=f"correct the date, or {name} before anything is committed",
    )


def check_date(commits: CommitLog, settings: Settings, day: date) -> None:
    """Check that the history starts by this date and that the home has no earlier history.

    Raises:
        CommitError: The date is before the history starts, or the home has an earlier history.
    """
    oldest = commits.oldest_date() if day == settings.first_night_date else None
    if oldest is not None and oldest < day:
        # Such a night would read empty tables and lose memory, spent alpha and waiting events.
        raise CommitError(
            "history_starts is later than the history of the home",
            which=f"history_starts: {day}",
            expected=f"{oldest} or earlier, the first date that was committed",
            todo="set history_starts back; close dates without logs with a file _NO_TRAFFIC, or begin a new home",
        )
    if day < settings.first_night_date:
        raise before_the_first_night(settings, day)


def check_not_too_old(commits: CommitLog, settings: Settings, job: str, day: date) -> None:
    """Check that later nights still find and repair what a run of the date makes stale.

    Raises:
        CommitError: The date is too old.
    """
    nights = settings.nights
    newest = commits.newest_date(day)
    oldest = (newest or day) - timedelta(days=nights.repair_days)
    if newest is not None and day < oldest:
        raise CommitError(
            "the date is too old to run again: no later night would notice that its tables have changed",
            which=f"{job} of {day}",
            expected=f"{oldest} or later (nights.repair_days: {nights.repair_days})",
            todo=f"raise nights.repair_days to {(newest - day).days} if the versions of {day} are still readable "
            f"(nights.readable_days: {nights.readable_days}), then repair the nights after it",
        )


def check_night_before(commits: CommitLog, settings: Settings, day: date) -> None:
    """Check that the night before is committed; the first date has none.

    Raises:
        CommitError: The date is not allowed, or a job of the night before is missing.
    """
    check_date(commits, settings, day)
    before = day - timedelta(days=1)
    commits.load(before)
    missing = [job for job in JOBS if commits.run(job, before) is None]
    if day > settings.first_night_date and missing:
        # Nights run one after the other: the next night follows the last complete one.
        raise CommitError(
            f"the night of {day} needs the one before it",
            which=str(before),
            expected="all eight jobs committed",
            got=f"no {', '.join(missing)}",
            todo=f"run `ltrr nightly --date {before}` first",
        )
