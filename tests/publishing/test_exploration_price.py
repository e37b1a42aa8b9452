"""Cost and benefit of exploration: known cases, and a true log with the same figures."""

from __future__ import annotations

from math import inf, isnan, sqrt

import numpy as np
import pytest

from ltrr.core.exploration import ExplorationSettings, explore
from ltrr.estimation.exploration_price import exploration_terms
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sequential import traffic_factor
from ltrr.publishing.exploration_price import price_exploration, price_policies
from ltrr.publishing.settings import GateSettings

PLANS = 40
GATE = GateSettings(effect=0.1)


def sums_of(target, values, noise=0.25):
    """Sums of a scan with one impression per user; `served` is the expected reward."""
    lost, greedy, any_plan = exploration_terms(target, values)
    terms = {
        "served_dr": (target * values).sum(axis=1),
        "served_lost": lost,
        "served_greedy": greedy,
        "served_any": any_plan,
        "served_noise": np.full(len(target), noise),
        "n": np.ones(len(target)),
    }
    return ClusteredSums.of({name: column.tolist() for name, column in terms.items()}, list(map(str, range(len(lost)))))


def price_of(target, values, nights=2):
    return price_exploration(sums_of(target, values), "served", PLANS, nights, 0.3, GATE)


def explored(count, floor_share, temperature=0.1, seed=1):
    values = np.random.default_rng(seed).random((count, PLANS))
    shortlists = np.argsort(-values, axis=1)[:, :8]
    exploration = ExplorationSettings(temperature, floor_share)
    return values, np.array(
        [
            explore(row[listed], exploration, shortlist=listed, n_actions=PLANS).dense()
            for row, listed in zip(values, shortlists, strict=True)
        ]
    )


def test_a_uniform_log_is_the_measure() -> None:
    values = np.random.default_rng(1).random((200, PLANS))
    price = price_of(np.full((200, PLANS), 1.0 / PLANS), values)
    assert (price.greedy_width, price.any_width) == pytest.approx((1.0, 1.0))
    assert (price.greedy_sample, price.any_sample) == pytest.approx((1.0 / PLANS, 1.0 / PLANS))
    assert price.greedy_nights == pytest.approx(price.any_nights)
    assert price.value_lost == pytest.approx(np.mean(values.max(axis=1) - values.mean(axis=1)), abs=1e-6)
    assert price.value_lost_share == pytest.approx(price.value_lost / values.mean(), abs=1e-6)


def test_a_greedy_policy_pays_nothing_and_buys_nothing_about_others() -> None:
    values, target = explored(200, floor_share=0.0, temperature=0.0)
    price = price_of(target, values)
    assert price.value_lost == pytest.approx(0.0, abs=1e-9)
    assert price.greedy_sample == pytest.approx(1.0)
    assert price.any_sample < 1e-5
    assert price.any_nights > 1e4


def test_a_larger_floor_costs_more_and_buys_more_about_any_plan() -> None:
    prices = [price_of(target, values) for values, target in (explored(300, floor) for floor in (0.05, 0.2, 0.8))]
    for name, sign in (("value_lost", 1), ("any_sample", 1), ("any_width", -1), ("any_nights", -1)):
        assert (sign * np.diff([getattr(price, name) for price in prices]) > 0).all(), name
    assert (np.diff([price.greedy_sample for price in prices]) < 0).all()


@pytest.mark.statistical
def test_a_drawn_log_has_the_stated_sample_and_spread() -> None:
    values, target = explored(40_000, floor_share=0.4)
    price = price_of(target, values)
    rng = np.random.default_rng(3)
    drawn = (target.cumsum(axis=1) < rng.random((len(target), 1))).sum(axis=1).clip(max=PLANS - 1)
    rows = np.arange(len(target))
    greedy = values.argmax(axis=1)
    weights = (drawn == greedy) / target[rows, greedy]
    residuals = rng.normal(0.0, 0.5, len(target))
    # The relative standard deviation of a mean of squares of 40,000 such weights is about 1 %.
    assert weights.sum() ** 2 / (weights**2).sum() == pytest.approx(price.greedy_sample * len(target), rel=0.05)
    spread = ((weights - 1.0) * residuals).std() / (target * values).sum(axis=1).mean()
    factor = traffic_factor(GATE, GATE.share, GATE.power)
    # The log has two nights of 30 % of the users; the evaluation has all users.
    needed = (factor * spread / GATE.effect) ** 2
    assert price.greedy_nights == pytest.approx(needed / (len(target) / 2 / 0.3), rel=0.1)
    assert price.greedy_width == pytest.approx(sqrt(1.0 / price.greedy_sample / PLANS))


def test_what_cannot_be_said_is_not_said() -> None:
    values, target = explored(10, floor_share=0.2)
    worthless = price_of(target, np.zeros_like(values))
    assert isnan(worthless.value_lost_share)
    assert worthless.any_nights == inf
    assert worthless.to_json()["any_nights"] is None
    nothing = ClusteredSums.empty(sums_of(target, values).names)
    assert price_policies(nothing, ["served"], PLANS, 1, 0.3, GATE) == {}
    assert price_policies(None, ["served"], PLANS, 1, 0.3, GATE) == {}
