"""Which committed jobs were computed from something that has changed since: worked out from job_runs, never marked."""

from datetime import date, timedelta

from ltrr.pipelines.jobs import JOBS
from ltrr.spark.commits import CommitLog, Input, JobRun, Output, next_state
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
    reasons = [_input_changed(commits, read) for read in run.inputs]
    reasons += [_base_changed(before, out) for out in run.outputs]
    return "; ".join(reason for reason in reasons if reason)


def _input_changed(commits: CommitLog, read: Input) -> str:
    if read.run_date is None:
        return ""
    latest = commits.run(table(read.table).written_by, read.run_date)
    output = latest.output(read.table) if latest else None
    return "" if (output.state if output else "") == read.state else f"{read.table} of {read.run_date} has changed"


def _base_changed(before: JobRun | None, out: Output) -> str:
    expected = next_state(before.output(out.table) if before else None, out.digest)
    return "" if expected == out.state else f"{out.table} of the day before has changed"
