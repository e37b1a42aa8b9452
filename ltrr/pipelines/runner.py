"""Runs jobs under the commit protocol: order of dates, one writer, one row at the end."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import SparkSession

import ltrr
from ltrr.config import Settings
from ltrr.errors import CommitError
from ltrr.pipelines.jobs import JOBS, NEEDS, check_job, comes_before, load_job
from ltrr.pipelines.night import Night, missing_run
from ltrr.pipelines.staleness import changed_jobs, stale_jobs
from ltrr.spark.commits import CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import Lease, hold_lease
from ltrr.spark.quality import ACCEPTED_QUALITY, read_accepted

__all__ = ["JOBS", "Night", "run_job", "run_nightly"]

log = logging.getLogger(__name__)


def run_job(
    spark: SparkSession, settings: Settings, job: str, day: date, *, accept_quality: Mapping[str, str] | None = None
) -> JobRun:
    """Run one job of one date and commit it.

    Raises:
        UsageError: there is no such job.
        CommitError: a job or date before it has not been committed.
        LeaseError: another process writes to this home.
        DataQualityError: a check of the night's data failed and nobody answers for it.
        NotReadyError: the date's logs are not closed.
    """
    check_job(job)
    with hold_lease(settings.paths.home, f"{job} of {day}", tables=settings.paths.tables) as lease:
        desk = _Desk(spark, settings, lease)
        if settings.nights.repair_first and job == JOBS[0]:
            desk.repair_before(day)
        return desk.run(job, day, accept_quality)


def run_nightly(
    spark: SparkSession,
    settings: Settings,
    day: date,
    *,
    accept_quality: Mapping[str, str] | None = None,
    repair: bool = False,
    on_start: Callable[[str, date], None] | None = None,
    on_commit: Callable[[JobRun], None] | None = None,
) -> list[JobRun]:
    """Run all eight jobs of one date, in order; with `repair` first whatever is stale or missing before it.

    Args:
        spark: the session that all of them share.
        settings: all settings.
        day: logical date.
        accept_quality: reason to go on in spite of a failed quality check, by check; recorded with it.
        repair: rerun earlier dates, oldest first, whose inputs have changed since.
        on_start: told job and date as each begins.
        on_commit: told of each job that was committed.

    Raises:
        CommitError: the night before is not complete; the message names what to run.
        LeaseError: another process writes to this home.
        DataQualityError: a check of the night's data failed and nobody answers for it.
        NotReadyError: the date's logs are not closed.
    """
    runs: list[JobRun] = []
    with hold_lease(settings.paths.home, f"nightly of {day}", tables=settings.paths.tables) as lease:
        desk = _Desk(spark, settings, lease)
        if repair or settings.nights.repair_first:
            runs += desk.repair_before(day, on_start, on_commit)
        desk.check_night_before(day)
        for job in JOBS:
            if on_start:
                on_start(job, day)
            runs.append(desk.run(job, day, accept_quality))
            if on_commit:
                on_commit(runs[-1])
    return runs


def run_repairs(
    spark: SparkSession,
    settings: Settings,
    last: date,
    *,
    rerun: date | None = None,
    accept_quality: Mapping[str, str] | None = None,
    on_start: Callable[[str, date], None] | None = None,
    on_commit: Callable[[JobRun], None] | None = None,
) -> Sequence[JobRun]:
    """Run the stale jobs of all dates up to `last` again, oldest date first; what was accepted is accepted again.

    Args:
        spark: the session that all of them share.
        settings: all settings.
        last: the newest date that is repaired.
        rerun: a date that is ingested again first, stale or not.
        accept_quality: further reasons to go on in spite of a failed quality check, by check.
        on_start: told job and date as each begins.
        on_commit: told of each job that was committed.

    Raises:
        CommitError: a job or date before one of them has not been committed.
        LeaseError: another process writes to this home.
        DataQualityError: a check failed that nobody answers for.
        NotReadyError: the logs of a date are not closed, or gone.
    """
    with hold_lease(settings.paths.home, f"repair up to {last}", tables=settings.paths.tables) as lease:
        desk = _Desk(spark, settings, lease, accept_quality or {})
        runs = [desk.run_again(JOBS[0], rerun, on_start, on_commit)] if rerun is not None else []
        return [*runs, *desk.repair_before(last + timedelta(days=1), on_start, on_commit)]


@dataclass
class _Desk:
    """The holder of the lease: runs jobs and keeps the log of commits.

    Attributes:
        spark: the session that all jobs share.
        settings: all settings.
        lease: held as long as the desk is used.
        accept_again: reasons to go on in spite of a failed quality check, by check, for every rerun of a repair.
        commits: what has been committed.
    """

    spark: SparkSession
    settings: Settings
    lease: Lease
    accept_again: Mapping[str, str] = field(default_factory=dict)
    commits: CommitLog = field(init=False)

    def __post_init__(self) -> None:
        nights, tables = self.settings.nights, self.settings.paths.tables
        self.commits = CommitLog(Warehouse(self.spark, tables, nights.readable_days))

    def run(self, job: str, day: date, accept_quality: Mapping[str, str] | None) -> JobRun:
        started = time.monotonic()
        self.commits.load(self.first_checked(day) - timedelta(days=1))
        self.check_order(job, day)
        self.check_nothing_stale(job, day)
        warehouse = self.commits.warehouse
        night = Night(day, job, self.settings, self.spark, warehouse, self.commits, accept_quality or {})
        self.spark.sparkContext.setJobDescription(f"{job} {day}")
        if job == JOBS[0]:
            # The night's run in MLflow is this job's to start: a night nobody can track should not begin.
            log.info("mlflow_night=%s", night.tracking.night_run_id)
        try:
            night.restore_tables()
            load_job(job)(night)
            run = self.commit(night, started)
        except BaseException as fault:
            if "tracking" in vars(night):
                # A run that nobody ends says RUNNING in MLflow until the next night.
                night.tracking.end(fault)
            raise
        finally:
            # Whatever a job cached is of no use to the next one, which reads what was committed.
            self.spark.catalog.clearCache()
        if changed_jobs(self.commits, self.settings.first_date, day + timedelta(days=1)):
            log.warning("job=%s date=%s made later dates stale: run `ltrr nightly --date LATEST --repair`", job, day)
        return run

    def commit(self, night: Night, started: float) -> JobRun:
        """Write the row that makes what the job wrote readable, if the lease is still held."""
        run = JobRun(
            job=night.job,
            run_date=night.date,
            attempt=night.attempt,
            code_version=ltrr.__version__,
            config_digest=self.settings.digest(),
            # Carried outputs first: the tables that they stand on are inputs too.
            outputs=night.carried_outputs(),
            inputs=tuple(sorted(night.inputs, key=lambda read: (read.table, str(read.run_date), read.version))),
            notes=night.notes,
            seconds=round(time.monotonic() - started, 3),
        )
        self.lease.check()
        self.commits.commit(run)
        return run

    def first_checked(self, day: date) -> date:
        """The oldest date that is checked for stale jobs, and repaired, before a night of `day`."""
        return max(self.settings.first_date, day - timedelta(days=self.settings.nights.repair_days))

    def repair_before(
        self,
        day: date,
        on_start: Callable[[str, date], None] | None = None,
        on_commit: Callable[[JobRun], None] | None = None,
    ) -> Sequence[JobRun]:
        """Rerun the stale jobs of all dates before `day`, oldest date first."""
        first = self.first_checked(day)
        self.commits.load(first - timedelta(days=1))
        dates = [first + timedelta(days=number) for number in range((day - first).days)]
        return [run for earlier in dates for run in self.repair(earlier, on_start, on_commit)]

    def repair(
        self,
        day: date,
        on_start: Callable[[str, date], None] | None,
        on_commit: Callable[[JobRun], None] | None,
    ) -> Sequence[JobRun]:
        """Rerun the stale jobs of a date, in order; what one rerun makes stale is found by looking again after it."""
        runs: list[JobRun] = []
        for job in JOBS:
            reason = stale_jobs(self.commits, self.settings.first_date, day).get(job)
            if reason:
                log.info("job=%s date=%s stale: %s", job, day, reason)
                runs.append(self.run_again(job, day, on_start, on_commit))
        return runs

    def run_again(
        self,
        job: str,
        day: date,
        on_start: Callable[[str, date], None] | None,
        on_commit: Callable[[JobRun], None] | None,
    ) -> JobRun:
        """Rerun a job; whoever accepted a failed check of the night accepts it again: a repair asks nobody."""
        if on_start:
            on_start(job, day)
        earlier = self.commits.run(job, day)
        accepted = read_accepted(earlier.notes.get(ACCEPTED_QUALITY, "")) if earlier else {}
        run = self.run(job, day, {**accepted, **self.accept_again})
        if on_commit:
            on_commit(run)
        return run

    def check_order(self, job: str, day: date) -> None:
        """Nothing where the job may run now; CommitError otherwise."""
        self.check_date(day)
        self.check_not_too_old(job, day)
        for need in NEEDS[job]:
            if self.commits.run(need, day) is None:
                raise missing_run(need, day, wanted_by=f"{job} of {day}")
        before = day - timedelta(days=1)
        if day > self.settings.first_date and self.commits.run(job, before) is None:
            raise missing_run(job, before, wanted_by=f"{job} of {day}")

    def check_nothing_stale(self, job: str, day: date) -> None:
        """Nothing where all that the job builds on is up to date; CommitError otherwise.

        A run on top of a stale date would lose what later nights had added to it.
        """
        first_date, first = self.settings.first_date, self.first_checked(day)
        for number in range((day - first).days):
            earlier = first + timedelta(days=number)
            stale = changed_jobs(self.commits, first_date, earlier)
            if stale:
                raise CommitError(
                    f"{job} of {day} needs an earlier date that is stale",
                    which=str(earlier),
                    expected="every job committed after its inputs",
                    got="; ".join(f"{name}: {reason}" for name, reason in stale.items()),
                    todo=f"run `ltrr nightly --date {day} --repair`, or set nights.repair_first to true",
                )
        stale = {
            name: why for name, why in changed_jobs(self.commits, first_date, day).items() if comes_before(name, job)
        }
        if stale:
            raise CommitError(
                f"{job} of {day} needs a job of the same date that is stale",
                which=next(iter(stale)),
                expected="committed after its inputs",
                got=next(iter(stale.values())),
                todo=f"run `ltrr job {next(iter(stale))} --date {day}` first, or the whole night",
            )

    def check_date(self, day: date) -> None:
        """Nothing where history has begun by then, and no earlier one is there; CommitError otherwise."""
        oldest = self.commits.oldest_date() if day == self.settings.first_date else None
        if oldest is not None and oldest < day:
            # Such a night would read empty tables: memory, spent alpha and waiting events would be gone.
            raise CommitError(
                "history cannot start anew in a home that has one",
                which=f"history_starts: {day}",
                expected=f"{oldest} or earlier, the first date that was committed",
                todo="set history_starts back; close dates without logs with a file _NO_TRAFFIC, or begin a new home",
            )
        if day < self.settings.first_date:
            raise CommitError(
                "the date is before the history starts",
                which=str(day),
                expected=f"{self.settings.first_date} or later (history_starts)",
                todo="correct the date, or history_starts before anything is committed",
            )

    def check_not_too_old(self, job: str, day: date) -> None:
        """Nothing where what a run of the date makes stale is still checked and repaired; CommitError otherwise."""
        nights = self.settings.nights
        newest = self.commits.newest_date(day)
        oldest = (newest or day) - timedelta(days=nights.repair_days)
        if newest is not None and day < oldest:
            raise CommitError(
                "the date is too old to run again: no later night would notice that its tables have changed",
                which=f"{job} of {day}",
                expected=f"{oldest} or later (nights.repair_days: {nights.repair_days})",
                todo=f"raise nights.repair_days to {(newest - day).days} if the versions of {day} are still readable "
                f"(nights.readable_days: {nights.readable_days}), then repair the nights after it",
            )

    def check_night_before(self, day: date) -> None:
        """Nothing where the whole night before is committed, or there is none; CommitError otherwise."""
        self.check_date(day)
        before = day - timedelta(days=1)
        self.commits.load(before)
        missing = [job for job in JOBS if self.commits.run(job, before) is None]
        if day > self.settings.first_date and missing:
            # Nights are run one after the other: the first to run is the one after the last complete one.
            raise CommitError(
                f"the night of {day} needs the one before it",
                which=str(before),
                expected="all eight jobs committed",
                got=f"no {', '.join(missing)}",
                todo=f"run `ltrr nightly --date {before}` first",
            )
