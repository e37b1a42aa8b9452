"""A home in memory: the real commit, staleness, runner, pointer, trial and alpha code, and its disturbances.

Tables are in a `MemoryWarehouse`, policies on fsspec's memory file system. `toy_jobs` has the jobs,
`stand_ins` what takes the place of code that asks Spark for rows.
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
from tests.disturbed.memory_warehouse import Killed, MemoryWarehouse
from tests.disturbed.stand_ins import COMMIT, FROM_ROW, SPARK, collect_moves

FIRST = date(2026, 3, 1)
DAY = timedelta(days=1)
POLICIES = ("toy", "other")
GATE = "gate={life_nights: 3, budget_nights: 8, least_evidence: 20.0, least_sample: 20.0, least_users: 20}"


class Untracked:
    """MLflow, for a job that only tells it things."""

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
    """Settings of a toy home. `late_days` scales the toy curve; `least` is a floor of the gate."""
    gate = GATE.replace("least_evidence: 20.0", f"least_evidence: {least}")
    told = [f"policy={{name: {policy}, strategies: [a, b]}}", f"history_starts={FIRST}", f"logs.late_days={late_days}"]
    return load_settings(home, None, [*told, gate, f"paths.policies={root}"])


@dataclass
class Took:
    """What a committed run took from outside of the home: the law's only input."""

    lines: tuple[tuple[date, int], ...]
    late_days: int
    policy: str


@dataclass
class ToyHome:
    """One home and the world around it.

    Attributes:
        folder: of the lease.
        logs: date -> lines of its folder: (date that the line is about, amount).
        took: (job, date) -> what the latest committed run took.
        kill_at: number of the write before which the process dies; None: it lives.
        person_at: number of the write before which a person acts, and what the person does.
    """

    folder: Path
    warehouse: MemoryWarehouse = field(default_factory=MemoryWarehouse)
    root: str = field(default_factory=lambda: f"memory://{uuid.uuid4().hex}/policies")
    policy: str = POLICIES[0]
    late_days: int = 7
    least: float = 20.0
    logs: dict[date, tuple[tuple[date, int], ...]] = field(default_factory=dict)
    took: dict[tuple[str, date], Took] = field(default_factory=dict)
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
        """The log of commits, read anew."""
        return CommitLog(self.warehouse)

    def on_write(self, what):
        """Count a write; the process dies or a person acts before the one that was drawn."""
        self.writes += 1
        if self.person_at and self.writes == self.person_at[0]:
            act, self.person_at = self.person_at[1], None
            kill_at, self.kill_at = self.kill_at, None
            act()
            self.kill_at = kill_at
        if self.kill_at is not None and self.writes >= self.kill_at:
            raise Killed(what)

    def now(self) -> str:
        """A clock that never shows the same time twice."""
        self.ticks += 1
        at = datetime.combine(FIRST, datetime.min.time()) + timedelta(milliseconds=self.ticks)
        return f"{at.isoformat(timespec='milliseconds')}+00:00"

    def run(self, act, kill_at=None, person_at=None):
        """Run jobs, and remember what each committed one took. False where the process died."""
        self.writes, self.kill_at, self.person_at = 0, kill_at, person_at
        try:
            act()
        except Killed:
            return False
        finally:
            self.kill_at = self.person_at = None
        return True

    def commit(self, log, run):
        """Commit as the real log does, and remember what the run took."""
        followed = log.run(run.job, run.run_date + DAY) is not None
        COMMIT(log, run)
        lines = self.logs.get(run.run_date, ()) if run.job == JOBS[0] else ()
        self.took[run.job, run.run_date] = Took(lines, self.late_days, self.policy)
        self.on_commit(run, followed)

    def parsed(self, row):
        """A row of `job_runs` as the real log parses it."""
        key = row.job, row.run_date, row.attempt
        if key not in self.runs:
            self.runs[key] = FROM_ROW(row)
        return self.runs[key]

    def moves(self, policy=None):
        """Moves of the pointer of a policy."""
        return collect_moves(self.warehouse.read(release_rows.RELEASES), self.root, policy or self.policy)

    def record(self, release):
        """The row of what a person did, as the command line writes it."""
        if release is not None:
            others = [row for row in unrecorded_releases(self.moves(), None) if row.sequence != release.sequence]
            release_rows.append_releases(self.warehouse, self.policy, [*others, release])

    def end(self):
        """Remove what is in memory."""
        files = fsspec.filesystem("memory")
        files.rm(self.root.removeprefix("memory:/").removesuffix("/policies"), recursive=True)
