"""Which committed jobs were computed from something that has changed since: worked out from job_runs, never marked."""

from datetime import date, timedelta

from ltrr.pipelines.jobs import JOBS, comes_before
from ltrr.spark.commits import CommitLog, JobRun, next_state
from ltrr.tables.catalog import table


def stale_jobs(commits: CommitLog, first_date: date, day: date) -> dict[str, str]:
    """Jobs of a date that should run again -> why; empty where the date is in order, or was never begun.

    A job is stale where a table that it read, or the table that it added to, has another state in the writer's latest
    commit than the job saw; or where it has not been committed although the date was begun.
    """
    if all(commits.run(job, day) is None for job in JOBS):
        return {}
    return {job: reason for job in JOBS if (reason := _why_stale(commits, first_date, day, job))}


def _why_stale(commits: CommitLog, first_date: date, day: date, job: str) -> str:
    run = commits.run(job, day)
    if run is None:
        return "not committed"
    before = commits.run(job, day - timedelta(days=1)) if day > first_date else None
    reasons = [_input_changed(commits, run, read.table, read.state) for read in run.inputs if read.state]
    reasons += [_base_changed(before, out.table, out.digest, out.state) for out in run.outputs]
    return "; ".join(reason for reason in reasons if reason)


def _input_changed(commits: CommitLog, run: JobRun, name: str, state: str) -> str:
    writer = table(name).written_by
    day = run.run_date if comes_before(writer, run.job) else run.run_date - timedelta(days=1)
    latest = commits.run(writer, day)
    output = latest.output(name) if latest else None
    return "" if output and output.state == state else f"{name} of {day} has changed"


def _base_changed(before: JobRun | None, name: str, digest: str, state: str) -> str:
    expected = next_state(before.output(name) if before else None, digest)
    return "" if expected == state else f"{name} of the day before has changed"
