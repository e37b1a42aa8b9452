"""Days and nights of a demo: a policy serves the day, and the night publishes the next policy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import read_bundle
from ltrr.artifacts.payloads import get_payload
from ltrr.artifacts.pointer import open_policy
from ltrr.config import Settings
from ltrr.estimation.sequential import EXPIRED, FUTILE, HARMED
from ltrr.pipelines.runner import run_nightly
from ltrr.publishing.challenger_rows import CHALLENGERS, read_trials
from ltrr.publishing.trials import Challenger, current_trial
from ltrr.serving.policy import Policy
from ltrr.simulation.day import serve_day
from ltrr.simulation.policy_value import true_policy_value
from ltrr.simulation.regret import Regret, true_regret
from ltrr.simulation.world import World
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

SERVE = "serve the day"
"""The step before the eight jobs of a night."""


class Watcher(Protocol):
    """Receiver of the progress of days and nights: each step starts and ends once, in order."""

    def start_step(self, step: str, day: date) -> None:
        """Receive the start of a step: `SERVE` or a job."""

    def advance(self, done: int, total: int) -> None:
        """Receive the progress of the running step: `done` of `total` units."""

    def end_step(self, step: str, day: date, seconds: float) -> None:
        """Receive the end of a step and its duration."""


@dataclass(frozen=True)
class NightReport:
    """One day of service and the night after it.

    Attributes:
        day: Logical date.
        impressions: Number of searches on that day.
        clicks: Number of clicks on their pages.
        served_version: Version of the bundle that served.
        true_recall: Exact true recall of the union, as served, over the traffic of seen queries.
        true_page_reward: Expected true page reward per search, as served.
        regret: Regret of the day's searches in true page reward, against the exact oracle and the
            best static plan.
        releases: Every release or refusal of the night, with its reason.
        published_version: Version of the bundle that serves the next day.
        challenger: The current challenger after the night, or the one that the gate refused that
            night, or None.
        day_seconds: Duration of serving, in seconds.
        night_seconds: Duration of the eight jobs, in seconds.
        job_seconds: Job -> its duration, in seconds.
    """

    day: date
    impressions: int
    clicks: int
    served_version: str
    true_recall: float
    true_page_reward: float
    regret: Regret
    releases: tuple[dict[str, str], ...]
    published_version: str
    challenger: Challenger | None
    day_seconds: float
    night_seconds: float
    job_seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values for JSON, the date as text."""
        challenger = self.challenger.to_json() if self.challenger else None
        return asdict(replace(self, challenger=None)) | {"day": self.day.isoformat(), "challenger": challenger}


def run_nights(
    world: World,
    settings: Settings,
    spark: SparkSession,
    *,
    nights: int,
    impressions: int,
    seed: int,
    watcher: Watcher,
) -> Iterator[NightReport]:
    """Serve and learn `nights` times from the settings' first date on; yield after each night.

    Args:
        world: World whose users search.
        settings: Settings of the home, which has a published policy.
        spark: Session that all nights share.
        nights: Number of days and nights.
        impressions: Number of searches per day.
        seed: Seed of the users' behaviour.
        watcher: Receiver of the progress.
    """
    for number in range(nights):
        day = settings.first_date + timedelta(days=number)
        yield _serve_and_learn(world, settings, spark, day, impressions=impressions, seed=seed, watcher=watcher)


def _serve_and_learn(
    world: World,
    settings: Settings,
    spark: SparkSession,
    day: date,
    *,
    impressions: int,
    seed: int,
    watcher: Watcher,
) -> NightReport:
    """Serve one day with the published policy and run the night after it."""
    policy, logs = current_policy(settings), Path(settings.paths.logs)
    watcher.start_step(SERVE, day)
    served = serve_day(world, policy, day, impressions=impressions, seed=seed, logs_root=logs, progress=watcher.advance)
    watcher.end_step(SERVE, day, served.seconds)
    value, regret = true_policy_value(world, policy), true_regret(world, policy)
    started = time.monotonic()
    runs = run_nightly(
        spark,
        settings,
        day,
        on_start=watcher.start_step,
        on_commit=lambda run: watcher.end_step(run.job, run.run_date, run.seconds),
    )
    seconds = time.monotonic() - started
    return NightReport(
        day=day,
        impressions=served.impressions,
        clicks=served.clicks,
        served_version=served.version,
        true_recall=value.recall,
        true_page_reward=value.page_reward,
        regret=regret,
        releases=tuple(releases_of(spark, settings, day)),
        published_version=current_policy(settings).version,
        challenger=challenger_of(spark, settings, day),
        day_seconds=round(served.seconds, 1),
        night_seconds=round(seconds, 1),
        job_seconds={run.job: round(run.seconds, 1) for run in runs},
    )


def current_policy(settings: Settings) -> Policy:
    """The policy that serves now, loaded by the code of services."""
    return Policy.load(open_policy(settings.paths.policies, settings.policy.name).url)


def challenger_policy(settings: Settings, challenger: Challenger) -> Policy:
    """The policy that would serve if the challenger were promoted.

    It is the current bundle with the challenger's bandit, values and exploration.
    """
    root, name, bandit = settings.paths.policies, settings.policy.name, challenger.bandit
    url = open_policy(root, name).url
    manifest, files = read_bundle(root, name, current_policy(settings).version)
    explored = replace(manifest.settings, exploration=bandit.exploration)
    promoted = replace(manifest, settings=explored, values=bandit.values)
    return Policy.of(promoted, {**files, **{file: get_payload(url, sha256) for file, sha256 in bandit.files.items()}})


def challenger_of(spark: SparkSession, settings: Settings, day: date) -> Challenger | None:
    """The current challenger after the night, else the one that the gate refused then, or None."""
    challengers = Warehouse(spark, settings.paths.tables).read(CHALLENGERS)
    trials = read_trials(challengers, settings.policy.name, day, settings.gate)
    refused = [trial for trial in trials if trial.ended == day and trial.outcome in (FUTILE, HARMED, EXPIRED)]
    return current_trial(trials) or next(iter(refused), None)


def releases_of(spark: SparkSession, settings: Settings, day: date) -> list[dict[str, str]]:
    """Releases and refusals of a night, each with action, version and why; few rows."""
    releases = Warehouse(spark, settings.paths.tables).read(table("releases"))
    rows = releases.where(F.col("run_date") == F.lit(day)).orderBy("action", "policy_version").collect()
    return [{"action": row.action, "version": row.policy_version, "why": row.why} for row in rows]
