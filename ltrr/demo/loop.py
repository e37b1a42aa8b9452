"""Days and nights: the published policy serves a day, the night learns and publishes what serves the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

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

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class NightReport:
    """One day of service and the night after it.

    Attributes:
        day: logical date.
        impressions: searches served that day.
        clicks: on their pages.
        served_version: bundle that served.
        true_recall: of the union, as served, over the traffic of seen queries; exact.
        true_page_reward: expected a search, as served.
        regret: of its searches in true page reward, against the exact oracle and the best static plan.
        releases: what the night released or refused, each with its reason.
        published_version: bundle that serves the next day.
        challenger: who is under test when the night is over, or was until the gate refused it; None: nobody.
        day_seconds: that serving took.
        night_seconds: that the eight jobs took.
        job_seconds: of them each.
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
        """Plain values, the date as text."""
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
    say: Say,
    progress: Progress | None = None,
) -> Iterator[NightReport]:
    """Serve and learn `nights` times from the settings' first date on; yields after each night.

    Args:
        world: who searches, and what is true.
        settings: of the home; a first policy must be published there.
        spark: the session that all nights share.
        nights: how many.
        impressions: searches a day.
        seed: of the people's behaviour.
        say: told what is being done, a line each.
        progress: of a day's service, (served, all).
    """
    policy = current_policy(settings)
    for number in range(nights):
        day = settings.first_date + timedelta(days=number)
        say(f"day {day}: {policy.version} serves {impressions:,} searches")
        served = serve_day(
            world,
            policy,
            day,
            impressions=impressions,
            seed=seed,
            logs_root=Path(settings.paths.logs),
            progress=progress,
        )
        value, regret = true_policy_value(world, policy), true_regret(world, policy)
        started = time.monotonic()
        runs = run_nightly(spark, settings, day, on_start=lambda job, night: say(f"night {night}: {job}"))
        seconds = time.monotonic() - started
        policy = current_policy(settings)
        yield NightReport(
            day=day,
            impressions=served.impressions,
            clicks=served.clicks,
            served_version=served.version,
            true_recall=value.recall,
            true_page_reward=value.page_reward,
            regret=regret,
            releases=tuple(releases_of(spark, settings, day)),
            published_version=policy.version,
            challenger=challenger_of(spark, settings, day),
            day_seconds=round(served.seconds, 1),
            night_seconds=round(seconds, 1),
            job_seconds={run.job: round(run.seconds, 1) for run in runs},
        )


def current_policy(settings: Settings) -> Policy:
    """What serves now, loaded as a service loads it."""
    return Policy.load(open_policy(settings.paths.policies, settings.policy.name).url)


def challenger_policy(settings: Settings, challenger: Challenger) -> Policy:
    """What would serve were the challenger promoted: tonight's bundle with its bandit, values and exploration."""
    root, name, bandit = settings.paths.policies, settings.policy.name, challenger.bandit
    url = open_policy(root, name).url
    manifest, files = read_bundle(root, name, current_policy(settings).version)
    explored = replace(manifest.settings, exploration=bandit.exploration)
    promoted = replace(manifest, settings=explored, values=bandit.values)
    return Policy.of(promoted, {**files, **{file: get_payload(url, sha256) for file, sha256 in bandit.files.items()}})


def challenger_of(spark: SparkSession, settings: Settings, day: date) -> Challenger | None:
    """Who is under test when the night is over, else who was refused that night; None where nobody is either."""
    challengers = Warehouse(spark, settings.paths.tables).read(CHALLENGERS)
    book = read_trials(challengers, settings.policy.name, day, settings.gate)
    refused = [one for one in book if one.ended == day and one.outcome in (FUTILE, HARMED, EXPIRED)]
    return current_trial(book) or next(iter(refused), None)


def releases_of(spark: SparkSession, settings: Settings, day: date) -> list[dict[str, str]]:
    """What a night released or refused: action, version, why. A handful of rows."""
    releases = Warehouse(spark, settings.paths.tables).read(table("releases"))
    rows = releases.where(F.col("run_date") == F.lit(day)).orderBy("action", "policy_version").collect()
    return [{"action": row.action, "version": row.policy_version, "why": row.why} for row in rows]
