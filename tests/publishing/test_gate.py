"""The gate promotes what is truly better, refuses what is not, and says in words why and how long a verdict takes."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from ltrr.core.intervals import Estimate, estimate_difference, estimate_ratio
from ltrr.core.moments import ClusteredSums, WeightedRewards
from ltrr.errors import ConfigError
from ltrr.publishing.gate import Judgement, judge_challenger
from ltrr.publishing.ranker_gate import judge_ranker
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import estimate_traffic

GATE = GateSettings()
PLANS = 126


def _judged(worth: np.ndarray, target: np.ndarray, impressions: int, seed: int) -> Judgement:
    """One night's judgement of `target` [P] against uniform logging over plans of true `worth` [P], users of four."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, impressions // 4, impressions)
    keen = rng.uniform(0.8, 1.2, impressions // 4)
    taken = rng.integers(0, PLANS, impressions)
    reward = rng.poisson(worth[taken] * keen[users]).astype(float)
    weight = target[taken] * PLANS
    qhat = worth.mean() + 0.5 * (worth - worth.mean())
    terms = {
        "challenger": target @ qhat + weight * (reward - qhat[taken]),
        "champion": qhat.mean() + reward - qhat[taken],
        "n": np.ones(impressions),
    }
    sums = ClusteredSums.of(terms, users.astype(str))
    weighted = WeightedRewards.of(
        logging_propensity=np.full(impressions, 1 / PLANS), target_propensity=target[taken], reward=reward
    )
    return Judgement(
        difference=estimate_difference(sums, ("challenger", "n"), ("champion", "n")),
        champion_value=estimate_ratio(sums, "champion", "n").value,
        evidence=weighted.evidence(),
        effective_sample_size=weighted.effective_sample_size(),
        impressions=impressions,
        users=sums.clusters,
        nights=1,
        held_out_share=0.3,
    )


def _softmax(worth: np.ndarray, shortlist: int, floor: float = 0.1) -> np.ndarray:
    best = np.argsort(-worth)[:shortlist]
    target = np.full(PLANS, floor / PLANS)
    target[best] += (1 - floor) / shortlist
    return target


@pytest.mark.statistical
def test_a_challenger_of_equal_value_is_not_promoted() -> None:
    """A different policy of the same value, 300 nights: never at alpha / 60, and about 5 % at a level of 5 %."""
    worth = np.full(PLANS, 0.6)
    target = _softmax(np.random.default_rng(1).random(PLANS), shortlist=16)
    judged = [_judged(worth, target, 4_000, seed) for seed in range(300)]
    assert not any(judge_challenger(one, GATE).is_promoted for one in judged)
    careless = replace(GATE, budget_nights=1)
    assert sum(judge_challenger(one, careless).is_promoted for one in judged) / 300 <= 0.075


@pytest.mark.statistical
def test_a_challenger_that_is_truly_better_is_promoted_given_enough_data() -> None:
    """+15 % over a uniform champion, shortlist of 16: 24,000 held-out impressions decide it in at least 9 of 10."""
    worth = np.linspace(0.4, 0.8, PLANS)
    target = _softmax(worth, shortlist=16)
    target = target + (1.0 - target.sum()) / PLANS
    gain = float(target @ worth / worth.mean() - 1.0)
    share = 0.15 / gain
    target = share * target + (1 - share) / PLANS
    assert float(target @ worth / worth.mean()) == pytest.approx(1.15)
    promoted = [judge_challenger(_judged(worth, target, 24_000, seed), GATE).is_promoted for seed in range(30)]
    assert sum(promoted) >= 27


def test_little_evidence_is_refused_however_good_it_looks() -> None:
    worth = np.linspace(0.2, 1.2, PLANS)
    judged = _judged(worth, _softmax(worth, shortlist=1, floor=0.01), 2_000, seed=1)
    verdict = judge_challenger(replace(judged, difference=Estimate(0.5, 0.01)), GATE)
    assert not verdict.is_promoted
    assert verdict.lower_bound > 0.0
    assert "evidence R is" in verdict.why
    assert "100 are needed" in verdict.why


GOOD = Judgement(Estimate(0.12, 0.03), 0.6, 240.0, 430.0, 6_000, 500, 1, 0.3)


def test_a_verdict_says_level_evidence_and_traffic() -> None:
    verdict = judge_challenger(GOOD, GATE)
    assert verdict.is_promoted
    for words in ("+0.1200 (+20.0%)", "0.05 spread evenly over 60 nights", "R 240", "6000 impressions of 500 held-out"):
        assert words in verdict.why
    assert "to see +2% with 80% probability within 14 nights this log would need" in verdict.why


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objections": ("2.0% of impressions fell back",)}, "fell back"),
        ({"difference": Estimate(0.05, 0.03)}, "the lower bound is not above zero"),
        ({"difference": Estimate(0.0, 0.0)}, "the lower bound is not above zero"),
        ({"difference": Estimate(nan, nan)}, "undefined on 6000 impressions"),
        ({"effective_sample_size": nan}, "effective sample size is nan"),
        ({"users": 30}, "number of users is 30"),
    ],
)
def test_every_objection_refuses_and_is_said(change, words) -> None:
    verdict = judge_challenger(replace(GOOD, **change), GATE)
    assert not verdict.is_promoted
    assert words in verdict.why


def test_traffic_follows_from_spread_effect_and_power() -> None:
    traffic = estimate_traffic(Estimate(0.012, 0.006), 0.6, 10_000, 1, 0.5, GATE)
    assert traffic.spread == pytest.approx(1.0)
    assert traffic.impressions_a_night == pytest.approx((3.9856 / 0.02) ** 2 / 14 / 0.5, rel=1e-3)
    assert traffic.nights_at_this_difference == 3
    assert estimate_traffic(Estimate(-0.1, 0.006), 0.6, 10_000, 1, 0.5, GATE).nights_at_this_difference == inf
    assert estimate_traffic(Estimate(0.6, 0.006), 0.6, 10_000, 1, 0.5, GATE).nights_at_this_difference == 0
    assert estimate_traffic(Estimate(nan, nan), 0.6, 0, 0, 0.5, GATE).spread == inf


def test_a_ranker_is_released_only_where_its_lower_bound_beats_the_served_order() -> None:
    notes = {"ranker_sha256": "ab", "ndcg_over_served": "0.02", "ndcg_over_served_low": "-0.001"}
    assert not judge_ranker(notes, None).is_promoted
    assert judge_ranker(notes | {"ndcg_over_served_low": "0.001"}, None).is_promoted
    assert not judge_ranker(notes | {"ndcg_over_served_low": "nan"}, None).is_promoted


@pytest.mark.parametrize("change", [{"alpha": 0.6}, {"least_evidence": 5.0}, {"power": 1.0}, {"budget_nights": 0}])
def test_settings_out_of_range_are_refused(change) -> None:
    with pytest.raises(ConfigError, match="gate"):
        GateSettings(**change)
