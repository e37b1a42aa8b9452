"""A home in which nights are ingested and committed, without the other seven jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame, Row, SparkSession

import ltrr
from ltrr.artifacts.manifest import PolicySettings
from ltrr.config import Settings
from ltrr.config.settings import PathSettings
from ltrr.logs.settings import LogSettings
from ltrr.pipelines import ingest_logs
from ltrr.pipelines.night import Night
from ltrr.spark.commits import CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from ltrr.users.settings import UserSettings
from tests.logs.log_lines import SPACE

SECRET = "a secret that shows nowhere"  # noqa: S105


@dataclass
class Home:
    """A home with these settings of the logs."""

    spark: SparkSession
    path: Path
    first: date
    log_settings: LogSettings = field(default_factory=LogSettings)
    user_settings: UserSettings = field(default_factory=UserSettings)
    first_night: date | None = None
    observe: str = "first_look"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def settings(self) -> Settings:
        policy = PolicySettings("search", SPACE.strategies, SPACE.block_size, SPACE.budget, observe=self.observe)
        return Settings(
            policy=policy,
            history_starts=self.first,
            first_night=self.first_night,
            paths=PathSettings(home=self.path),
            logs=self.log_settings,
            users=self.user_settings,
        )

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.spark, self.settings.paths.tables)

    def night(self, day: date, accept: Mapping[str, str] | None = None) -> Night:
        commits = CommitLog(self.warehouse)
        commits.load(day)
        return Night(day, "ingest_logs", self.settings, self.spark, self.warehouse, commits, accept or {})

    def ingest(self, day: date, accept: Mapping[str, str] | None = None) -> JobRun:
        """Run the job and commit it."""
        night = self.night(day, accept)
        try:
            ingest_logs.run(night)
        finally:
            self.spark.catalog.clearCache()
        earlier = night.commits.run("ingest_logs", day)
        attempt = earlier.attempt + 1 if earlier else 1
        code = ltrr.__version__, self.settings.digest()
        inputs, outputs = tuple(night.inputs), night.carried_outputs()
        run = JobRun("ingest_logs", day, attempt, *code, inputs, outputs, night.notes, 0.0)
        night.commits.commit(run)
        return run

    def table(self, name: str) -> DataFrame:
        return self.warehouse.read(table(name))

    def rows(self, name: str, where: str = "true") -> list[Row]:
        return self.table(name).where(where).collect()
