"""Runs single jobs under the commit protocol: checks before, one committed row after."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib import import_module
from typing import cast

from pyspark.sql import SparkSession

import ltrr
from ltrr.config import Settings
from ltrr.pipelines.jobs import JOBS, check_job
from ltrr.pipelines.night import Night
from ltrr.pipelines.note_codec import check_complete
from ltrr.pipelines.notes import NOTES
from ltrr.pipelines.run_order import check_nothing_stale, check_order, first_checked
from ltrr.pipelines.staleness import changed_jobs, stale_jobs
from ltrr.spark.commits import CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import Lease
from ltrr.spark.quality import ACCEPTED_QUALITY, read_accepted

log = logging.getLogger(__name__)


def load_job(name: str) -> Callable[[Night], None]:
    """Import the function of a job, with the check that it has set its notes.

    A single job does not load the libraries of the other seven.
    """
    run = cast("Callable[[Night], None]", import_module(f"ltrr.pipelines.{check_job(name)}").run)

    def run_and_check(night: Night) -> None:
        run(night)
        check_complete(NOTES[name], night.notes, night.date)

    return run_and_check


@dataclass
class JobRunner:
    """Runs and commits single jobs while it holds the lease of the home.

    Attributes:
        spark: Session that all jobs share.
        settings: All settings.
        lease: Lease of the home; the caller keeps it as long as jobs run.
        accept_again: Reasons to accept a failed quality check, by name of the check, for every
            rerun of a repair.
        commits: Log of committed runs.
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
        """Check the order of runs, run the job, and commit it."""
        started = time.monotonic()
        self.commits.load(first_checked(self.settings, day) - timedelta(days=1))
        check_order(self.commits, self.settings, job, day)
        check_nothing_stale(self.commits, self.settings, job, day)
        warehouse = self.commits.warehouse
        night = Night(day, job, self.settings, self.spark, warehouse, self.commits, accept_quality or {})
        self.spark.sparkContext.setJobDescription(f"{job} {day}")
        if job == JOBS[0]:
            # This job starts the night's run in MLflow: a night that cannot be tracked should not
            # begin.
            log.info("mlflow_night=%s", night.tracking.night_run_id)
        try:
            night.restore_tables()
            load_job(job)(night)
            run = self.commit(night, started)
        except BaseException as fault:
            if "tracking" in vars(night):
                # A run that is not ended has the state RUNNING in MLflow until the next night.
                night.tracking.end(fault)
            raise
        finally:
            # The next job reads committed tables, so it cannot use the cache of this one.
            self.spark.catalog.clearCache()
        if changed_jobs(self.commits, self.settings.first_night_date, day + timedelta(days=1)):
            log.warning("job=%s date=%s made later dates stale: run `ltrr nightly --date LATEST --repair`", job, day)
        return run

    def commit(self, night: Night, started: float) -> JobRun:
        """Commit the job if the lease is still held; other jobs can then read what it wrote."""
        run = JobRun(
            job=night.job,
            run_date=night.date,
            attempt=night.attempt,
            code_version=ltrr.__version__,
            config_digest=self.settings.digest(),
            # Before the inputs: the earlier versions of carried tables are inputs too.
            outputs=night.carried_outputs(),
            inputs=tuple(sorted(night.inputs, key=lambda read: (read.table, str(read.run_date), read.version))),
            notes=night.notes,
            seconds=round(time.monotonic() - started, 3),
        )
        self.lease.check()
        self.commits.commit(run)
        return run

    def repair_before(
        self,
        day: date,
        on_start: Callable[[str, date], None] | None = None,
        on_commit: Callable[[JobRun], None] | None = None,
    ) -> Sequence[JobRun]:
        """Rerun the stale jobs of all dates before `day`, oldest date first."""
        first = first_checked(self.settings, day)
        self.commits.load(first - timedelta(days=1))
        dates = [first + timedelta(days=number) for number in range((day - first).days)]
        return [run for earlier in dates for run in self.repair(earlier, on_start, on_commit)]

    def repair(
        self,
        day: date,
        on_start: Callable[[str, date], None] | None,
        on_commit: Callable[[JobRun], None] | None,
    ) -> Sequence[JobRun]:
        """Rerun the stale jobs of a date, in order, also those that a rerun makes stale."""
        runs: list[JobRun] = []
        for job in JOBS:
            reason = stale_jobs(self.commits, self.settings.first_night_date, day).get(job)
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
        """Rerun a job; failed checks that its earlier attempt accepted are accepted again.

        A repair therefore asks for no further acceptance.
        """
        if on_start:
            on_start(job, day)
        earlier = self.commits.run(job, day)
        accepted = read_accepted(earlier.notes.get(ACCEPTED_QUALITY, "")) if earlier else {}
        run = self.run(job, day, {**accepted, **self.accept_again})
        if on_commit:
            on_commit(run)
        return run
