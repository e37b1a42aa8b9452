"""Runs jobs under the commit protocol: order of dates, one writer, one row at the end."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import SparkSession

import ltrr
from ltrr.config import Settings
from ltrr.errors import CommitError
from ltrr.pipelines.jobs import JOBS, NEEDS, check_job, load_job
from ltrr.pipelines.night import Night, missing_run
from ltrr.pipelines.staleness import stale_jobs
from ltrr.spark.commits import CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import Lease, hold_lease

__all__ = ["JOBS", "Night", "run_job", "run_nightly"]

log = logging.getLogger(__name__)

# `--repair` looks back this far: two months of nights are a few hundred rows of job_runs.
REPAIR_DAYS = 60


def run_job(
    spark: SparkSession, settings: Settings, job: str, day: date, *, accept_quality: str | None = None
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
        return _Desk(spark, settings, lease).run(job, day, accept_quality)


def run_nightly(
    spark: SparkSession,
    settings: Settings,
    day: date,
    *,
    accept_quality: str | None = None,
    repair: bool = False,
    on_start: Callable[[str, date], None] | None = None,
    on_commit: Callable[[JobRun], None] | None = None,
) -> list[JobRun]:
    """Run all eight jobs of one date, in order; with `repair` first whatever is stale or missing before it.

    Args:
        spark: the session that all of them share.
        settings: all settings.
        day: logical date.
        accept_quality: reason to go on in spite of failed quality checks; recorded with them.
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
        if repair:
            first = max(settings.first_date, day - timedelta(days=REPAIR_DAYS))
            desk.commits.load(first - timedelta(days=1), day)
            for number in range((day - first).days):
                runs += desk.repair(first + timedelta(days=number), on_start, on_commit)
        desk.check_night_before(day)
        for job in JOBS:
            if on_start:
                on_start(job, day)
            runs.append(desk.run(job, day, accept_quality))
            if on_commit:
                on_commit(runs[-1])
    return runs


@dataclass
class _Desk:
    """The holder of the lease: runs jobs and keeps the log of commits."""

    spark: SparkSession
    settings: Settings
    lease: Lease
    commits: CommitLog = field(init=False)

    def __post_init__(self) -> None:
        self.commits = CommitLog(Warehouse(self.spark, self.settings.paths.tables))

    def run(self, job: str, day: date, accept_quality: str | None) -> JobRun:
        started = time.monotonic()
        self.commits.load(day - timedelta(days=1), day)
        self.check_order(job, day)
        warehouse = self.commits.warehouse
        night = Night(day, job, self.settings, self.spark, warehouse, self.commits, accept_quality)
        self.spark.sparkContext.setJobDescription(f"{job} {day}")
        if job == JOBS[0]:
            # The night's run in MLflow is this job's to start: a night nobody can track should not begin.
            log.info("mlflow_night=%s", night.tracking.night_run_id)
        try:
            load_job(job)(night)
        except BaseException as fault:
            if "tracking" in vars(night):
                # A run that nobody ends says RUNNING in MLflow until the next night.
                night.tracking.end(fault)
            raise
        finally:
            # Whatever a job cached is of no use to the next one, which reads what was committed.
            self.spark.catalog.clearCache()
        earlier = self.commits.run(job, day)
        run = JobRun(
            job=job,
            run_date=day,
            attempt=earlier.attempt + 1 if earlier else 1,
            code_version=ltrr.__version__,
            config_digest=self.settings.digest(),
            inputs=tuple(sorted(night.inputs, key=lambda read: (read.table, read.version))),
            outputs=night.carried_outputs(),
            notes=night.notes,
            seconds=round(time.monotonic() - started, 3),
        )
        self.lease.check()
        self.commits.commit(run)
        return run

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
                if on_start:
                    on_start(job, day)
                runs.append(self.run(job, day, None))
                if on_commit:
                    on_commit(runs[-1])
        return runs

    def check_order(self, job: str, day: date) -> None:
        """Nothing where the job may run now; CommitError otherwise."""
        self.check_date(day)
        for need in NEEDS[job]:
            if self.commits.run(need, day) is None:
                raise missing_run(need, day, wanted_by=f"{job} of {day}")
        before = day - timedelta(days=1)
        if day > self.settings.first_date and self.commits.run(job, before) is None:
            raise missing_run(job, before, wanted_by=f"{job} of {day}")

    def check_date(self, day: date) -> None:
        """Nothing where history has begun by then; CommitError otherwise."""
        if day < self.settings.first_date:
            raise CommitError(
                "the date is before the history starts",
                which=str(day),
                expected=f"{self.settings.first_date} or later (history_starts)",
                todo="correct the date, or history_starts before anything is committed",
            )

    def check_night_before(self, day: date) -> None:
        """Nothing where the whole night before is committed, or there is none; CommitError otherwise."""
        self.check_date(day)
        before = day - timedelta(days=1)
        self.commits.load(before, day)
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
