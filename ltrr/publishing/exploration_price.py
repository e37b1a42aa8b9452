"""The price of exploration, estimated from a night's scan of impressions: its cost and its benefit.

Values come from the judge's reward model, in the reward that the gate decides on. A policy's own
scores cannot be used: they exist for its shortlist only and overestimate the plan that won.

The benefit is reported for two policies that may be judged on the next night. Every other policy
lies between or near them. The *greedy* policy is best supported by a log with little exploration.
The policy that takes *any* plan is not supported by such a log at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf, isfinite, nan, sqrt

from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sequential import traffic_factor
from ltrr.evaluation.scoring import DOUBLY_ROBUST, N, term
from ltrr.publishing.settings import GateSettings

EXPLORATION_PRICE = "exploration_price"
"""Name of the price in the night's notes and in a manifest's evaluation."""


@dataclass(frozen=True)
class ExplorationPrice:
    """The price of exploration of one served distribution.

    Attributes:
        value_lost: Greedy value minus served value, in reward per impression.
        value_lost_share: Lost value as a share of the served value.
        greedy_sample, any_sample: Effective sample size for judging such a policy on this log, as a
            share of impressions.
        greedy_width, any_width: Width of its interval, relative to that on a uniform log of the
            same size.
        greedy_nights, any_nights: Number of nights until such a policy, with a gain of the gate's
            effect of interest, is promoted with the gate's power. Users are treated as independent
            impressions. inf if it is never promoted.
    """

    value_lost: float
    value_lost_share: float
    greedy_sample: float
    greedy_width: float
    greedy_nights: float
    any_sample: float
    any_width: float
    any_nights: float

    def to_json(self) -> dict[str, float | None]:
        """The price as a manifest holds it; undefined and infinite values are null."""
        return {name: value if isfinite(value) else None for name, value in asdict(self).items()}


def price_exploration(
    sums: ClusteredSums, policy: str, plans: int, nights: int, share: float, gate: GateSettings
) -> ExplorationPrice | None:
    """The price from a night's exact sums; None if nothing was judged.

    With s^2 = E[(r - q)^2] under the policy, the difference between a policy that takes plan a and
    this one has the variance s^2 (E[1 / p(a)] - 1) per impression. `traffic_factor` gives the
    number of impressions that a verdict then takes.

    Args:
        sums: Sums over users (evaluation.scoring).
        policy: Name of the policy.
        plans: Number of plans, P.
        nights: Number of closed dates in the sums.
        share: Share of users in the sums, 0..1; a challenger is judged on all users.
        gate: Boundary, power and effect of interest.
    """
    impressions = round(sums.total(N))
    if not impressions:
        return None
    served, lost, noise, greedy, any_plan = (
        sums.total(term(policy, name)) / impressions for name in (DOUBLY_ROBUST, "lost", "noise", "greedy", "any")
    )

    def nights_to_verdict(rarity: float) -> float:
        if served <= 0.0:
            return inf
        spread = sqrt(max(noise, 0.0) * max(rarity - 1.0, 0.0)) / served
        needed = (traffic_factor(gate, gate.share, gate.power) * spread / gate.effect) ** 2
        return needed * nights * share / impressions

    return ExplorationPrice(
        value_lost=lost,
        value_lost_share=lost / served if served > 0.0 else nan,
        greedy_sample=1.0 / greedy,
        greedy_width=sqrt(greedy / plans),
        greedy_nights=nights_to_verdict(greedy),
        any_sample=1.0 / any_plan,
        any_width=sqrt(any_plan / plans),
        any_nights=nights_to_verdict(any_plan),
    )


def price_policies(
    sums: ClusteredSums | None,
    policies: Sequence[str],
    plans: int,
    nights: int,
    share: float,
    gate: GateSettings,
) -> dict[str, ExplorationPrice]:
    """The price of each policy that explores; empty if nothing was judged."""
    priced = {
        policy: None if sums is None else price_exploration(sums, policy, plans, nights, share, gate)
        for policy in policies
    }
    return {policy: price for policy, price in priced.items() if price is not None}
