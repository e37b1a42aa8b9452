"""A small world with known values: three strategies, plans of three blocks, the real policy code.

Each query is answered by one or two of the strategies. A block of an answering strategy has the
reward `WORTH`. So the first look shows what to draw, the planner is right without training, and the
true value of any policy is a sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from ltrr.artifacts.bundle import uniform_bundle
from ltrr.artifacts.manifest import PolicySettings
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.hashing import unit_interval, user_fold, user_key
from ltrr.core.planning import Block
from ltrr.core.queries import query_class, query_key
from ltrr.core.situation import Situation
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.plan_choice import PlanChoice
from ltrr.serving.policy import Policy
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table

DAY = date(2026, 3, 2)
WORTH = 0.25
SETTINGS = PolicySettings("search", ("alpha", "beta", "gamma"), block_size=2, budget=3)
SPACE = SETTINGS.space
WORDS = ("love", "the matrix", "road to the north", "2001", "songs of the long summer road")


@dataclass(frozen=True)
class Search:
    """One search of the world, as served."""

    impression_id: str
    user: str
    query_text: str
    answering: tuple[bool, bool, bool]
    choice: PlanChoice
    reward: float

    @property
    def looks(self) -> list[Block]:
        return looks_of(self.query_text, self.answering)

    @property
    def worth(self) -> np.ndarray:
        """True expected reward of every plan, [P]."""
        return worth_of(self.answering)


def looks_of(query_text: str, answering: tuple[bool, ...]) -> list[Block]:
    return [
        Block(name, 1, "ok", (f"{name}-{query_text}-1", f"{name}-{query_text}-2"), (2.0, 1.0))
        if answers
        else Block(name, 1, "empty")
        for name, answers in zip(SPACE.strategies, answering, strict=True)
    ]


def worth_of(answering: tuple[bool, ...]) -> np.ndarray:
    return WORTH * (SPACE.plans * np.array(answering)).sum(axis=1)


def searches(count: int, users: int, seed: int, served_by: Policy | None = None) -> list[Search]:
    """`count` searches by `users` users, who differ in activity, so clusters matter."""
    rng = np.random.default_rng(seed)
    policy = served_by or uniform_policy()
    keen = rng.uniform(0.8, 1.2, users)
    made = []
    for number in range(count):
        user = int(rng.integers(users))
        answering = ((True, False, False), (False, True, False), (True, False, True))[rng.integers(3)]
        text = f"{WORDS[rng.integers(len(WORDS))]}"
        mine = policy.for_user(f"user-{user}")
        choice = mine.plan(
            text, looks_of(text, answering), seed=f"{seed}-{number}", situation=Situation(at_of(f"user-{user}", DAY))
        )
        chance = min(worth_of(answering)[choice.plan_index] * keen[user], 1.0)
        made.append(Search(f"{seed}-{number}", f"user-{user}", text, answering, choice, float(rng.random() < chance)))
    return made


def at_of(user: str, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(hours=10 * unit_interval(user))


def uniform_policy() -> Policy:
    manifest, files = uniform_bundle(SETTINGS, DAY - timedelta(days=1))
    return Policy.of(manifest, {name: file for name, file in files.items() if isinstance(file, bytes)})


def planner(name: str, temperature: float = 0.2, floor_share: float = 0.2, model: bytes | None = None) -> JudgedPolicy:
    """A good policy: the planner on the first look, with exploration."""
    exploration = ExplorationSettings(temperature, floor_share, shortlist_size=4)
    return JudgedPolicy(name, f"{name}-version", SPACE, PlanChooser(SPACE, exploration, model))


def decision_rows(spark: SparkSession, made: list[Search], day: date = DAY) -> DataFrame:
    """Rows of `decisions` as `ingest_logs` writes them."""
    return spark.createDataFrame([_decision(search, day) for search in made], schema_of(table("decisions")))


def slate_rows(spark: SparkSession, made: list[Search], day: date = DAY) -> DataFrame:
    """One row for each search with a reward; other pages have no row."""
    rows = [_slate_row(search, day) for search in made if search.reward]
    return spark.createDataFrame(rows, schema_of(table("slate_rows")))


def impression_rows(spark: SparkSession, made: list[Search], day: date = DAY) -> DataFrame:
    return spark.createDataFrame([_impression(search, day) for search in made], schema_of(table("impressions")))


def _keys(search: Search, day: date) -> dict[str, Any]:
    key = query_key(search.query_text)
    pseudonym = user_key("a secret of tests", search.user)
    return {
        "impression_id": search.impression_id,
        "log_date": day,
        "query_key": key,
        "query_class": query_class(key),
        "user_key": pseudonym,
        "user_fold": user_fold(pseudonym),
        "policy_version": search.choice.version,
    }


def _decision(search: Search, day: date) -> dict[str, Any]:
    logged = search.choice.decision
    return _keys(search, day) | {
        "step": 1,
        "served_by": "policy",
        "decide": "plan",
        "observe": "first_look",
        "action_taken": logged["action_taken"],
        "logging_propensity": logged["propensity"],
        "action_propensities": [{"action": entry["action"], "p": entry["propensity"]} for entry in logged["shortlist"]],
        "floor": logged["floor"],
        "n_actions": logged["n_actions"],
        "shared_features": logged["shared"],
        "action_features": [
            {"action": entry["action"], "features": entry["features"]} for entry in logged["shortlist"]
        ],
        "hit_rate": logged["history"]["hit_rate"],
        "marginal_hit_rate": logged["history"]["marginal_hit_rate"],
        "look": [
            {
                "strategy": block.strategy,
                "depth": block.depth,
                "status": block.status,
                "entity_ids": list(block.entity_ids),
                "scores": list(block.scores),
            }
            for block in search.looks
        ],
        "deeper": [],
    }


def _slate_row(search: Search, day: date) -> dict[str, Any]:
    return {key: value for key, value in _keys(search, day).items() if key in table("slate_rows").column_names} | {
        "position": 1,
        "entity_id": "e",
        "surface": "search",
        "clicks": 1,
        "page_reward": search.reward,
        "features": [0.0],
    }


def _impression(search: Search, day: date) -> dict[str, Any]:
    return _keys(search, day) | {
        "at": at_of(search.user, day),
        "arrival_date": day,
        "query_text": search.query_text,
        "session_key": search.user,
        "surface": "search",
        "utc_offset_minutes": 0,
        "context": {},
        "version_propensity": search.choice.version_draw.propensity,
        "memory_version": search.choice.version,
        "history_version": search.choice.version,
        "served_by": "policy",
    }
