"""A home with real evaluation and publishing.

Its first six jobs are toys over the small world of known truth.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import vowpalwabbit

from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.history import QueryHistories
from ltrr.artifacts.learned_values import LearnedValues, StoredValues, block_value_file, unseen_value_file
from ltrr.artifacts.payloads import put_payload
from ltrr.bandit.values import ValueSettings, fit_candidate_value, fit_unseen_value
from ltrr.config import Settings, load_settings, write_home_file
from ltrr.core.candidate_features import candidate_matrix
from ltrr.core.coverage import look_vector, visible_coverage
from ltrr.core.features import action_matrix
from ltrr.core.hashing import user_fold, user_key
from ltrr.core.planning import History, plan_values
from ltrr.core.queries import query_key
from ltrr.core.vw_text import decision_example
from ltrr.pipelines.night import Night
from ltrr.serving.values import PlanValuer
from tests.evaluation.logged_world import (
    DAY,
    SETTINGS,
    SPACE,
    WORTH,
    Search,
    decision_rows,
    impression_rows,
    slate_rows,
)

HELD_OUT_PERCENT = 50
NEXT = DAY + timedelta(days=1)
VALUES = LearnedValues(folds=2, strength=3.0)
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
    layer = {
        "policy": policy,
        "history_starts": DAY,
        "evaluation": {"held_out_percent": HELD_OUT_PERCENT},
        # Four nights are too few to wait for slices.
        "gate": {"waits_for_slices": False},
    }
    write_home_file(home, layer)
    version = publish_bundle(home / "policies", "search", *uniform_bundle(SETTINGS, DAY - timedelta(days=1)))
    move_pointer(home / "policies", "search", version, why="first champion")
    return load_settings(home)


def upstream_jobs(
    logs: dict[object, list[Search]], bandit: bytes | None, values: dict[str, bytes] | None = None
) -> dict[str, Callable[[Night], None]]:
    """The first six jobs over given logs.

    The memory is empty and the history is the prior. Bandit and values are those given, from day
    two on.
    """

    def ingest_logs(night: Night) -> None:
        made = logs[night.date]
        night.note(query_key_version=night.settings.policy.query_key_version)
        night.write("decisions", decision_rows(night.spark, made, night.date))
        night.write("impressions", impression_rows(night.spark, made, night.date))
        night.write("slate_rows", slate_rows(night.spark, made, night.date))

    def build_memory(night: Night) -> None:
        night.note(memory_parts={})

    def compute_strategy_features(night: Night) -> None:
        stored = put_payload(f"{night.policies_root}/search", QueryHistories.prior(SPACE).to_bytes())
        night.note(history_sha256=stored.sha256)

    def train_bandit(night: Night) -> None:
        if bandit is not None and night.date > DAY:
            night.note(bandit_sha256=put_payload(f"{night.policies_root}/search", bandit).sha256)
        if values is not None and night.date > DAY:
            files = {name: put_payload(f"{night.policies_root}/search", model).sha256 for name, model in values.items()}
            night.note(values=StoredValues(VALUES, files).to_note())

    def nothing(_night: Night) -> None:
        """A job that writes no table and sets no note."""

    made = (ingest_logs, nothing, build_memory, compute_strategy_features, train_bandit, nothing)
    return dict(zip(UPSTREAM, made, strict=True))


def true_values(made: list[Search]) -> dict[str, bytes]:
    """Value models of this world, the same for both folds.

    The predicted value of unseen blocks is their true value.
    """
    settings = ValueSettings(candidate_rounds=5, unseen_rounds=60)
    views = {(search.query_text, search.answering): search for search in made}.values()
    candidates, looks, added = [], [], []
    for search in views:
        entity_ids, matrix = candidate_matrix(SPACE, search.looks, search.query_text, {})
        worth = dict.fromkeys(entity_ids, WORTH / 2)
        coverage = visible_coverage(SPACE, search.looks, worth)
        look = look_vector(SPACE, search.looks, worth, search.query_text, matrix)
        candidates.append(matrix)
        looks.append(look)
        added.append(search.worth - coverage)
    rows = np.concatenate(candidates)
    clicked, examined = np.full(len(rows), WORTH / 2), np.ones(len(rows))
    # Some views have few rows: trees need more of them to separate looks.
    seen, unseen = np.repeat(looks, 40, 0), np.repeat(added, 40, 0)
    models = (
        (block_value_file, fit_candidate_value(rows, clicked, examined, examined, settings)),
        (unseen_value_file, fit_unseen_value(seen, unseen, np.ones(unseen.shape, dtype=np.bool_), settings)),
    )
    return {name(fold): model for name, model in models for fold in range(VALUES.folds)}


def trained_bandit(
    made: list[Search], folder: Path, sign: float = 1.0, values: dict[str, bytes] | None = None
) -> bytes:
    """A bandit trained on the searches of training users.

    With `sign` -1 it learns the opposite of the true values.
    """
    valuer = None if values is None else PlanValuer(SPACE, VALUES, values)
    workspace = vowpalwabbit.Workspace(arg_list=["--quiet", "--cb_adf", "--cb_type", "mtr", "-q", "qb", "-l", "0.1"])
    for search in made:
        if user_fold(user_key("a secret of tests", search.user)) < HELD_OUT_PERCENT:
            continue
        if valuer is None:
            plans = plan_values(SPACE, search.looks, History.prior(SPACE))
        else:
            plans = valuer.values(query_key(search.query_text), search.looks, {})
        actions = np.arange(len(SPACE))
        label = (search.choice.plan_index, sign * search.reward - plans.max(), search.choice.propensity)
        shared = search.choice.decision["shared"]
        workspace.learn(decision_example(SPACE, shared, actions, action_matrix(SPACE, plans), label=label))
    file = folder / "bandit.vw"
    workspace.save(str(file))
    workspace.finish()
    return file.read_bytes()
