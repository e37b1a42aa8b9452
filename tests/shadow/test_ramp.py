"""The proposed share has the information that it promises, and more traffic needs less of it."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest

from ltrr.estimation.intervals import Estimate, estimate_ratio
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sequential import nights_to_verdict
from ltrr.publishing.settings import GateSettings
from ltrr.shadow.ramp import canary_nights, find_share

GATE = GateSettings()


def test_the_information_of_a_canary_is_that_of_two_groups_of_users():
    """The error of the difference of both groups, over 2,000 draws of the groups."""
    generator = np.random.default_rng(3)
    users, share = 2_000, 0.2
    searches = generator.integers(1, 9, users)
    rewards = generator.binomial(searches, generator.beta(2.0, 3.0, users))
    whole = estimate_ratio(
        ClusteredSums.of({"r": rewards.tolist(), "n": searches.tolist()}, [str(user) for user in range(users)]),
        *("r", "n"),
    )
    differences = []
    for _ in range(2_000):
        mine = generator.random(users) < share
        differences.append(rewards[mine].sum() / searches[mine].sum() - rewards[~mine].sum() / searches[~mine].sum())
    predicted = whole.standard_error / sqrt(share * (1.0 - share))
    # The standard deviation of 2,000 draws has a relative error of 1.6 %: 8 % are five of them.
    assert np.std(differences) == pytest.approx(predicted, rel=0.08)
    information = share * (1.0 - share) / (whole.standard_error**2 * 7)
    effect = GATE.effect * whole.value
    assert canary_nights(whole, 7, share, GATE) == nights_to_verdict(GATE, GATE.share, information, effect, GATE.power)


def test_shares_shrink_with_traffic_and_grow_with_haste():
    shares = [find_share(Estimate(0.5, error), 14, 14, GATE, 0.5) for error in (0.0015, 0.0010, 0.0005)]
    assert shares == sorted(shares, reverse=True)
    hasty = find_share(Estimate(0.5, 0.0005), 14, 7, GATE, 0.5)
    assert hasty > shares[-1]
    smaller = shares[-1] - 0.001
    assert canary_nights(Estimate(0.5, 0.0005), 14, smaller, GATE) > 14


def test_without_a_reward_there_is_no_share():
    assert find_share(Estimate(0.0, 0.0), 14, 14, GATE, 0.5) is None
    assert canary_nights(Estimate(0.5, inf), 14, 0.5, GATE) == inf
