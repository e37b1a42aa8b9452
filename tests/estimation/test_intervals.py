"""Intervals have their coverage, by user; a paired difference cancels common effects."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from benchmarks.coverage_study.methods import logit_interval
from ltrr.errors import UsageError
from ltrr.estimation.intervals import bernstein_ratio, estimate_difference, estimate_ratio, quantile
from ltrr.estimation.moments import ClusteredSums


def _sums_by_numpy(terms: dict[str, np.ndarray], users: np.ndarray) -> np.ndarray:
    return np.array([[values[users == user].sum() for values in terms.values()] for user in np.unique(users)])


def test_ratio_equals_an_independent_computation() -> None:
    rng = np.random.default_rng(1)
    users = rng.integers(0, 40, 400)
    terms = {"wr": rng.gamma(1.0, 1.0, 400), "w": rng.gamma(2.0, 0.5, 400), "n": np.ones(400)}
    sums = ClusteredSums.of(terms, users.astype(str))
    z = _sums_by_numpy(terms, users)
    theta = z[:, 0].sum() / z[:, 1].sum()
    psi = (z[:, 0] - theta * z[:, 1]) / z[:, 1].sum()
    got = estimate_ratio(sums, "wr", "w")
    assert got.value == pytest.approx(theta, rel=1e-6)
    assert got.standard_error == pytest.approx(np.sqrt((psi**2).sum() * 40 / 39), rel=1e-6)
    other = z[:, 0].sum() / z[:, 2].sum()
    psi_other = (z[:, 0] - other * z[:, 2]) / z[:, 2].sum()
    paired = estimate_difference(sums, ("wr", "w"), ("wr", "n"))
    assert paired.value == pytest.approx(theta - other, rel=1e-5, abs=1e-8)
    assert paired.standard_error == pytest.approx(np.sqrt(((psi - psi_other) ** 2).sum() * 40 / 39), rel=1e-5)


def test_without_data_the_estimate_is_nan() -> None:
    nothing = ClusteredSums.empty(("r", "n"))
    assert isnan(estimate_ratio(nothing, "r", "n").value)
    one_user = estimate_ratio(ClusteredSums.of({"r": [1.0, 0.0], "n": [1.0, 1.0]}, ["u", "u"]), "r", "n")
    assert one_user.value == 0.5
    assert isnan(one_user.standard_error)
    assert not one_user.is_defined


def test_a_policy_differs_from_itself_by_exactly_zero() -> None:
    rng = np.random.default_rng(2)
    sums = ClusteredSums.of({"dr": rng.normal(size=50), "n": np.ones(50)}, rng.integers(0, 9, 50).astype(str))
    difference = estimate_difference(sums, ("dr", "n"), ("dr", "n"))
    assert (difference.value, difference.standard_error) == (0.0, 0.0)


@pytest.mark.statistical
def test_clustered_intervals_cover_and_plain_ones_do_not() -> None:
    """300 users with 1 to 12 decisions: 95 % intervals by user cover 93-97 %, by row far less."""
    rng = np.random.default_rng(3)
    by_user = by_row = 0
    runs = 600
    for _ in range(runs):
        keen = rng.normal(0.5, 0.3, 300)
        users = np.repeat(np.arange(300), rng.integers(1, 13, 300))
        rewards = keen[users] + rng.normal(0, 0.3, len(users))
        terms = {"r": rewards, "n": np.ones(len(users))}
        clustered = estimate_ratio(ClusteredSums.of(terms, users.astype(str)), "r", "n")
        plain = estimate_ratio(ClusteredSums.of(terms, np.arange(len(users)).astype(str)), "r", "n")
        by_user += clustered.low(0.975) <= 0.5 <= clustered.high(0.975)
        by_row += plain.low(0.975) <= 0.5 <= plain.high(0.975)
    assert 0.93 <= by_user / runs <= 0.97
    assert by_row / runs < 0.85


@pytest.mark.statistical
def test_doubly_robust_difference_covers_and_pairing_narrows_it() -> None:
    """A softmax policy with a floor against a uniform log of 24 arms: coverage and width."""
    rng = np.random.default_rng(4)
    arms, decisions, runs = 24, 1_500, 300
    truth = np.linspace(0.3, 0.7, arms)
    scores = np.exp(truth / 0.05)
    target = 0.9 * scores / scores.sum() + 0.1 / arms
    qhat = truth + rng.normal(0, 0.05, arms)
    true_gain = float(target @ truth - truth.mean())
    covered, paired_widths, apart_widths = 0, [], []
    for _ in range(runs):
        keen = rng.uniform(-0.15, 0.15, 300)
        users = rng.integers(0, 300, decisions)
        taken = rng.integers(0, arms, decisions)
        reward = (rng.random(decisions) < truth[taken] + keen[users]).astype(float)
        weight = target[taken] * arms
        terms = {
            "challenger": target @ qhat + weight * (reward - qhat[taken]),
            "uniform": qhat.mean() + (reward - qhat[taken]),
            "n": np.ones(decisions),
        }
        sums = ClusteredSums.of(terms, users.astype(str))
        gain = estimate_difference(sums, ("challenger", "n"), ("uniform", "n"))
        covered += gain.low(0.975) <= true_gain <= gain.high(0.975)
        paired_widths.append(gain.standard_error)
        apart = [estimate_ratio(sums, name, "n").standard_error for name in ("challenger", "uniform")]
        apart_widths.append(np.hypot(*apart))
    assert 0.925 <= covered / runs <= 0.975
    assert np.mean(paired_widths) < 0.95 * np.mean(apart_widths)


def test_quantile_of_a_budget_spread_over_sixty_nights() -> None:
    assert quantile(1 - 0.05 / 60) == pytest.approx(3.1440, abs=1e-4)


def test_bernstein_is_the_published_bound_where_the_denominator_is_known() -> None:
    """Rewards in [0, 1], one decision per user, L = log(4 / .05).

    The interval is mean -+ (sqrt(2 V L / n) + 7 L / (3 (n - 1))).
    """
    rewards = np.random.default_rng(6).random(3_000)
    users = np.arange(3_000).astype(str)
    sums = ClusteredSums.of({"r": rewards, "n": np.ones(3_000)}, users)
    low, high = bernstein_ratio(sums, "r", "n", widest=1.0, confidence=0.95)
    length = np.log(80.0)
    radius = np.sqrt(2.0 * rewards.var(ddof=1) * length / 3_000) + 7.0 * length / (3.0 * 2_999)
    assert (low, high) == pytest.approx((rewards.mean() - radius, rewards.mean() + radius), abs=1e-6)


def test_bernstein_contains_the_estimate_grows_with_its_bound_and_stays_in_range() -> None:
    rng = np.random.default_rng(7)
    weights, users = rng.gamma(2.0, 0.5, 4_000), rng.integers(0, 1_500, 4_000).astype(str)
    sums = ClusteredSums.of({"wr": weights * (rng.random(4_000) < 0.3), "w": weights}, users)
    estimate, last = estimate_ratio(sums, "wr", "w"), 0.0
    for widest in (1.0, 10.0, 100.0, 1e6):
        low, high = bernstein_ratio(sums, "wr", "w", widest=widest, confidence=0.95)
        assert 0.0 <= low <= estimate.low(0.975) < estimate.high(0.975) <= high <= 1.0
        assert high - low >= last
        last = high - low
    assert last == 1.0
    scaled = bernstein_ratio(sums, "wr", "w", widest=10.0, confidence=0.95, rewards=(0.0, 0.33))
    assert scaled[1] == 0.33


def test_bernstein_without_evidence_is_the_whole_range() -> None:
    nothing = ClusteredSums.empty(("wr", "w"))
    assert bernstein_ratio(nothing, "wr", "w", widest=1.0, confidence=0.95, rewards=(0.0, 3.0)) == (0.0, 3.0)
    with pytest.raises(UsageError, match="above zero"):
        bernstein_ratio(nothing, "wr", "w", widest=0.0, confidence=0.95)


def test_the_logit_interval_follows_its_range_and_is_nan_outside_it() -> None:
    z = quantile(0.975)
    low, high = logit_interval(0.2, 0.03 * z)
    assert 0.0 < low < 0.2 < high < 1.0
    assert high - 0.2 > 0.2 - low
    doubled = logit_interval(1.4, 0.06 * z, (1.0, 3.0))
    assert doubled == pytest.approx((1.0 + 2.0 * low, 1.0 + 2.0 * high))
    assert all(map(isnan, logit_interval(0.0, 0.0)))
    assert all(map(isnan, logit_interval(0.2, 0.03 * z, (0.3, 1.0))))
    low, high = logit_interval(0.05, 0.01 * z)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0337, 0.0737)
