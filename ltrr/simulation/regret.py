"""Regret: the page_reward that better plans would have added to a day's searches.

It is computed against the best plan of each query (oracle) and against the best static plan. It is
measured in true page_reward of the pages that the served version's own ranker makes, with its own
memory. So it is the regret of the choice of plans only; `truth_table` shows a better ranker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats
from ltrr.serving.policy import Policy
from ltrr.simulation.policy_value import choices_of, searches_of_traffic
from ltrr.simulation.truth import true_page_rewards
from ltrr.simulation.world import World

_PLACES = 9
"""Number of decimals: sums do not depend on their order, and a served oracle has regret 0."""


@dataclass(frozen=True)
class Regret:
    """Expected page_reward of a search: as served, and of the two baselines.

    Attributes:
        served: That of the policy as it is served, with exploration.
        oracle: That of the best plan of every query.
        static: That of the best single plan for all queries.
        static_plan: Best single plan for all queries.

    >>> Regret(served=0.5, oracle=0.75, static=0.25, static_plan="title:2").over_a_day(1_000)
    (250.0, -250.0)
    """

    served: float
    oracle: float
    static: float
    static_plan: str

    def over_a_day(self, impressions: int) -> tuple[float, float]:
        """Regret of `impressions` searches, in page_reward: to oracle (>= 0) and static plan."""
        return impressions * (self.oracle - self.served), impressions * (self.static - self.served)


def true_regret(world: World, policy: Policy, *, searches: int = 1_000) -> Regret:
    """Expected page_reward of a policy's traffic, of the oracle and of the best static plan.

    It is exact over all plans of a sample of searches, the same every night
    (`searches_of_traffic`). The static plan is the best one in hindsight, for these searches and
    this version's ranker and memory. A plan chosen in advance is never better.

    Args:
        world: World with the true relevance.
        policy: Published policy.
        searches: Sample size; every plan of each of its queries makes a page.
    """
    queries, counts = searches_of_traffic(world, searches)
    _, served = choices_of(world, policy, queries, None)
    every = np.tile(np.arange(len(policy.space)), (len(queries), 1))
    return regret_of(
        served, true_page_rewards(world, policy, queries, every), counts / counts.sum(), policy.space.texts
    )


def regret_of(served: Floats, rewards: Floats, shares: Floats, plans: tuple[str, ...]) -> Regret:
    """Regret from the values of all plans.

    Args:
        served: [n, P] P(plan) of each query, as served.
        rewards: [n, P] page_reward of each plan.
        shares: [n] share of each query in the traffic.
        plans: [P] names of the plans.

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
