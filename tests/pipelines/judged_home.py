"""A home whose first six jobs are toys over the small world of known truth, so that judging and publishing are real."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import vowpalwabbit

from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.history import HistoryBook
from ltrr.artifacts.payloads import put_payload
from ltrr.config import Settings, load_settings, write_home_file
from ltrr.core.features import action_matrix
from ltrr.core.hashing import user_fold, user_key
from ltrr.core.planning import History, plan_values
from ltrr.core.vw_text import decision_example
from ltrr.pipelines.night import Night
from tests.evaluation.logged_world import (
    DAY,
    SETTINGS,
    SPACE,
    Search,
    decision_rows,
    impression_rows,
    slate_rows,
)

HELD_OUT_PERCENT = 50
NEXT = DAY + timedelta(days=1)
UPSTREAM = (
    "ingest_logs",
    "fit_click_model",
    "build_memory",
    "compute_strategy_features",
    "train_bandit",
    "train_ranker",
)


def judged_home(home: Path) -> Settings:
    """A home with its first champion, uniform over all plans, that starts on `DAY`."""
    policy = {"name": "search", "strategies": list(SPACE.strategies), "block_size": 2, "budget": 3}
    told = {"policy": policy, "history_starts": DAY, "evaluation": {"held_out_percent": HELD_OUT_PERCENT}}
    write_home_file(home, told)
    version = publish_bundle(home / "policies", "search", *uniform_bundle(SETTINGS, DAY - timedelta(days=1)))
    move_pointer(home / "policies", "search", version, why="first champion")
    return load_settings(home)


def upstream_jobs(logs: dict[object, list[Search]], bandit: bytes | None) -> dict[str, Callable[[Night], None]]:
    """The first six jobs: logs as given, no memory, history the prior, the bandit as given from the second date on."""

    def ingest_logs(night: Night) -> None:
        made = logs[night.date]
        night.write("decisions", decision_rows(night.spark, made, night.date))
        night.write("impressions", impression_rows(night.spark, made, night.date))
        night.write("slate_rows", slate_rows(night.spark, made, night.date))

    def build_memory(night: Night) -> None:
        night.note("memory_parts", json.dumps({}))

    def compute_strategy_features(night: Night) -> None:
        stored = put_payload(f"{night.policies_root}/search", HistoryBook.prior(SPACE).to_bytes())
        night.note("history_sha256", stored.sha256)

    def train_bandit(night: Night) -> None:
        if bandit is not None and night.date > DAY:
            night.note("bandit_sha256", put_payload(f"{night.policies_root}/search", bandit).sha256)

    def nothing(night: Night) -> None:
        night.note("empty", night.job)

    made = (ingest_logs, nothing, build_memory, compute_strategy_features, train_bandit, nothing)
    return dict(zip(UPSTREAM, made, strict=True))


def trained_bandit(made: list[Search], folder: Path, sign: float = 1.0) -> bytes:
    """A bandit trained on the searches of users that are trained on; `sign` -1 learns the opposite of what is right."""
    workspace = vowpalwabbit.Workspace(arg_list=["--quiet", "--cb_adf", "--cb_type", "mtr", "-q", "qb", "-l", "0.1"])
    for search in made:
        if user_fold(user_key("a secret of tests", search.user)) < HELD_OUT_PERCENT:
            continue
        values = plan_values(SPACE, search.looks, History.prior(SPACE))
        actions = np.arange(len(SPACE))
        label = (search.choice.plan_index, sign * search.reward - values.max(), search.choice.propensity)
        shared = search.choice.decision["shared"]
        workspace.learn(decision_example(SPACE, shared, actions, action_matrix(SPACE, values), label=label))
    file = folder / "bandit.vw"
    workspace.save(str(file))
    workspace.finish()
    return file.read_bytes()
