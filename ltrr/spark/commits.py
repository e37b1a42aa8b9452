"""`job_runs`: one row a job and attempt, written last; what has no row has not happened."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256

from pyspark.sql import Row
from pyspark.sql import functions as F

from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

log = logging.getLogger(__name__)

JOB_RUNS = table("job_runs")


@dataclass(frozen=True)
class Input:
    """A table as a job read it.

    Attributes:
        table: its name.
        run_date: date whose run of the writer had left it so; None for a table that was read as it was, without commit.
        version: the Delta version.
        state: the writer's at that commit; empty for a table without commit, which never makes anything stale.
    """

    table: str
    run_date: date | None
    version: int
    state: str


@dataclass(frozen=True)
class Output:
    """A table as a job left it.

    Attributes:
        table: its name.
        version: the Delta version that downstream reads.
        rows: written by this run.
        digest: of the partitions that this run replaced; empty where it wrote none and its last version stands.
        state: digest of this and every earlier commit of the table: it changes when anything that a reader of this
            version may see has changed, though a run only ever digests its own partitions.
    """

    table: str
    version: int
    rows: int
    digest: str
    state: str


@dataclass(frozen=True)
class JobRun:
    """One committed attempt of a job on a date."""

    job: str
    run_date: date
    attempt: int
    code_version: str
    config_digest: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    notes: Mapping[str, str]
    seconds: float
    committed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def output(self, name: str) -> Output | None:
        """What the run left of table `name`; None where it has never written it."""
        return next((output for output in self.outputs if output.table == name), None)


def next_state(previous: Output | None, digest: str) -> str:
    """State of a table after a commit: the state before it and what it wrote.

    >>> first = next_state(None, "a1")
    >>> first == next_state(None, "a1"), first == next_state(None, "b2")
    (True, False)
    """
    before = previous.state if previous else ""
    return sha256(f"{before}|{digest}".encode()).hexdigest()[:16] if digest else before


class CommitLog:
    """The latest committed attempt of every job, by date.

    Dates are read as they are asked for and kept: the holder of the lease is the only one who adds to them. What is
    collected is eight jobs times the attempts of the dates asked for, never the data's size: a few hundred rows for two
    months, whatever the traffic.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._runs: dict[date, dict[str, JobRun]] = {}

    def load(self, first: date, last: date) -> None:
        """Read the dates `first` to `last` in one go, where they are not known yet."""
        days = [date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1)]
        unknown = [day for day in days if day not in self._runs]
        if not unknown:
            return
        self._runs.update({day: {} for day in unknown})
        if not self.warehouse.exists(JOB_RUNS):
            return
        rows = self.warehouse.read(JOB_RUNS).where(F.col("run_date").between(F.lit(unknown[0]), F.lit(unknown[-1])))
        for run in sorted((_from_row(row) for row in rows.collect()), key=lambda run: run.attempt):
            if run.run_date in unknown:
                self._runs[run.run_date][run.job] = run

    def run(self, job: str, day: date) -> JobRun | None:
        """The latest committed attempt of a job on a date; None where there is none."""
        self.load(day, day)
        return self._runs[day].get(job)

    def commit(self, run: JobRun) -> None:
        """Write the row that makes everything the job wrote readable."""
        outputs = [(out.table, out.version, out.rows, out.digest, out.state) for out in run.outputs]
        inputs = [(read.table, read.run_date, read.version, read.state) for read in run.inputs]
        row = (
            *(run.job, run.run_date, run.attempt, run.committed_at, run.code_version, run.config_digest),
            *(inputs, outputs, dict(run.notes), run.seconds),
        )
        # Attempt numbers only grow, so a row is never there twice.
        self.warehouse.append(JOB_RUNS, self.warehouse.spark.createDataFrame([row], schema_of(JOB_RUNS)).coalesce(1))
        self.load(run.run_date, run.run_date)
        self._runs[run.run_date][run.job] = run
        log.info("job=%s date=%s attempt=%d committed seconds=%.1f", run.job, run.run_date, run.attempt, run.seconds)


def _from_row(row: Row) -> JobRun:
    return JobRun(
        job=row.job,
        run_date=row.run_date,
        attempt=row.attempt,
        committed_at=row.committed_at.astimezone(UTC),
        code_version=row.code_version,
        config_digest=row.config_digest,
        inputs=tuple(Input(read.table, read.run_date, read.version, read.state) for read in row.inputs),
        outputs=tuple(Output(out.table, out.version, out.rows, out.digest, out.state) for out in row.outputs),
        notes=dict(row.notes),
        seconds=row.seconds,
    )
