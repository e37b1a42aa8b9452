"""A home with real training jobs.

The jobs before them are toys over the world of the bandit's tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import PolicySettings
from ltrr.bandit.settings import BanditSettings
from ltrr.config import Settings
from ltrr.config.settings import PathSettings
from ltrr.core.ranker_features import ranker_features
from ltrr.pipelines import train_bandit, train_ranker
from ltrr.pipelines.night import Night
from ltrr.ranking.settings import RankerSettings
from ltrr.spark.columns import conform, schema_of
from ltrr.tables.catalog import table
from tests.bandit.planted import DAY, OBSERVE, SPACE, logged

NEXT = DAY + timedelta(days=1)
NAMES = [feature.name for feature in ranker_features(SPACE)]
EXAMINATION = (1.0, 0.8, 0.8)


def trained_home(home: Path) -> Settings:
    return Settings(
        policy=PolicySettings("search", SPACE.strategies, SPACE.block_size, SPACE.budget, observe=OBSERVE),
        history_starts=DAY,
        paths=PathSettings(home=home),
        bandit=BanditSettings(partitions=2),
        ranker=RankerSettings(trees=10, min_queries=20),
    )


NIGHT_RUNS: dict[date, str] = {}
"""Date -> its run in MLflow."""


def jobs(decisions: int) -> dict[str, Callable[[Night], None]]:
    """The first six jobs of a night."""

    def ingest_logs(night: Night) -> None:
        rows = logged(decisions, seed=night.date.toordinal())
        night.note(query_key_version=night.settings.policy.query_key_version)
        night.write("decisions", _decisions(night, rows, *_versions(night)))
        night.write("slate_rows", _slates(night, rows))
        night.write("candidates", _candidates(night, rows))
        NIGHT_RUNS[night.date] = night.tracking.night_run_id

    def fit_click_model(night: Night) -> None:
        rows = [(night.date, "*", place + 1, share, None, "prior", False, 0) for place, share in enumerate(EXAMINATION)]
        night.write("examination", night.spark.createDataFrame(rows, schema_of(table("examination"))))

    def nothing(_night: Night) -> None:
        """A job that writes no table and sets no note."""

    return {
        "ingest_logs": ingest_logs,
        "fit_click_model": fit_click_model,
        "build_memory": nothing,
        "compute_strategy_features": nothing,
        "train_bandit": train_bandit.run,
        "train_ranker": train_ranker.run,
    }


def impression_id(night_date: date, row: tuple) -> str:
    return f"{night_date}-{row[0]}"


def _versions(night: Night) -> tuple[str, str]:
    """Two bundles: one with the plans of the night's policy, one with other features."""
    policy = night.settings.policy
    others = replace(policy, features=("text",))
    first, second = (
        publish_bundle(night.policies_root, policy.name, *uniform_bundle(settings, DAY))
        for settings in (policy, others)
    )
    return first, second


def _decisions(night: Night, rows: list[tuple], version: str, other: str):
    """Decisions logged as in the planted world; a hundredth failed, a tenth is of another policy.

    The other policy has as many features, and the bandit must not learn from its rows.
    """
    made = []
    for number, row in enumerate(rows):
        name, step, _, key, kind, user, fold, _, taken, propensity, *_, shared, actions, _, _, _, _ = row
        served = other if number % 10 == 1 else version
        served_by = "fallback" if number % 100 == 0 else "policy"
        listed = [(action, propensity) for action, _ in actions]
        made.append(
            (
                *(f"{night.date}-{name}", step, night.date, key, kind, user, fold, served, served_by, "plan", OBSERVE),
                *(taken, propensity, listed, propensity, len(SPACE), shared, actions, [[0.5]], [[0.25]], [], []),
                *(False, None, None, None),
            )
        )
    return night.spark.createDataFrame(made, schema_of(table("decisions")))


def _slates(night: Night, rows: list[tuple]):
    """Three entities per page; if the plan was right, the best one of the memory is clicked."""
    rng = np.random.default_rng(night.date.toordinal())
    made = []
    for row in rows:
        known = rng.random(len(EXAMINATION)).tolist()
        for place, score in enumerate(known):
            values = dict.fromkeys(NAMES, 0.0) | {"fusion": 1.0 - 0.1 * place, "score:memory": score}
            clicks = int(row[10] == 1.0 and score == max(known))
            made.append(
                (
                    *(impression_id(night.date, row), place + 1, night.date, f"e{place}", row[3], row[5], row[6]),
                    *("search", clicks, float(clicks), [values[name] for name in NAMES]),
                )
            )
    return night.spark.createDataFrame(made, schema_of(table("slate_rows")))


def _candidates(night: Night, rows: list[tuple]):
    """One drawn and shown entity per impression."""
    ids = night.spark.createDataFrame([(impression_id(night.date, row),) for row in rows], "impression_id string")
    shown = ids.select(
        "impression_id",
        F.lit("title").alias("strategy"),
        F.lit(1).alias("rank"),
        F.lit(1).alias("depth"),
        F.lit(night.date).alias("log_date"),
        F.lit("e0").alias("entity_id"),
        F.lit(1.0).alias("score"),
        F.lit(False).alias("is_looked_at"),
        F.lit(True).alias("is_drawn"),
        F.lit(1).alias("position"),
    )
    return conform(shown, table("candidates"))
