"""Stale jobs: their inputs have changed since their commit. They are derived from `job_runs`."""

from datetime import date, timedelta

from ltrr.pipelines.jobs import JOBS
from ltrr.spark.commits import CommitLog, Input, JobRun, Output, next_state, note_state
from ltrr.tables.catalog import table

NOT_COMMITTED = "not committed"


def stale_jobs(commits: CommitLog, first_date: date, day: date) -> dict[str, str]:
    """Stale jobs of a date -> reason; empty if there are none or if the date never began.

    A job is stale if the state of a table or note that it read, or of a table that it added to, has
    changed in the writer's latest commit. It is also stale if the date began and the job is not
    committed.
    """
    if all(commits.run(job, day) is None for job in JOBS):
        return {}
    return {job: reason for job in JOBS if (reason := _why_stale(commits, first_date, day, job))}


def changed_jobs(commits: CommitLog, first_date: date, day: date) -> dict[str, str]:
    """Committed jobs of a date whose inputs have changed since -> reason."""
    stale = stale_jobs(commits, first_date, day)
    return {job: reason for job, reason in stale.items() if reason != NOT_COMMITTED}


def _why_stale(commits: CommitLog, first_date: date, day: date, job: str) -> str:
    run = commits.run(job, day)
    if run is None:
        return NOT_COMMITTED
    before = commits.run(job, day - timedelta(days=1)) if day > first_date else None
    recorded = {(read.table, read.run_date) for read in run.inputs}
    reasons = [_input_changed(commits, read) for read in run.inputs]
    # Runs of ltrr 0.1 did not record the table that they added to. The state of their output
    # depends on it.
    old = [out for out in run.outputs if (out.table, day - timedelta(days=1)) not in recorded]
    reasons += [_base_changed(before, out) for out in old if run.code_version == "0.1.0"]
    return "; ".join(reason for reason in reasons if reason)


def _input_changed(commits: CommitLog, read: Input) -> str:
    if read.run_date is None:
        return ""
    writer, _, key = read.table.partition("#")
    latest = commits.run(writer if key else table(read.table).written_by, read.run_date)
    if key:
        value = latest.notes.get(key) if latest else None
        state = "" if value is None else note_state(value)
    else:
        output = latest.output(read.table) if latest else None
        state = output.state if output else ""
    return "" if state == read.state else f"{read.table} of {read.run_date} has changed"


def _base_changed(before: JobRun | None, out: Output) -> str:
    expected = next_state(before.output(out.table) if before else None, out.digest)
    return "" if expected == out.state else f"{out.table} of the day before has changed"
