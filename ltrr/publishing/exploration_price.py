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
from ltrr.evaluation.scoring import N, term
from ltrr.publishing.settings import GateSettings

EXPLORATION_PRICE = "exploration_price"
"""Where the night's notes and a manifest's evaluation keep it."""


@dataclass(frozen=True)
class ExplorationPrice:
    """Of one served distribution.

    Attributes:
        value_lost: reward an impression, greedy less served.
        value_lost_share: of what the policy earns as served.
        greedy_sample, any_sample: effective sample for judging such a policy on this one's log, share of impressions.
        greedy_width, any_width: of the interval, over that on a uniform log of the same size.
        greedy_nights, any_nights: until such a policy that gains the gate's effect of interest is promoted with the
            gate's power; users are taken for independent impressions. inf where never.
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
        """As a manifest holds it; what is not a number is null."""
        return {name: value if isfinite(value) else None for name, value in asdict(self).items()}


def price_exploration(
    sums: ClusteredSums, policy: str, plans: int, nights: int, share: float, gate: GateSettings
) -> ExplorationPrice | None:
    """The price from a night's exact sums; None where nothing was judged.

    With s^2 = E[(r - q)^2] under the policy, the difference between a policy that takes plan a and this one has the
    variance s^2 (E[1 / p(a)] - 1) an impression; `traffic_factor` says how many impressions a verdict then takes.

    Args:
        sums: over users (evaluation.scoring).
        policy: whose.
        plans: P.
        nights: closed dates that the sums are of.
        share: of the users that the sums are of, 0..1; a challenger is judged on all.
        gate: boundary, power and effect of interest.
    """
    impressions = round(sums.total(N))
    if not impressions:
        return None
    served, lost, noise, greedy, any_plan = (
        sums.total(term(policy, name)) / impressions for name in ("dr", "lost", "noise", "greedy", "any")
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
    """The price of each policy that explores; nothing where nothing was judged."""
    priced = {
        policy: None if sums is None else price_exploration(sums, policy, plans, nights, share, gate)
        for policy in policies
    }
    return {policy: price for policy, price in priced.items() if price is not None}
