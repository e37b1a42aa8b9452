"""Estimators: equal to a second computation, exact for any partition, true in expectation."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.errors import DataQualityError, UsageError
from ltrr.estimation.decisions import LARGEST_SUMMABLE, Decisions
from ltrr.estimation.estimators import ESTIMATORS, list_deciding_estimators
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.weights import importance_weights

M = 5.0


def world(n: int, seed: int, users: int | None = None):
    """Logged decisions of five actions, a biased reward model, and the policy's true value."""
    rng = np.random.default_rng(seed)
    actions = 5
    logging, target = rng.dirichlet(np.full(actions, 2.0), n), rng.dirichlet(np.full(actions, 2.0), n)
    logging = 0.1 / actions + 0.9 * logging
    worth = rng.uniform(0.1, 0.6, (n, actions))
    taken = (rng.random(n)[:, None] > logging.cumsum(axis=1)).sum(axis=1).clip(0, actions - 1)
    rows = np.arange(n)
    rewards = (rng.random(n) < worth[rows, taken]).astype(float)
    q_hat = 0.7 * worth + 0.1
    decisions = Decisions(
        importance_weights(logging[rows, taken], target[rows, taken]),
        rewards,
        q_hat[rows, taken],
        (target * q_hat).sum(axis=1),
    )
    clusters = None if users is None else rng.integers(0, users, n)
    return decisions, (target * worth).sum(axis=1).mean(), clusters


def take(decisions: Decisions, rows) -> Decisions:
    return Decisions(decisions.weights[rows], decisions.rewards[rows], decisions.taken[rows], decisions.direct[rows])


def second_opinion(d: Decisions) -> dict[str, float]:
    """Each estimator by the formula of its paper."""
    w, r, q, v = d.weights, d.rewards, d.taken, d.direct
    return {
        "ips": np.mean(w * r),
        "snips": np.sum(w * r) / np.sum(w),
        "clipped_ips": np.mean(np.minimum(w, M) * r),
        "clipped_snips": np.sum(np.minimum(w, M) * r) / np.sum(np.minimum(w, M)),
        "sg": np.mean(w / (1 - 1 / M + w / M) * r),
        "dm": np.mean(v),
        "dr": np.mean(v + w * (r - q)),
        "sndr": np.mean(v + w / np.mean(w) * (r - q)),
        "switch_dr": np.mean(v + w * (r - q) * (w <= M)),
        "dros": np.mean(v + M**2 * w / (w**2 + M**2) * (r - q)),
    }


def test_every_estimator_equals_its_paper() -> None:
    decisions, _, _ = world(3_000, seed=1)
    assert decisions.weights.max() > M
    moments = LoggedMoments.of(decisions, M)
    wanted = second_opinion(decisions)
    assert wanted.keys() == ESTIMATORS.keys()
    for name, estimator in ESTIMATORS.items():
        assert moments.estimate(estimator).value == pytest.approx(wanted[name], rel=1e-6), name


def test_standard_errors_equal_the_jackknife_by_user() -> None:
    decisions, _, clusters = world(1_500, seed=2, users=150)
    moments = LoggedMoments.of(decisions, M, clusters)
    users = np.unique(clusters)
    without = [second_opinion(take(decisions, clusters != user)) for user in users]
    for name, estimator in ESTIMATORS.items():
        left_out = np.array([values[name] for values in without])
        jackknife = sqrt((len(users) - 1) / len(users) * ((left_out - left_out.mean()) ** 2).sum())
        assert moments.estimate(estimator).standard_error == pytest.approx(jackknife, rel=0.05), name


@given(st.lists(st.integers(0, 399), max_size=3), st.randoms(use_true_random=False))
def test_any_cut_and_order_gives_the_same_bits(cuts, random) -> None:
    decisions, _, _ = world(400, seed=3)
    whole = LoggedMoments.of(decisions, M)
    order = list(range(400))
    random.shuffle(order)
    parts = [LoggedMoments.of(take(decisions, rows), M) for rows in np.split(np.array(order), sorted(cuts))]
    random.shuffle(parts)
    assert sum(parts[1:], start=parts[0]) == whole
    assert LoggedMoments.from_json(whole.to_json()) == whole


def test_any_cut_by_user_gives_the_same_bits() -> None:
    decisions, _, clusters = world(600, seed=4, users=40)
    parts = [take(decisions, clusters % 3 == part) for part in range(3)]
    sums = [LoggedMoments.of(part, M, clusters[clusters % 3 == n]) for n, part in enumerate(parts)]
    assert sums[2] + (sums[0] + sums[1]) == LoggedMoments.of(decisions, M, clusters)


@pytest.mark.statistical
def test_unbiased_estimators_recover_the_truth() -> None:
    # 12 figures at 5.5 standard errors: a false alarm with a probability below 5e-7.
    for seed in (11, 12, 13):
        decisions, truth, _ = world(60_000, seed)
        moments = LoggedMoments.of(decisions, 1e3)
        for name in ("ips", "snips", "dr", "sndr"):
            estimate = moments.estimate(ESTIMATORS[name])
            assert abs(estimate.value - truth) < 5.5 * estimate.standard_error, (name, seed)
        errors = {name: moments.estimate(ESTIMATORS[name]).standard_error for name in ("ips", "dr")}
        assert errors["dr"] < errors["ips"], "a biased reward model narrows the interval"


def test_estimators_that_cut_no_weight_equal_those_without_a_cut() -> None:
    decisions, _, _ = world(500, seed=5)
    moments = LoggedMoments.of(decisions, 1e9)
    for cut, whole in (("clipped_ips", "ips"), ("sg", "ips"), ("switch_dr", "dr"), ("dros", "dr")):
        assert moments.estimate(ESTIMATORS[cut]).value == pytest.approx(
            moments.estimate(ESTIMATORS[whole]).value, rel=1e-6
        )
        assert moments.share_cut(ESTIMATORS[cut]) == pytest.approx(0.0, abs=1e-6)


def test_diagnostics_equal_plain_numpy() -> None:
    decisions, _, _ = world(2_000, seed=6)
    w, r = decisions.weights, decisions.rewards
    moments = LoggedMoments.of(Decisions(w, r, unsupported=np.full(2_000, 0.25)), M)
    assert moments.weighted.evidence() == pytest.approx(np.sum(w * r) ** 2 / np.sum((w * r) ** 2), rel=1e-6)
    assert moments.weighted.effective_sample_size() == pytest.approx(np.sum(w) ** 2 / np.sum(w**2), rel=1e-6)
    assert moments.largest_weight == pytest.approx(w.max())
    assert moments.largest_share == pytest.approx(w.max() / w.sum(), rel=1e-6)
    assert moments.share_cut(ESTIMATORS["clipped_ips"]) == pytest.approx(1 - np.minimum(w, M).sum() / w.sum(), rel=1e-5)
    assert moments.unsupported == 0.25


def test_what_is_undefined_is_nan() -> None:
    nothing = LoggedMoments.of(Decisions(np.zeros(0), np.zeros(0)), M)
    assert isnan(nothing.estimate(ESTIMATORS["ips"]).value)
    assert isnan(nothing.largest_weight)
    never = LoggedMoments.of(Decisions(np.zeros(3), np.ones(3)), M)
    assert never.estimate(ESTIMATORS["ips"]).value == 0.0
    assert isnan(never.estimate(ESTIMATORS["snips"]).value)
    assert isnan(never.largest_share)
    alone = LoggedMoments.of(Decisions(np.ones(3), np.ones(3)), M, np.zeros(3, dtype=np.int64))
    assert alone.estimate(ESTIMATORS["ips"]).value == 1.0
    assert isnan(alone.estimate(ESTIMATORS["ips"]).standard_error), "one cluster has no error"


def test_a_weight_that_cannot_be_summed_is_refused() -> None:
    with pytest.raises(DataQualityError, match="importance weight is too large"):
        LoggedMoments.of(Decisions(np.array([2 * LARGEST_SUMMABLE]), np.ones(1)), M)


@pytest.mark.parametrize(
    "change",
    [
        {"sndr": {"decides": True, "is_nightly": True}},
        {"dr": {"decides": False}},
        {"dr": {"decides": False}, "sndr": {"decides": True}},
    ],
    ids=["two", "none", "one that no night reports"],
)
def test_the_gate_has_exactly_one_estimator_of_the_nightly_report(change, monkeypatch) -> None:
    for name, fields in change.items():
        monkeypatch.setitem(ESTIMATORS, name, replace(ESTIMATORS[name], **fields))
    with pytest.raises(UsageError, match="the gate needs one estimator"):
        list_deciding_estimators()
