"""A home in memory, with the real code of commits, staleness, runner, pointers, trials and alpha.

Tables are in a `MemoryWarehouse`, policies on fsspec's memory file system. `toy_jobs` contains the
jobs, and `stand_ins` replaces code that reads rows by Spark.
"""

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import fsspec

from ltrr.config import Settings, load_settings
from ltrr.pipelines.jobs import JOBS
from ltrr.publishing import release_rows
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.publishing.release import unrecorded_releases
from ltrr.spark.commits import CommitLog
from tests.disturbed.memory_warehouse import MemoryWarehouse, ProcessDeath
from tests.disturbed.stand_ins import COMMIT, FROM_ROW, SPARK, collect_moves

FIRST = date(2026, 3, 1)
DAY = timedelta(days=1)
POLICIES = ("toy", "other")
GATE = "gate={life_nights: 3, budget_nights: 8, least_evidence: 20.0, least_sample: 20.0, least_users: 20}"


class Untracked:
    """Replacement of MLflow for jobs that only log to it."""

    night_run_id = "untracked"

    @contextmanager
    def run(self, name):
        yield self

    def night_run(self):
        return self

    def __getattr__(self, name):
        return lambda *given: None


@cache
def settings_of(home: Path, root: str, policy: str, late_days: int, least: float) -> Settings:
    """Settings of a toy home; `late_days` scales the toy curve, `least` is a floor of the gate."""
    gate = GATE.replace("least_evidence: 20.0", f"least_evidence: {least}")
    values = [
        f"policy={{name: {policy}, strategies: [a, b]}}",
        f"history_starts={FIRST}",
        f"logs.late_days={late_days}",
    ]
    return load_settings(home, None, [*values, gate, f"paths.policies={root}"])


@dataclass
class RunInputs:
    """Inputs of a committed run from outside of the home; `clean_tables` reads only these."""

    lines: tuple[tuple[date, int], ...]
    late_days: int
    policy: str


@dataclass
class ToyHome:
    """One home with its logs, clock and disturbances.

    Attributes:
        folder: Folder of the lease.
        warehouse: Tables.
        root: URL of the policies.
        policy: Name of the current policy.
        late_days: Setting `logs.late_days`.
        least: Setting `gate.least_evidence`.
        logs: Date -> lines of its folder: (date of the line, amount).
        inputs: (job, date) -> inputs of the latest committed run.
        kill_at: Number of the write before which the process dies; None if it does not die.
        person_at: Number of the write before which a person acts, and the action.
        on_commit: Called after each commit with the run and whether a later night was committed.
        writes: Number of writes of the current step.
        runs: Parsed rows of `job_runs`.
        ticks: Number of readings of the clock.
    """

    folder: Path
    warehouse: MemoryWarehouse = field(default_factory=MemoryWarehouse)
    root: str = field(default_factory=lambda: f"memory://{uuid.uuid4().hex}/policies")
    policy: str = POLICIES[0]
    late_days: int = 7
    least: float = 20.0
    logs: dict[date, tuple[tuple[date, int], ...]] = field(default_factory=dict)
    inputs: dict[tuple[str, date], RunInputs] = field(default_factory=dict)
    kill_at: int | None = None
    person_at: tuple[int, Any] | None = None
    on_commit: Any = lambda run, followed: None
    writes: int = 0
    runs: dict[tuple, Any] = field(default_factory=dict)
    ticks: int = 0

    def __post_init__(self):
        self.warehouse.on_write = self.on_write
        self.warehouse.spark = SPARK

    def begin(self):
        """Publish a first champion of each policy."""
        for policy in POLICIES:
            publish_first_champion(self.root, settings_of(self.folder, self.root, policy, 7, 20.0).policy, FIRST)

    @property
    def settings(self) -> Settings:
        return settings_of(self.folder, self.root, self.policy, self.late_days, self.least)

    @property
    def log(self) -> CommitLog:
        """Log of commits, read again each time."""
        return CommitLog(self.warehouse)

    def on_write(self, what):
        """Count a write; before the drawn write the process dies or a person acts."""
        self.writes += 1
        if self.person_at and self.writes == self.person_at[0]:
            act, self.person_at = self.person_at[1], None
            kill_at, self.kill_at = self.kill_at, None
            act()
            self.kill_at = kill_at
        if self.kill_at is not None and self.writes >= self.kill_at:
            raise ProcessDeath(what)

    def now(self) -> str:
        """Time of a clock that never returns the same time twice."""
        self.ticks += 1
        at = datetime.combine(FIRST, datetime.min.time()) + timedelta(milliseconds=self.ticks)
        return f"{at.isoformat(timespec='milliseconds')}+00:00"

    def run(self, act, kill_at=None, person_at=None):
        """Run jobs; return False if the process died."""
        self.writes, self.kill_at, self.person_at = 0, kill_at, person_at
        try:
            act()
        except ProcessDeath:
            return False
        finally:
            self.kill_at = self.person_at = None
        return True

    def commit(self, log, run):
        """Commit as the real log does, and keep the inputs of the run."""
        followed = log.run(run.job, run.run_date + DAY) is not None
        COMMIT(log, run)
        lines = self.logs.get(run.run_date, ()) if run.job == JOBS[0] else ()
        self.inputs[run.job, run.run_date] = RunInputs(lines, self.late_days, self.policy)
        self.on_commit(run, followed)

    def parsed(self, row):
        """Row of `job_runs`, parsed as by the real log."""
        key = row.job, row.run_date, row.attempt
        if key not in self.runs:
            self.runs[key] = FROM_ROW(row)
        return self.runs[key]

    def moves(self, policy=None):
        """Moves of the pointer of a policy."""
        return collect_moves(self.warehouse.read(release_rows.RELEASES), self.root, policy or self.policy)

    def record(self, release):
        """Append the row of a person's release, as the command line does."""
        if release is not None:
            others = [row for row in unrecorded_releases(self.moves(), None) if row.sequence != release.sequence]
            release_rows.append_releases(self.warehouse, self.policy, [*others, release])

    def end(self):
        """Remove the files in memory."""
        files = fsspec.filesystem("memory")
        files.rm(self.root.removeprefix("memory:/").removesuffix("/policies"), recursive=True)
