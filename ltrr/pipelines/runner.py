"""Runs jobs under the commit protocol: order of dates, one writer, one row at the end."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from pyspark.sql import SparkSession

from ltrr.config import Settings
from ltrr.pipelines.job_runner import JobRunner
from ltrr.pipelines.jobs import JOBS, check_job
from ltrr.pipelines.run_order import check_night_before
from ltrr.spark.commits import JobRun
from ltrr.spark.lease import hold_lease

__all__ = ["run_job", "run_nightly", "run_repairs"]


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
        jobs = JobRunner(spark, settings, lease, accept_quality or {})
        runs = [jobs.run_again(JOBS[0], rerun, on_start, on_commit)] if rerun is not None else []
        return [*runs, *jobs.repair_before(last + timedelta(days=1), on_start, on_commit)]
