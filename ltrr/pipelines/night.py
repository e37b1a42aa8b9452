"""A job's view of its night: it reads committed versions of tables and writes its own date."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import timedelta
from functools import cached_property
from typing import Any, cast

from pyspark.sql import DataFrame, SparkSession

import ltrr
from ltrr.config import Settings
from ltrr.errors import CommitError, LtrrError, UsageError
from ltrr.pipelines.jobs import JOBS, comes_before
from ltrr.pipelines.note_codec import Kind, decode_note, encode_notes
from ltrr.pipelines.notes import NOTES, JobNotes
from ltrr.spark.columns import conform
from ltrr.spark.commits import CommitLog, Input, JobRun, Output, next_state, note_state
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import CATALOG, table
from ltrr.tables.table import Table
from ltrr.tracking.night import NightTracking

log = logging.getLogger(__name__)

_WRITES_AT_ONCE = 3
# Version of a table whose writer has committed without ever writing it.
NEVER_WRITTEN = -1


@dataclass
class Night:
    """One job of one night: the only interface between a job's function and its environment.

    Attributes:
        date: Logical date, D.
        job: Name of the job.
        settings: All settings.
        spark: Session of the job.
        warehouse: Tables of the home.
        commits: Log of committed runs; a job reads tables and notes through the methods below
            instead.
        accept_quality: Reason of the operator to continue after a failed quality check, by name of
            the check.
    """

    date: Date
    job: str
    settings: Settings
    spark: SparkSession
    warehouse: Warehouse
    commits: CommitLog
    accept_quality: Mapping[str, str] = field(default_factory=dict)
    inputs: set[Input] = field(default_factory=set, init=False)
    outputs: dict[str, Output] = field(default_factory=dict, init=False)
    notes: dict[str, str] = field(default_factory=dict, init=False)

    def read(self, name: str) -> DataFrame:
        """Table `name` as committed on this night or on the night before.

        This night's version is read if the writer of the table always runs before this job.
        Rows of dates after that commit are left out, even if a later night has already written
        them. The result is empty if no night has committed yet. An append-only table (no date
        column) is read in its current state.

        Raises:
            CommitError: The writer of the table has not been committed for the date; the message
                names the command to run.
        """
        declared = table(name)
        if not declared.date_column:
            return self._read_current(declared)
        if comes_before(declared.written_by, self.job):
            return self._read_committed(declared, self.date)
        return self.read_own_previous(name)

    def read_own_previous(self, name: str) -> DataFrame:
        """Table `name` as the night before committed it; no rows on the first date.

        Raises:
            CommitError: The night before has not been committed.
        """
        declared = table(name)
        if self.date <= self.settings.first_night_date:
            return self.warehouse.empty(declared)
        return self._read_committed(declared, self.date - timedelta(days=1))

    def read_own_committed(self, name: str) -> DataFrame:
        """The night's rows of table `name` from the latest committed attempt of this job.

        Without such an attempt the result is empty. The rows are not an input: decisions of an
        earlier attempt of the same night make no table stale.
        """
        declared = table(name)
        earlier = self.commits.run(self.job, self.date)
        output = earlier.output(name) if earlier else None
        if output is None or output.version == NEVER_WRITTEN:
            return self.warehouse.empty(declared)
        return self.warehouse.read(declared, output.version).where(self.date_condition(declared) or "true")

    def is_committed(self) -> bool:
        """Whether an earlier attempt of this job was committed for this date."""
        return self.commits.run(self.job, self.date) is not None

    def is_followed(self) -> bool:
        """Whether this job was committed for the next date.

        Later decisions then build on those of this night.
        """
        return self.commits.run(self.job, self.date + timedelta(days=1)) is not None

    @property
    def attempt(self) -> int:
        """Number of this attempt, counting committed ones; 1-based."""
        earlier = self.commits.run(self.job, self.date)
        return earlier.attempt + 1 if earlier else 1

    def read_written(self, name: str) -> DataFrame:
        """Table `name` after this job's write: this night's partitions and all earlier ones.

        Raises:
            LtrrError: This job has not written the table on this night.
        """
        if name not in self.outputs:
            raise LtrrError("a job read its own table before it wrote it", which=f"{self.job}: {name}")
        declared = table(name)
        return self.warehouse.read(declared, self.outputs[name].version, self.date)

    def write(self, name: str, frame: DataFrame, where: str | None = None) -> Output:
        """Replace the night's rows of table `name` by `frame`, once a night.

        Args:
            name: Name of a table that this job writes.
            frame: Rows that fit the catalog; any other frame is refused.
            where: Condition on partition columns that selects the replaced rows; by default the
                rows of the night's date.

        A rerun with the same inputs, code and settings writes nothing if its result equals the
        committed rows. Rows that later nights have since written into the same partitions then
        stay. Any other rerun writes, and the new state of the table makes everything computed from
        the earlier version stale. For a table without a date column, the rows whose grain is new
        are appended.

        Raises:
            SchemaError: The frame does not fit the table, or has rows outside `where`.
            UsageError: Another job writes the table.
        """
        declared = table(name)
        if declared.written_by != self.job:
            raise UsageError(
                "a job wrote a table of another job",
                which=name,
                expected=f"{declared.written_by} to write it",
                got=self.job,
            )
        if name in self.outputs:
            raise LtrrError("a job wrote a table twice in one night", which=f"{self.job}: {name}")
        self.outputs[name] = self._write_once(declared, frame, where or self.date_condition(declared))
        return self.outputs[name]

    def write_all(self, frames: Mapping[str, tuple[DataFrame, str]]) -> None:
        """Write several tables at the same time, each as `write` does.

        Spark plans a write in one thread, so the cores have work of other tables meanwhile.

        Args:
            frames: Name of a table -> its rows, and the condition that selects the replaced rows.

        Raises:
            SchemaError: A frame does not fit its table.
            UsageError: Another job writes a table.
        """
        with ThreadPoolExecutor(max_workers=_WRITES_AT_ONCE, thread_name_prefix="write") as pool:
            writes = [pool.submit(self.write, name, frame, where) for name, (frame, where) in frames.items()]
            try:
                for write in as_completed(writes):
                    write.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def date_condition(self, declared: Table) -> str:
        """Condition on the rows of the night's date; empty for a table without a date column."""
        return f"{declared.date_column} = DATE'{self.date}'" if declared.date_column else ""

    def note(self, **values: object) -> None:
        """Set notes of this job, by the fields of its declaration; they are committed with the job.

        Raises:
            SchemaError: The declaration does not have a name, or has another type for it.
        """
        self.notes |= encode_notes(NOTES[self.job], values)

    def notes_of(self, kind: type[Kind]) -> Kind:
        """Notes of this night by a job that always runs before this one.

        Each field that is read becomes an input of this job.

        Args:
            kind: Declaration of the notes.

        Raises:
            CommitError: The job has not been committed for the date.
            UsageError: The job does not always run before this one.
        """
        if not comes_before(kind.job, self.job):
            raise UsageError(
                "a job read notes of this night that may not be committed yet",
                which=f"{self.job}: notes of {kind.job}",
                expected=f"a job that always runs before {self.job}",
                todo="read those of the night before with `previous_notes_of`",
            )
        return self._recorded_notes(kind, self.date)

    def previous_notes_of(self, kind: type[Kind]) -> Kind | None:
        """Notes of the night before; None on the first date.

        Each field that is read becomes an input of this job.

        Args:
            kind: Declaration of the notes.

        Raises:
            CommitError: The job has not been committed for the date before.
        """
        before = self.date - timedelta(days=1)
        return None if before < self.settings.first_night_date else self._recorded_notes(kind, before)

    def _recorded_notes(self, kind: type[Kind], day: Date) -> Kind:
        return cast("Kind", _RecordedNotes(kind, self.committed(kind.job, day), self.inputs))

    def committed(self, job: str, day: Date) -> JobRun:
        """The committed run of a job.

        Raises:
            CommitError: There is none; the message names the command to run.
        """
        run = self.commits.run(job, day)
        if run is None:
            raise missing_run(job, day, wanted_by=f"{self.job} of {self.date}")
        return run

    @property
    def is_history(self) -> bool:
        """Whether this is the first night of a home that `ltrr ingest` began."""
        return self.settings.first_night is not None and self.date <= self.settings.first_night_date

    @property
    def first_open(self) -> Date:
        """Oldest date that this night may change: on a history's night its first date."""
        return self.settings.first_date if self.is_history else self.settings.logs.first_open(self.date)

    def closed_dates(self, window_days: int | None = None) -> list[Date]:
        """Dates whose longest reward window is over on this night, oldest first.

        Only these dates are used for training and evaluation.

        Args:
            window_days: Maximum number of dates, the newest; by default all since the first date.
        """
        last = self.settings.logs.first_open(self.date)
        days = (last - self.settings.first_date).days + 1
        kept = days if window_days is None else min(days, window_days)
        return [last - timedelta(days=age) for age in reversed(range(max(0, kept)))]

    @property
    def policies_root(self) -> str:
        """Path or URL below which policies are published."""
        return self.settings.paths.policies

    @cached_property
    def tracking(self) -> NightTracking:
        """The night in MLflow, opened at its first use so that other jobs do not wait."""
        return NightTracking.open(
            self.settings.tracking.under(self.settings.paths.home),
            self.date,
            self.job,
            create_parent=self.job == JOBS[0],
            home=self.settings.paths.home,
            policy=self.settings.policy.name,
        )

    def carried_outputs(self) -> tuple[Output, ...]:
        """Outputs of this job: tables that it wrote, and committed versions of the others."""
        carried = (
            self.outputs.get(name) or self._previous_output(name)
            for name, declared in CATALOG.items()
            if declared.written_by == self.job
        )
        return tuple(
            out if out.table in self.outputs else Output(out.table, out.version, 0, "", out.state)
            for out in carried
            if out is not None
        )

    def _read_committed(self, declared: Table, day: Date) -> DataFrame:
        output = self.committed(declared.written_by, day).output(declared.name)
        if output is None:
            self.inputs.add(Input(declared.name, day, NEVER_WRITTEN, ""))
            return self.warehouse.empty(declared)
        self.inputs.add(Input(declared.name, day, output.version, output.state))
        # On a rerun the table already has rows of later dates, which no job of this date may read.
        return self.warehouse.read(declared, output.version, day)

    def _read_current(self, declared: Table) -> DataFrame:
        version = self.warehouse.version(declared)
        if version is None:
            return self.warehouse.empty(declared)
        self.inputs.add(Input(declared.name, None, version, ""))
        return self.warehouse.read(declared, version)

    def restore_tables(self) -> None:
        """Undo the writes of an uncommitted run of this job, before anything is read or written.

        Otherwise the next commit would publish their rows: a version holds all partitions, not only
        those of one date.
        """
        for name, declared in CATALOG.items():
            if declared.written_by == self.job and declared.is_read_by_version:
                self.warehouse.restore(declared, self.commits.newest_version(name))
                self.warehouse.set_retention(declared)

    def _previous_output(self, name: str) -> Output | None:
        """Output of this job for table `name` on the night before, recorded as an input."""
        if self.date <= self.settings.first_night_date:
            return None
        day = self.date - timedelta(days=1)
        output = self.committed(self.job, day).output(name)
        self.inputs.add(Input(name, day, *((output.version, output.state) if output else (NEVER_WRITTEN, ""))))
        return output

    def _write_once(self, declared: Table, frame: DataFrame, where: str) -> Output:
        name, before = declared.name, self._previous_output(declared.name)
        if not where:
            digested = self.warehouse.digest_frame(declared, conform(frame, declared))
            version = self.warehouse.append_new(declared, frame).version
            return Output(name, version, digested.rows, digested.values, next_state(before, digested.values))
        earlier = self.commits.run(self.job, self.date)
        last = earlier.output(name) if earlier else None
        if earlier is None or last is None or not last.digest or not self._has_same_basis(earlier):
            return self._replace(declared, frame, where, before)
        # A rerun compares in one pass. The rows are cached, on disk if memory is full, because they
        # are written if they differ.
        rows = self.warehouse.cache_rows(frame, declared)
        digested = self.warehouse.digest_frame(declared, rows)
        if digested.values == last.digest or self.warehouse.is_same(declared, rows, last.version, where):
            log.info("table=%s action=kept rows=%d version=%d: the same again", name, digested.rows, last.version)
            return Output(name, last.version, digested.rows, last.digest, last.state)
        return self._replace(declared, rows, where, before)

    def _replace(self, declared: Table, frame: DataFrame, where: str, before: Output | None) -> Output:
        written = self.warehouse.replace(declared, frame, where)
        state = next_state(before, written.values, self.attempt)
        return Output(declared.name, written.version, written.rows, written.values, state)

    def _has_same_basis(self, earlier: JobRun) -> bool:
        """Whether an earlier attempt had the code, settings and, so far, inputs of this one."""
        states = {(read.table, read.run_date): read.state for read in earlier.inputs}
        return (earlier.code_version, earlier.config_digest) == (ltrr.__version__, self.settings.digest()) and all(
            states.get((read.table, read.run_date)) == read.state for read in self.inputs if read.run_date is not None
        )


class _RecordedNotes:
    """Notes of a committed run, by the fields of their declaration; each read becomes an input."""

    def __init__(self, kind: type[JobNotes], run: JobRun, inputs: set[Input]) -> None:
        self._kind, self._run, self._inputs = kind, run, inputs

    def __getattr__(self, name: str) -> Any:
        if name not in self._kind.__dataclass_fields__:
            raise AttributeError(name)
        texts, day = self._run.notes, self._run.run_date
        # The MLflow run differs between attempts and changes nothing that is computed.
        if name != "mlflow_run_id":
            state = note_state(texts[name]) if name in texts else ""
            self._inputs.add(Input(f"{self._kind.job}#{name}", day, NEVER_WRITTEN, state))
        return decode_note(self._kind, texts, name, day)


def missing_run(job: str, day: Date, wanted_by: str) -> CommitError:
    """The error for a run that is not committed; it names the command to run."""
    return CommitError(
        f"{wanted_by} needs a run that has not been committed",
        which=f"{job} of {day}",
        expected="a row in job_runs",
        got="none",
        todo=f"run `ltrr job {job} --date {day}`, or the whole night with `ltrr nightly --date {day}`",
    )
