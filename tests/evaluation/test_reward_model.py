"""q-hat recovers the coefficients that generated the rewards."""

from __future__ import annotations

import numpy as np

from ltrr.evaluation.logged_decision import LoggedDecision
from ltrr.evaluation.reward_model import PlanRewardModel, fit_reward_model
from ltrr.evaluation.training_sums import TrainingSums
from tests.evaluation.logged_world import SPACE


def _decisions(truth: PlanRewardModel, count: int, seed: int) -> list[LoggedDecision]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        shared, values, plan = rng.random(3), rng.random(len(SPACE)), int(rng.integers(len(SPACE)))
        mean = float(rng.random())
        expected = truth.predict_plans(shared[None], values[None], np.array([mean]))[0]
        reward = float(expected[plan] + rng.normal(0, 0.1))
        everywhere = np.ones(len(SPACE), dtype=bool)
        made.append(
            LoggedDecision(
                *(f"u{number}", "a key", "long", plan, 1 / len(SPACE), everywhere, shared, [], {}, values, reward, mean)
            )
        )
    return made


def test_a_linear_reward_is_recovered_and_parts_merge_exactly() -> None:
    rng = np.random.default_rng(1)
    truth = PlanRewardModel(SPACE, rng.normal(0, 0.3, 6), rng.normal(0, 0.3, 10))
    decisions = _decisions(truth, 3_000, seed=2)
    whole = TrainingSums.of(SPACE, decisions)
    parts = TrainingSums.of(SPACE, decisions[1_000:]) + TrainingSums.of(SPACE, decisions[:1_000])
    assert TrainingSums.from_json(parts.to_json()).to_json() == whole.to_json()
    model = fit_reward_model(SPACE, whole.products.tolist(), ridge=1.0)
    unseen = _decisions(truth, 200, seed=3)
    assert np.abs(model.predict(unseen) - truth.predict(unseen)).max() < 0.03


def test_without_rows_the_expected_reward_is_zero() -> None:
    size = 1 + 1 + 1 + 3 + 1 + SPACE.draws.shape[1] + 1
    model = fit_reward_model(SPACE, [[0] * size for _ in range(size)], ridge=10.0)
    expected = model.predict_plans(np.ones((1, 3)), np.ones((1, len(SPACE))), np.zeros(1))
    assert expected.tolist() == [[0.0] * len(SPACE)]
