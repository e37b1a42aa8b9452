"""A sample-ratio mismatch forbids a promotion, and nightly tests keep their error rate."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sample_ratio import compute_ratio_p_value
from ltrr.estimation.sequential import KEEP, PROMOTE
from ltrr.evaluation.canary import CANARY, NAMES, SIDES, TERMS, CanaryLife, SideCounts, canary_rows, find_mismatch
from ltrr.evaluation.estimates import summarize_policy
from ltrr.evaluation.judged_policy import CHAMPION
from ltrr.evaluation.scoring import ALL, N, term
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.publishing.gate import judge_night
from ltrr.publishing.judgement import judgement_of
from ltrr.publishing.settings import GateSettings

SHARE, GATE, USERS = 0.1, GateSettings(), 30_000
LIFE = CanaryLife(("2026-03-02-5b1f0c9e77aa",), ("2026-03-02-77aa5b1f0c9e",))


@pytest.mark.statistical
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_looked_at_every_night_it_alarms_no_more_often_than_its_level(share: float) -> None:
    """2,000 canaries of 14 nights at level .05: the chance of more than 150 alarms is 1e-6."""
    rng = np.random.default_rng(5)
    nights = rng.binomial(200, share, (2_000, 14)).cumsum(axis=1)
    seen = 200 * np.arange(1, 15)
    ever = sum(
        min(compute_ratio_p_value(int(n), int(of - n), share) for n, of in zip(one, seen, strict=True)) < 0.05
        for one in nights
    )
    assert ever <= 150


def test_the_larger_the_departure_the_smaller_the_p_value() -> None:
    values = [compute_ratio_p_value(1_000 + change, 9_000 - change, 0.1) for change in range(0, 500, 50)]
    assert values[0] == 1.0
    assert all(one >= other for one, other in pairwise(values))
    assert values[-1] < 1e-9
    assert compute_ratio_p_value(0, 1_000_000, 0.5) == 0.0


def sums_of(canary_keeps: float, users_lost: float = 0.0) -> tuple[ClusteredSums, dict[str, SideCounts]]:
    """A better canary with lost records or users."""
    rng = np.random.default_rng(3)
    is_canary = rng.random(USERS) < SHARE
    searches = rng.geometric(0.4, USERS)
    kept = np.where(is_canary, rng.binomial(searches, canary_keeps), searches)
    kept[is_canary & (rng.random(USERS) < users_lost)] = 0
    reward = rng.binomial(kept, np.where(is_canary, 0.9, 0.5))
    seen = kept > 0
    columns = {N: kept}
    for side, mine, weight in ((CANARY, is_canary, 1 / SHARE), (CHAMPION, ~is_canary, 1 / (1 - SHARE))):
        values = (kept, weight * kept, weight**2 * kept, weight * reward, weight**2 * reward, 0 * kept)
        columns |= {term(side, name): np.where(mine, value, 0) for name, value in zip(TERMS, values, strict=True)}
    sums = ClusteredSums.of(
        {name: columns[name][seen].astype(float) for name in NAMES},
        [str(user) for user in np.flatnonzero(seen)],
        tails=[term(side, "wr") for side in SIDES],
    )
    counts = {
        side: SideCounts(int((seen & mine).sum())) for side, mine in ((CANARY, is_canary), (CHAMPION, ~is_canary))
    }
    return sums, counts


@pytest.mark.parametrize(
    ("keeps", "lost", "of_users", "of_impressions"),
    [(1.0, 0.0, False, False), (0.8, 0.0, False, True), (1.0, 0.25, True, True)],
    ids=["as drawn", "a fifth of its records is lost", "a quarter of its users is lost"],
)
def test_a_canary_that_loses_records_or_users_is_not_promoted(
    keeps: float, lost: float, of_users: bool, of_impressions: bool
) -> None:
    sums, counts = sums_of(keeps, lost)
    reasons = find_mismatch(
        counts, summarize_policy(sums, CANARY, 0.0), SHARE, GATE.mismatch_level, GATE.mismatch_size, GATE.life_nights
    )
    text = " ".join(reasons)
    assert ("mismatch of users" in text, "mismatch of impressions" in text) == (of_users, of_impressions)
    rows = canary_rows(date(2026, 3, 9), {ALL: sums}, LIFE, counts, EvaluationSettings(), reasons)
    judgement = judgement_of(rows, CANARY, nights=3, least_evidence=GATE.least_evidence)
    verdict = judge_night(judgement, 3, [], 0.01, GATE)
    assert verdict.outcome == (KEEP if reasons else PROMOTE)
    # It is no look, so it spends no alpha.
    assert (verdict.look is None) == bool(reasons)
    assert all(reason in verdict.why for reason in reasons)
