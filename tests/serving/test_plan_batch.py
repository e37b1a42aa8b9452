"""Probabilities of many decisions at once equal those of each decision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import vowpalwabbit

from ltrr.bandit.learning import list_vw_arguments
from ltrr.bandit.settings import BanditSettings
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.features import action_matrix, shared_features
from ltrr.core.plans import PlanSpace
from ltrr.core.vw_text import decision_example
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.linear_scores import LinearScores
from ltrr.serving.plan_batch import plan_probabilities

SPACE = PlanSpace(("title", "semantic", "popularity", "memory"), block_size=2, budget=3)
SHARED = len(shared_features(SPACE))
KEYS = ("love", "the matrix", "films with many words in them", "2001")


def situations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shared features and planner values; values tie, and a third of the features is zero."""
    rng = np.random.default_rng(seed)
    shared = np.round(rng.random((count, SHARED)) * (rng.random((count, SHARED)) < 0.67), 6)
    return shared, np.round(rng.integers(0, 40, (count, len(SPACE))) / 40, 9)


def trained(arguments: list[str], folder: Path) -> bytes:
    rng = np.random.default_rng(5)
    path = folder / "bandit.vw"
    workspace = vowpalwabbit.Workspace(arg_list=["--quiet", *arguments, "--final_regressor", str(path)])
    for shared, values in zip(*situations(500, 4), strict=True):
        plans = rng.permutation(len(SPACE))[:6]
        label = (0, float(values[plans[0]] + shared[0] * (plans[0] % 3) - 1.0), 0.3)
        features = action_matrix(SPACE, values, plans)
        workspace.learn(decision_example(SPACE, shared, plans, features, label=label))
    workspace.finish()
    return path.read_bytes()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> bytes:
    return trained(list_vw_arguments(BanditSettings()), tmp_path_factory.mktemp("model"))


def both(chooser: PlanChooser, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities computed at once, and one by one."""
    shared, values = situations(count, 6)
    keys = [KEYS[n % len(KEYS)] for n in range(count)]
    alone = [chooser.weigh(*one).distribution.dense() for one in zip(keys, shared, values, strict=True)]
    return plan_probabilities(chooser, keys, shared, values), np.array(alone)


@pytest.mark.parametrize(
    "exploration",
    [
        ExplorationSettings(),
        ExplorationSettings(0.05, 0.02, 7, query_classes={"digits": 0.5, "long": 2.0}),
        ExplorationSettings(kind="squarecb", gamma=100.0),
        ExplorationSettings(kind="epsilon", epsilon=0.3, score_weight=0.4),
        ExplorationSettings(0.0, 0.1, 1_000),
        ExplorationSettings(score_weight=0.0),
    ],
    ids=["softmax", "by class", "squarecb", "weighed", "greedy", "planner"],
)
def test_a_batch_equals_single_decisions(model: bytes, exploration: ExplorationSettings) -> None:
    at_once, alone = both(PlanChooser(SPACE, exploration, model))
    assert np.abs(at_once - alone).max() < 1e-6
    assert at_once.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert at_once.std(axis=1).min() > 0.0


def test_without_a_model_the_planner_scores(model: bytes) -> None:
    at_once, alone = both(PlanChooser(SPACE, ExplorationSettings(), None))
    assert np.abs(at_once - alone).max() < 1e-12


def test_scores_are_those_of_vowpal_wabbit(model: bytes) -> None:
    chooser = PlanChooser(SPACE, ExplorationSettings(), model)
    linear = LinearScores.of(model, SPACE, chooser.observe, chooser.groups)
    assert linear is not None
    shared, values = situations(40, 8)
    shared[::4] *= 10.0  # far beyond what it has learned from
    plans = np.tile(np.arange(len(SPACE)), (40, 1))
    features = np.array([action_matrix(SPACE, row) for row in values])
    theirs = np.array([chooser.scores_of(chooser.example(*row)) for row in zip(shared, plans, features, strict=True)])
    ours = -linear.costs(shared, features, plans)
    assert np.abs(ours - theirs).max() < 1e-5
    assert theirs.std() > 0.05


def test_the_division_into_batches_changes_no_bit(model: bytes) -> None:
    chooser = PlanChooser(SPACE, ExplorationSettings(), model)
    shared, values = situations(50, 9)
    keys = [KEYS[n % len(KEYS)] for n in range(50)]
    whole = plan_probabilities(chooser, keys, shared, values)
    for cut in (1, 13):
        parts = [slice(start, start + cut) for start in range(0, 50, cut)]
        pieces = [plan_probabilities(chooser, keys[part], shared[part], values[part]) for part in parts]
        assert (np.vstack(pieces) == whole).all()


def test_vowpal_wabbit_scores_other_models(tmp_path: Path) -> None:
    others = ["--cb_adf", "--cb_type", "mtr", "--interactions", "qvb", "--learning_rate", "0.1"]
    chooser = PlanChooser(SPACE, ExplorationSettings(), trained(others, tmp_path))
    assert LinearScores.of(chooser.model, SPACE, chooser.observe, chooser.groups) is None
    at_once, alone = both(chooser, 12)
    assert np.abs(at_once - alone).max() < 1e-12
