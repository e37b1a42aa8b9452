"""`job_runs`: one row per job and attempt, written last.

A run without a row is not committed, and no other job reads what it wrote.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256

from pyspark.sql import Row

from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

log = logging.getLogger(__name__)

# Before every date of a home. Spark cannot read `date.min`, whose year has one digit.
_BEFORE_ALL = date(1970, 1, 1)

JOB_RUNS = table("job_runs")

_FRACTION = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Input:
    """A table or note that a job read.

    Attributes:
        table: Name of the table; `job#key` for a note.
        run_date: Date of the writer's committed run; None for a table that is read in its current
            state.
        version: Delta version; -1 for a note, and for a table whose writer had never written it.
        state: State of the table at that commit; for a note the digest of its value. Empty for a
            table that is read in its current state, which makes no job stale.
    """

    table: str
    run_date: date | None
    version: int
    state: str


@dataclass(frozen=True)
class Output:
    """A table after a job's run.

    Attributes:
        table: Name of the table.
        version: Delta version that later jobs read.
        rows: Number of rows that this run wrote.
        digest: Digest of all compared values in the partitions that this run replaced; empty if it
            wrote none and the last version stays.
        state: Digest of this and every earlier write of the table. It changes with each write, so
            everything computed from an earlier version is known to be stale.
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
        """Output of the run for table `name`; None if the job has never written it."""
        return next((output for output in self.outputs if output.table == name), None)


def next_state(previous: Output | None, digest: str, attempt: int = 1) -> str:
    """State of a table after a write: a digest of the state before, the rows and the attempt.

    >>> first = next_state(None, "a1")
    >>> first == next_state(None, "a1"), first == next_state(None, "b2")
    (True, False)
    >>> first == next_state(None, "a1", attempt=2)
    False
    """
    before = previous.state if previous else ""
    again = f"|{attempt}" if attempt > 1 else ""
    return sha256(f"{before}|{digest}{again}".encode()).hexdigest()[:16] if digest else before


def note_state(value: str) -> str:
    """State of a note as an input: the digest of its value, with fractions rounded to 9 digits.

    Sums of the same numbers in another order differ in their last bits and count as equal.

    >>> note_state('{"price": 0.1}') == note_state('{"price": 0.10000000000000002}')
    True
    >>> note_state("2.0") == note_state("3.0")
    False
    """
    rounded = _FRACTION.sub(lambda found: f"{float(found[0]):.9g}", value)
    return sha256(rounded.encode()).hexdigest()[:16]


class CommitLog:
    """The latest committed attempt of every job, by date.

    Dates are read from the oldest requested one on and kept in memory: only the holder of the lease
    adds runs. The driver collects eight jobs times the attempts of these dates: a few hundred rows
    for two months, whatever the traffic.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._runs: dict[date, dict[str, JobRun]] = {}
        self._first: date | None = None
        self._newest: dict[str, int] | None = None

    def load(self, first: date) -> None:
        """Read all dates from `first` on that are not in memory yet, in one pass."""
        if self._first is not None and self._first <= first:
            return
        rows = self.warehouse.rows_between(JOB_RUNS, "run_date", first, self._first)
        for run in sorted((_from_row(row) for row in rows), key=lambda run: run.attempt):
            self._runs.setdefault(run.run_date, {})[run.job] = run
        self._first = first

    def run(self, job: str, day: date) -> JobRun | None:
        """The latest committed attempt of a job on a date; None if there is none."""
        self.load(day)
        return self._runs.get(day, {}).get(job)

    def newest_date(self, first: date) -> date | None:
        """The newest date with a committed run, from `first` on; None if there is none."""
        self.load(first)
        return max((day for day in self._runs if day >= first), default=None)

    def oldest_date(self) -> date | None:
        """The first date with a committed run; None in a home without nights.

        Reads all of `job_runs`.
        """
        self.load(_BEFORE_ALL)
        return min(self._runs, default=None)

    def newest_version(self, name: str) -> int | None:
        """The newest version of a table that any run has committed; None if there is none.

        Later versions come from runs that did not commit.
        """
        return self._newest_versions().get(name)

    def _newest_versions(self) -> dict[str, int]:
        if self._newest is None:
            self._newest = self.warehouse.newest_outputs(JOB_RUNS)
        return self._newest

    def commit(self, run: JobRun) -> None:
        """Write the row of a run; other jobs can then read what the run wrote."""
        outputs = [(out.table, out.version, out.rows, out.digest, out.state) for out in run.outputs]
        inputs = [(read.table, read.run_date, read.version, read.state) for read in run.inputs]
        row = (
            *(run.job, run.run_date, run.attempt, run.committed_at, run.code_version, run.config_digest),
            *(inputs, outputs, dict(run.notes), run.seconds),
        )
        # Attempt numbers only grow, so the row is new.
        self.warehouse.append_rows(JOB_RUNS, [row])
        self._newest = {**self._newest_versions()}
        for out in run.outputs:
            self._newest[out.table] = max(out.version, self._newest.get(out.table, -1))
        self.load(run.run_date)
        self._runs.setdefault(run.run_date, {})[run.job] = run
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
