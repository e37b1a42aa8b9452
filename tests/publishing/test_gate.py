"""The gate promotes true gains, refuses others, and explains each verdict."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from ltrr.errors import ConfigError
from ltrr.estimation.intervals import Estimate, estimate_difference, estimate_ratio
from ltrr.estimation.moments import ClusteredSums, WeightedRewards
from ltrr.estimation.sequential import EXPIRED, FUTILE, HARMED, KEEP, PROMOTE, Look, SliceLook, traffic_factor
from ltrr.publishing.gate import Judgement, Verdict, judge_night
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import estimate_traffic, traffic_text

GATE = GateSettings()
ALPHA = GATE.share
PLANS = 126
A_NIGHT = 4_000


def _life(worth: np.ndarray, target: np.ndarray, nights: int, seed: int) -> list[Verdict]:
    """The life of a policy against uniform logging, until it ends; users return.

    `target` [P] are its probabilities of the plans, and `worth` [P] the true values.
    """
    rng = np.random.default_rng(seed)
    count = nights * A_NIGHT
    users = rng.integers(0, A_NIGHT // 4, count)
    keen = rng.uniform(0.8, 1.2, A_NIGHT // 4)
    taken = rng.integers(0, PLANS, count)
    reward = rng.poisson(worth[taken] * keen[users]).astype(float)
    weight = target[taken] * PLANS
    qhat = worth.mean() + 0.5 * (worth - worth.mean())
    terms = {
        "challenger": target @ qhat + weight * (reward - qhat[taken]),
        "champion": qhat.mean() + reward - qhat[taken],
        "n": np.ones(count),
    }
    verdicts: list[Verdict] = []
    for night in range(1, nights + 1):
        so_far = slice(0, night * A_NIGHT)
        sums = ClusteredSums.of({name: column[so_far] for name, column in terms.items()}, users[so_far].astype(str))
        weighted = WeightedRewards.of(
            logging_propensity=np.full(night * A_NIGHT, 1 / PLANS),
            target_propensity=target[taken[so_far]],
            reward=reward[so_far],
        )
        judgement = Judgement(
            difference=estimate_difference(sums, ("challenger", "n"), ("champion", "n")),
            champion_value=estimate_ratio(sums, "champion", "n").value,
            evidence=weighted.evidence(),
            effective_sample_size=weighted.effective_sample_size(),
            impressions=night * A_NIGHT,
            users=sums.clusters,
            nights=night,
        )
        looks = [verdict.look for verdict in verdicts if verdict.look]
        verdicts.append(judge_night(judgement, night, looks, ALPHA, GATE))
        if verdicts[-1].outcome != KEEP:
            break
    return verdicts


def _softmax(worth: np.ndarray, shortlist: int, floor: float = 0.1) -> np.ndarray:
    best = np.argsort(-worth)[:shortlist]
    target = np.full(PLANS, floor / PLANS)
    target[best] += (1 - floor) / shortlist
    return target


@pytest.mark.statistical
def test_a_challenger_of_equal_value_is_hardly_ever_promoted() -> None:
    """Another policy of the same value in 60 lives of five nights.

    Two promotions have a probability of 0.3 %.
    """
    worth = np.full(PLANS, 0.6)
    target = _softmax(np.random.default_rng(1).random(PLANS), shortlist=16)
    ends = [_life(worth, target, 5, seed)[-1].outcome for seed in range(60)]
    assert ends.count(PROMOTE) <= 1


@pytest.mark.statistical
def test_a_truly_better_challenger_is_promoted_within_the_stated_nights() -> None:
    """A gain of 15 % is promoted with the stated power by the predicted night."""
    worth = np.linspace(0.4, 0.8, PLANS)
    target = _softmax(worth, shortlist=16)
    target = target + (1.0 - target.sum()) / PLANS
    gain = float(target @ worth / worth.mean() - 1.0)
    share = 0.15 / gain
    target = share * target + (1 - share) / PLANS
    assert float(target @ worth / worth.mean()) == pytest.approx(1.15)
    lives = [_life(worth, target, 8, seed) for seed in range(30)]
    predicted = [
        estimate_traffic(
            replace(life[0].look.difference, value=0.15 * 0.6), 0.6, A_NIGHT, 1, ALPHA, GATE
        ).nights_at_this_difference
        for life in lives
        if life[0].look
    ]
    by_then = sum(life[-1].outcome == PROMOTE and len(life) <= np.median(predicted) for life in lives)
    assert by_then >= 20  # of 30 at 80 %: fewer have a chance of 2 %


GOOD = Judgement(Estimate(0.12, 0.03), 0.6, 240.0, 430.0, 6_000, 500, 1)


def judged(judgement: Judgement, night: int = 1, earlier: tuple[Look, ...] = (), gate: GateSettings = GATE) -> Verdict:
    return judge_night(judgement, night, earlier, ALPHA, gate)


def test_a_verdict_says_bound_evidence_alpha_and_how_long_it_takes() -> None:
    verdict = judged(GOOD)
    assert (verdict.outcome, verdict.is_promoted, verdict.is_refused) == (PROMOTE, True, False)
    for words in (
        "night 1 of 14",
        "+0.1200 (+20.0%)",
        "Z 4.00, 3.89 promotes",
        "of its alpha 0.01 up to 5.1e-05 may be spent by this night",
        "R 240",
        "6000 impressions of 500 users",
        "a true +2% has no 80% chance of promotion within 14 nights",
    ):
        assert words in verdict.why


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objections": ("2.0% of impressions fell back",)}, "fell back"),
        ({"difference": Estimate(0.0, 0.0)}, "no difference to judge on 6000 impressions"),
        ({"difference": Estimate(nan, nan)}, "no difference to judge on 6000 impressions of 500 users"),
        ({"evidence": 80.0}, "evidence R is 80, 100 are needed"),
        ({"effective_sample_size": nan}, "effective sample size is nan"),
        ({"users": 30}, "number of users is 30"),
    ],
)
def test_every_objection_forbids_a_look_and_is_said(change, words) -> None:
    """Without enough evidence nothing is decided and no alpha is spent."""
    verdict = judged(replace(GOOD, **change))
    assert (verdict.outcome, verdict.look, verdict.critical) == (KEEP, None, inf)
    assert words in verdict.why
    assert "no look" in verdict.why


def test_a_life_ends_with_its_last_night_whether_or_not_that_is_a_look() -> None:
    weak = replace(GOOD, difference=Estimate(0.066, 0.03))
    assert judged(weak, 13).outcome == KEEP
    for last in (weak, replace(GOOD, users=3)):
        verdict = judged(last, 14)
        assert (verdict.outcome, verdict.is_refused) == (EXPIRED, True)
        assert "expired: its 14 nights are over" in verdict.why


def test_what_is_hopeless_is_given_up_and_what_is_crossed_must_hold() -> None:
    verdict = judged(replace(GOOD, difference=Estimate(-0.12, 0.03)))
    assert verdict.outcome == FUTILE
    assert "even a true +2% would be seen with less than 5%" in verdict.why
    crossed = (Look(1, Estimate(0.16, 0.03)),)
    assert judged(replace(GOOD, difference=Estimate(0.1, 0.02)), 2, crossed).outcome == PROMOTE
    lost = judged(replace(GOOD, difference=Estimate(0.03, 0.02)), 2, crossed)
    assert lost.outcome == KEEP
    assert "the bound was crossed on an earlier night and is not crossed on this one" in lost.why
    assert judged(replace(GOOD, difference=Estimate(0.03, 0.02)), 2).outcome == KEEP


def test_slices_refuse_are_waited_for_or_named() -> None:
    harmed, fine = SliceLook(Estimate(-0.06, 0.005), 0.6), SliceLook(Estimate(0.03, 0.005), 0.6)
    unfit, imprecise = SliceLook(Estimate(0.03, 0.03), 0.6), SliceLook(Estimate(0.03, 0.3), 0.6)
    verdict = judged(replace(GOOD, slices={"long": harmed, "digits": fine}))
    assert (verdict.outcome, verdict.slices) == (HARMED, {"digits": "unharmed", "long": "harmed"})
    assert "slices harmed: long (-10.0%)" in verdict.why
    verdict = judged(replace(GOOD, slices={"long": unfit, "digits": fine}))
    assert (verdict.outcome, verdict.slices) == (KEEP, {"long": "not yet judged"})
    assert "the bound is crossed, waiting for slices not yet judged: long" in verdict.why
    verdict = judged(replace(GOOD, slices={"long": imprecise, "digits": fine}))
    assert (verdict.outcome, verdict.slices["long"]) == (PROMOTE, "not judged")
    verdict = judged(replace(GOOD, slices={"long": unfit}), gate=replace(GATE, waits_for_slices=False))
    assert (verdict.outcome, verdict.slices) == (PROMOTE, {"long": "not judged"})


def test_traffic_follows_from_spread_effect_and_power() -> None:
    traffic = estimate_traffic(Estimate(0.012, 0.006), 0.6, 10_000, 1, ALPHA, GATE, share=0.5)
    assert traffic.spread == pytest.approx(1.0)
    assert traffic.impressions_a_night == 20_000
    assert traffic.needed_a_night == pytest.approx((traffic_factor(GATE, ALPHA, 0.8) / 0.02) ** 2 / 14)
    # Of 20,000 per night, 1,950 would be enough, so the verdict is near.
    assert traffic.nights < GATE.life_nights
    assert f"has an 80% chance of promotion by night {traffic.nights:.0f} of its life" in traffic_text(traffic, GATE)
    assert estimate_traffic(Estimate(-0.1, 0.006), 0.6, 10_000, 1, ALPHA, GATE).nights_at_this_difference == inf
    assert estimate_traffic(Estimate(0.6, 0.006), 0.6, 10_000, 1, ALPHA, GATE).nights_at_this_difference == 1
    unknown = estimate_traffic(Estimate(nan, nan), 0.6, 0, 0, ALPHA, GATE)
    assert unknown.spread == inf
    assert "this log does not yet show" in traffic_text(unknown, GATE)


@pytest.mark.parametrize("change", [{"alpha": 0.6}, {"least_evidence": 5.0}, {"power": 1.0}, {"budget_nights": 0}])
def test_settings_out_of_range_are_refused(change) -> None:
    with pytest.raises(ConfigError, match="gate"):
        GateSettings(**change)
