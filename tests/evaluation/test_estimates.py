"""Rows of ope_estimates: undefined is null, and verdicts have reasons."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from scipy.special import stdtrit

from ltrr.errors import ConfigError
from ltrr.estimation.evidence import EvidenceSummary
from ltrr.estimation.fixed_point import to_fixed
from ltrr.estimation.moments import ClusteredSums, WeightedRewards
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE, TRUST, judge_evidence
from ltrr.evaluation.estimates import difference_of, estimate_rows
from ltrr.evaluation.judged_impressions import count_served
from ltrr.evaluation.scoring import ALL, PRICE, list_tails, term_names
from ltrr.evaluation.settings import EvaluationSettings
from tests.evaluation.logged_world import DAY, planner

DIFFERENCE = difference_of("challenger")

SETTINGS = EvaluationSettings()
GOOD = {
    "evidence": 400.0,
    "effective_sample_size": 800.0,
    "users": 500,
    "impressions": 6_000,
    "mean_weight": 1.0,
    "unsupported": 0.0,
    "fallback_share": 0.0,
    "is_defined": True,
}


def _sums(weights: np.ndarray, rewards: np.ndarray) -> ClusteredSums:
    """Sums with one impression per user; the champion is the logging policy."""
    names = term_names(["champion", "challenger"])
    n = len(weights)
    nothing = np.zeros((n, 1 + len(PRICE)), dtype=np.int64)

    def terms(w: np.ndarray) -> np.ndarray:
        return np.hstack([WeightedRewards.terms(w, rewards)[:, 1:], to_fixed((w * rewards)[:, None]), nothing])

    rows = np.hstack([to_fixed(np.ones((n, 1))), terms(np.ones(n)), terms(weights)])
    return ClusteredSums.of_clusters(names, rows, list_tails(names))


def _rows(sums: ClusteredSums, fallback_share: float = 0.0) -> dict[tuple[str, str], dict[str, object]]:
    rows = estimate_rows(DAY, {ALL: sums}, [planner("champion"), planner("challenger")], fallback_share, SETTINGS)
    return {(row["policy"], row["estimator"]): row for row in rows}


def test_rows_hold_every_policy_and_estimator_and_the_paired_difference() -> None:
    rng = np.random.default_rng(1)
    weights, rewards = np.where(rng.random(4_000) < 0.25, 4.0, 0.0), rng.poisson(0.5, 4_000).astype(float)
    rows = _rows(_sums(weights, rewards))
    assert set(rows) == {(p, e) for p in ("champion", "challenger", DIFFERENCE) for e in ("ips", "snips", "dr")}
    challenger, champion, difference = (rows[p, "snips"] for p in ("challenger", "champion", DIFFERENCE))
    assert difference["value"] == pytest.approx(challenger["value"] - champion["value"])
    assert challenger["low"] < challenger["value"] < challenger["high"]
    assert challenger["verdict"] == TRUST
    assert difference["evidence"] == min(challenger["evidence"], champion["evidence"])
    assert {row["reward"] for row in rows.values()} == {"page_reward"}


def test_an_estimate_without_weights_is_null_with_a_reason() -> None:
    row = _rows(_sums(np.zeros(50), np.ones(50)))["challenger", "snips"]
    assert (row["value"], row["low"], row["high"], row["effective_sample_size"]) == (None, None, None, None)
    assert row["verdict"] == DO_NOT_USE
    assert "undefined" in row["reasons"][0]


def test_fallbacks_above_their_limit_forbid_every_verdict() -> None:
    rows = _rows(_sums(np.ones(500), np.ones(500)), fallback_share=0.02)
    assert {row["verdict"] for row in rows.values()} == {DO_NOT_USE}
    assert "2.0% of impressions fell back" in rows["champion", "dr"]["reasons"][0]


@pytest.mark.parametrize(
    ("change", "verdict", "word"),
    [
        ({}, TRUST, ""),
        ({"evidence": 60.0}, TAKE_CARE, "evidence R is 60.0"),
        ({"evidence": 19.0}, DO_NOT_USE, "evidence R is 19.0"),
        ({"evidence": nan}, DO_NOT_USE, "evidence R is nan"),
        ({"evidence_of_users": 60.0}, TAKE_CARE, "evidence R is 60.0"),
        ({"evidence_of_users": 11.0}, DO_NOT_USE, "evidence R is 11.0"),
        ({"evidence": 101.0}, TRUST, ""),
        ({"mean_weight": 1.2, "mean_weight_error": 0.06}, TRUST, ""),
        ({"mean_weight": 1.2, "mean_weight_error": 0.04}, TAKE_CARE, "weights average 1.200"),
        ({"effective_sample_size": 80.0}, TAKE_CARE, "effective sample of 80.0"),
        ({"users": 12}, TAKE_CARE, "12 users"),
        ({"unsupported": 0.1}, TAKE_CARE, "10.0% of the policy cannot be seen"),
        ({"unsupported": 0.3}, DO_NOT_USE, "30.0% of the policy cannot be seen"),
        ({"mean_weight": 1.4}, TAKE_CARE, "weights average 1.400"),
        ({"is_defined": False}, DO_NOT_USE, "undefined"),
    ],
)
def test_a_verdict_has_reasons(change, verdict, word) -> None:
    found, reasons = judge_evidence(EvidenceSummary(**(GOOD | change)), SETTINGS)
    assert found == verdict
    assert word in "; ".join(reasons)


def test_every_impression_is_counted_once_by_how_it_was_served() -> None:
    served = {("v1", "policy"): 900, ("v0", "policy"): 70, ("v1", "static"): 20, ("v1", "fallback"): 10}
    counts = count_served(served, ["v1"])
    assert (counts.by_policy, counts.by_other_space, counts.by_static, counts.by_fallback) == (900, 70, 20, 10)
    assert counts.fallback_share == 0.01
    assert count_served({}, []).fallback_share == 0.0


@pytest.mark.parametrize("change", [{"held_out_percent": 0}, {"confidence": 1.0}, {"unsupported_care": 0.5}])
def test_settings_out_of_range_are_refused(change) -> None:
    with pytest.raises(ConfigError, match="evaluation"):
        EvaluationSettings(**change)


def test_intervals_are_wider_if_few_users_dominate_the_variance() -> None:
    """Tail evidence is 250 and (245 + 5 x 30^2)^2 / (245 + 5 x 30^4) = 5.56; degrees 1.25 x."""
    even, heavy = np.ones(500), np.concatenate([np.ones(490), np.full(10, 30.0)])
    for weights, tail in ((even, 250.0), (heavy, 4_745.0**2 / 4_050_245.0)):
        row = _rows(_sums(weights, np.tile([1.0, 0.0], 250)))["challenger", "ips"]
        half = (row["high"] - row["low"]) / 2.0
        assert half / row["standard_error"] == pytest.approx(stdtrit(1.25 * tail, 0.975), rel=1e-9)
