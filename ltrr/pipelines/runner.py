"""Runs jobs under the commit protocol: dates in order, one writer, one committed row per job.

Each function here takes the lease of the home and runs jobs until one fails. These errors stop a
run:

- `CommitError`: a job or date that must come first is not committed, or is stale; the message names
  what to run.
- `LeaseError`: another process writes to this home.
- `DataQualityError`: a quality check failed, and no reason to accept it is given.
- `NotReadyError`: the logs of a date are not closed, or are gone.
- `SchemaError`: a job wrote a table or notes that do not fit their declaration.

Arguments that the functions share: `accept_quality` is the reason to accept a failed quality check,
by name of the check, and is recorded with the job. `on_start` is called with job and date before
each job, `on_commit` with each committed run.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from pyspark.sql import SparkSession

from ltrr.config import Settings
from ltrr.pipelines.job_runner import JobRunner
from ltrr.pipelines.jobs import JOBS, check_job
from ltrr.pipelines.run_order import check_night_before
from ltrr.spark.commits import JobRun
from ltrr.spark.lease import Lease, hold_lease

__all__ = ["run_job", "run_leased_job", "run_nightly", "run_repairs"]


def run_job(
    spark: SparkSession, settings: Settings, job: str, day: date, *, accept_quality: Mapping[str, str] | None = None
) -> JobRun:
    """Run one job of one date and commit it; the module lists further errors.

    Raises:
        UsageError: There is no such job.
    """
    check_job(job)
    with hold_lease(settings.paths.home, f"{job} of {day}", tables=settings.paths.tables) as lease:
        return run_leased_job(spark, settings, lease, job, day, accept_quality=accept_quality)


def run_leased_job(
    spark: SparkSession,
    settings: Settings,
    lease: Lease,
    job: str,
    day: date,
    *,
    accept_quality: Mapping[str, str] | None = None,
) -> JobRun:
    """Run one job of one date under a lease that the caller holds; see `run_job`."""
    jobs = JobRunner(spark, settings, lease)
    if settings.nights.repair_first and job == JOBS[0]:
        jobs.repair_before(day)
    return jobs.run(job, day, accept_quality)


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
    """Run all eight jobs of one date, in order; the module lists the errors.

    Args:
        spark: Session that all jobs share.
        settings: All settings.
        day: Logical date.
        accept_quality: See the module.
        repair: Whether to rerun first the stale or missing jobs of earlier dates, oldest date
            first.
        on_start: See the module.
        on_commit: See the module.
    """
    runs: list[JobRun] = []
    with hold_lease(settings.paths.home, f"nightly of {day}", tables=settings.paths.tables) as lease:
        jobs = JobRunner(spark, settings, lease)
        if repair or settings.nights.repair_first:
            runs += jobs.repair_before(day, on_start, on_commit)
        check_night_before(jobs.commits, settings, day)
        for job in JOBS:
            if on_start:
                on_start(job, day)
            runs.append(jobs.run(job, day, accept_quality))
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
    """Rerun the stale jobs of all dates up to `last`, oldest date first.

    The module lists the errors. A check that was accepted for a date is accepted again in its
    rerun.

    Args:
        spark: Session that all jobs share.
        settings: All settings.
        last: Newest date to repair.
        rerun: Date to ingest again first, whether stale or not.
        accept_quality: Further accepted checks; see the module.
        on_start: See the module.
        on_commit: See the module.
    """
    with hold_lease(settings.paths.home, f"repair up to {last}", tables=settings.paths.tables) as lease:
        jobs = JobRunner(spark, settings, lease, accept_quality or {})
        runs = [jobs.run_again(JOBS[0], rerun, on_start, on_commit)] if rerun is not None else []
        return [*runs, *jobs.repair_before(last + timedelta(days=1), on_start, on_commit)]
