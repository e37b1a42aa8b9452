"""Regret: what a day's searches would have earned more, had every one, or all alike, been served the best plan.

Measured in true page_reward, of the pages that the served version's own ranker makes, with its own memory. So it is the
regret of choosing plans and of nothing else; a better ranker shows in `truth_table`, not here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltrr.serving.policy import Policy
from ltrr.simulation.policy_value import choices_of, searches_of_traffic
from ltrr.simulation.truth import true_page_rewards
from ltrr.simulation.world import World

Floats = NDArray[np.float64]

_PLACES = 9
"""Sums of the same numbers in another order count as equal: an oracle that is served has no regret, not 1e-17."""


@dataclass(frozen=True)
class Regret:
    """Expected page_reward a search: as served, and of the two that it is held against.

    Attributes:
        served: of the policy as it is served, exploring.
        oracle: of the best plan of every query.
        static: of the one plan that is best for all of them.
        static_plan: that plan.

    >>> Regret(served=0.5, oracle=0.75, static=0.25, static_plan="title:2").over_a_day(1_000)
    (250.0, -250.0)
    """

    served: float
    oracle: float
    static: float
    static_plan: str

    def over_a_day(self, impressions: int) -> tuple[float, float]:
        """Regret of so many searches, page_reward: against the oracle, never negative, and against the static plan."""
        return impressions * (self.oracle - self.served), impressions * (self.static - self.served)


def true_regret(world: World, policy: Policy, *, searches: int = 1_000) -> Regret:
    """What a policy's traffic earns compared with the best plan of every query and the best plan for all.

    Exact over all plans of a sample of searches, the same every night (`searches_of_traffic`). The static plan is the
    best one in hindsight, of these searches and this version's ranker and memory: no plan chosen beforehand is harder
    to beat.

    Args:
        world: whose truth.
        policy: as published.
        searches: how many make up the sample; every plan of each of its queries makes a page.
    """
    queries, counts = searches_of_traffic(world, searches)
    _, served = choices_of(world, policy, queries, None)
    every = np.tile(np.arange(len(policy.space)), (len(queries), 1))
    return regret_of(
        served, true_page_rewards(world, policy, queries, every), counts / counts.sum(), policy.space.texts
    )


def regret_of(served: Floats, rewards: Floats, shares: Floats, plans: tuple[str, ...]) -> Regret:
    """From P(plan) and page_reward of every plan of each query, [n, P], and the queries' shares of the traffic, [n].

    >>> rewards = np.array([[0.8, 0.2], [0.0, 0.4]])
    >>> regret_of(np.full((2, 2), 0.5), rewards, np.array([0.75, 0.25]), ("memory:1", "title:1"))
    Regret(served=0.425, oracle=0.7, static=0.6, static_plan='memory:1')
    """
    of_plans = shares @ rewards
    best = int(of_plans.argmax())
    return Regret(
        served=round(float(shares @ (served * rewards).sum(axis=1)), _PLACES),
        oracle=round(float(shares @ rewards.max(axis=1)), _PLACES),
        static=round(float(of_plans[best]), _PLACES),
        static_plan=plans[best],
    )
