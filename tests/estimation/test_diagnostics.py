"""Agreement of estimators and calibration of q-hat: equal to numpy, reasons only for bad logs."""

from __future__ import annotations

import numpy as np
import pytest

from ltrr.estimation.decisions import Decisions
from ltrr.estimation.diagnostics import (
    build_diagnostic_figures,
    estimate_predicted_ratio,
    find_diagnostic_reasons,
    find_widest_disagreement,
)
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.estimation.logged_moments import LoggedMoments

ROWS, USERS = 6_000, 1_500


def decisions(seed: int, *, logged_at: float = 1.0, predicts: float = 1.0) -> tuple[Decisions, np.ndarray]:
    """A log with wrong propensities, by `factor`, in the rows that the model predicts high."""
    rng = np.random.default_rng(seed)
    liked = rng.random(ROWS) < 0.5
    rate = np.where(liked, 0.6, 0.2)
    p = rng.uniform(0.2, 0.8, ROWS)
    is_first = rng.random(ROWS) < p
    target = rng.uniform(0.1, 0.9, ROWS)
    weights = np.where(is_first, target / p, (1 - target) / (1 - p)) / np.where(liked, logged_at, 1.0)
    rewards = (rng.random(ROWS) < rate).astype(float)
    return Decisions(weights, rewards, taken=predicts * rate, direct=predicts * rate), rng.integers(0, USERS, ROWS)


def by_user(users: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.bincount(users, values, minlength=USERS)[np.unique(users)]


def test_differences_and_ratio_are_those_of_plain_numpy() -> None:
    logged, users = decisions(1)
    moments = LoggedMoments.of(logged, 100.0, users)
    w, r, q, v = logged.weights, logged.rewards, logged.taken, logged.direct
    found = find_widest_disagreement(moments)
    values = {
        "ips": np.mean(w * r),
        "snips": np.sum(w * r) / np.sum(w),
        "dr": np.mean(v + w * (r - q)),
        "sndr": np.mean(v) + np.sum(w * (r - q)) / np.sum(w),
    }
    one, other = found.pair
    assert found.difference.value == pytest.approx(values[one] - values[other], abs=1e-6)
    influence = {
        "ips": w * r - values["ips"],
        "snips": (w * r - values["snips"] * w) / w.mean(),
        "dr": v + w * (r - q) - values["dr"],
        "sndr": v - v.mean() + (w * (r - q) - np.sum(w * (r - q)) / np.sum(w) * w) / w.mean(),
    }
    clusters = len(np.unique(users))
    spread = by_user(users, influence[one] - influence[other])
    error = np.sqrt((spread**2).sum() * clusters / (clusters - 1)) / ROWS
    assert found.difference.standard_error == pytest.approx(error, rel=1e-4)
    assert found.errors == pytest.approx(abs(found.difference.value) / error, rel=1e-3)
    ratio = estimate_predicted_ratio(moments)
    assert ratio.value == pytest.approx((w * q).sum() / (w * r).sum(), abs=1e-6)
    spread = by_user(users, w * q - ratio.value * w * r) / (w * r).sum()
    assert ratio.standard_error == pytest.approx(np.sqrt((spread**2).sum() * clusters / (clusters - 1)), rel=1e-4)


def reasons(name: str, moments: LoggedMoments, cut: float = 0.0) -> tuple[list[str], list[str]]:
    return find_diagnostic_reasons(ESTIMATORS[name], moments, cut, build_diagnostic_figures(moments, 0.975))


def test_estimators_agree_on_correct_logs_and_disagree_on_wrong_propensities() -> None:
    for seed in range(20):
        logged, users = decisions(seed)
        moments = LoggedMoments.of(logged, 100.0, users)
        assert not find_widest_disagreement(moments).is_significant
        assert all(reasons(name, moments) == ([], []) for name in ESTIMATORS)
    logged, users = decisions(1, logged_at=0.5)
    wrong = LoggedMoments.of(logged, 100.0, users)
    assert find_widest_disagreement(wrong).is_significant
    grave, light = reasons("dr", wrong)
    assert not grave
    assert "standard errors of their difference: wrong propensities" in light[0]
    assert reasons("clipped_ips", wrong) == ([], [])


def test_a_wrong_reward_model_is_a_reason_where_the_estimate_uses_it() -> None:
    for predicts, is_grave in ((0.5, True), (0.85, False)):
        logged, users = decisions(2, predicts=predicts)
        moments = LoggedMoments.of(logged, 100.0, users)
        grave, light = reasons("dm", moments)
        assert [bool(grave), bool(light)] == [is_grave, not is_grave]
        assert f"predicts {estimate_predicted_ratio(moments).value:.2f} of what is earned" in (grave + light)[0]
        assert reasons("dr", moments) == ([], [])
        assert reasons("switch_dr", moments, cut=0.001) == ([], [])
        assert reasons("switch_dr", moments, cut=0.05)[1]


def test_without_a_model_or_rewards_the_figures_are_undefined() -> None:
    logged, users = decisions(3)
    plain = LoggedMoments.of(Decisions(logged.weights, logged.rewards), 100.0, users)
    assert find_widest_disagreement(plain).pair == ("ips", "snips")
    assert np.isnan(estimate_predicted_ratio(plain).value)
    assert build_diagnostic_figures(plain, 0.975) == build_diagnostic_figures(plain, 0.975)
    assert build_diagnostic_figures(plain, 0.975)["predicted_ratio"] is None
    nothing = LoggedMoments.of(Decisions(logged.weights, np.zeros(ROWS)), 100.0, users)
    assert find_widest_disagreement(nothing).pair == ()
    assert not find_widest_disagreement(nothing).is_significant
