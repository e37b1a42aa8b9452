"""SLOPE chooses the last agreeing estimate, and has a smaller error where the bias is small."""

from __future__ import annotations

import numpy as np

from ltrr.estimation.decisions import Decisions
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.slope import GRID, choose_by_slope


def test_it_stops_at_the_first_that_disagrees_and_never_skips_it() -> None:
    spread = [Estimate(0.5, 0.02), Estimate(0.2, 0.01), Estimate(0.5, 0.001)]
    assert choose_by_slope(spread) == 0
    assert choose_by_slope([spread[0], spread[2]]) == 1
    assert choose_by_slope(spread[:1]) == 0
    assert choose_by_slope([Estimate(float("nan"), float("nan")), Estimate(0.5, 0.1)]) == 0


def test_the_choice_of_m_balances_bias_and_variance() -> None:
    rng = np.random.default_rng(1)
    errors: dict[str, list[float]] = {"chosen": [], "least cut": [], "most cut": []}
    for _ in range(200):
        weights = np.exp(1.6 * rng.normal(size=2_000) - 1.6**2 / 2.0)
        decisions = Decisions(weights, (rng.random(2_000) < 0.3).astype(float))
        found = [LoggedMoments.of(decisions, limit).estimate(ESTIMATORS["clipped_ips"]) for limit in GRID]
        errors["chosen"].append(found[choose_by_slope(found)].value - 0.3)
        errors["least cut"].append(found[0].value - 0.3)
        errors["most cut"].append(found[-1].value - 0.3)
    rmse = {name: float(np.sqrt(np.mean(np.square(values)))) for name, values in errors.items()}
    assert rmse["chosen"] <= max(rmse["least cut"], rmse["most cut"])
    assert rmse["chosen"] < 2.0 * min(rmse.values())
