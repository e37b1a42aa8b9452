"""The number of nights that a verdict takes at the current traffic, which every verdict reports.

All figures follow from two values: the information per night, 1 / standard error^2 over the judged
nights, and the boundary of the challenger (`estimation.sequential`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

from ltrr.estimation.intervals import Estimate
from ltrr.estimation.sequential import nights_to_verdict, traffic_factor
from ltrr.publishing.settings import GateSettings


@dataclass(frozen=True)
class Traffic:
    """The traffic of a log, and the number of nights that a verdict takes with it.

    Attributes:
        spread: s, the standard deviation of an impression's difference over the champion's value.
            It includes the correlation of impressions of one user.
        impressions_a_night: Number of impressions of all users per night that can be judged on.
        needed_a_night: Impressions per night to detect a gain of `effect` with probability `power`
            within a life; inf if undefined.
        nights: Night of life on which such a gain is promoted with that probability; inf if on no
            night of its life.
        nights_at_this_difference: The same for a gain as large as the observed one.
    """

    spread: float
    impressions_a_night: float
    needed_a_night: float
    nights: float
    nights_at_this_difference: float


UNKNOWN = Traffic(inf, 0.0, inf, inf, inf)


def estimate_traffic(
    difference: Estimate,
    champion_value: float,
    impressions: int,
    nights: int,
    alpha: float,
    gate: GateSettings,
    share: float = 1.0,
) -> Traffic:
    """The traffic figures from one paired difference.

    Args:
        difference: Challenger minus champion, in reward per impression.
        champion_value: Champion's value, in reward per impression.
        impressions: Number of judged impressions.
        nights: Number of closed dates of these impressions.
        alpha: Alpha of the challenger.
        gate: Boundary, effect of interest and power.
        share: Share of users of these impressions; a challenger is judged on all users.

    >>> seen = Estimate(0.06, 0.03)
    >>> traffic = estimate_traffic(seen, 0.6, 6_000, nights=1, alpha=0.01, gate=GateSettings())
    >>> round(traffic.spread, 2), round(traffic.needed_a_night)
    (3.87, 29252)
    >>> traffic.nights, traffic.nights_at_this_difference
    (inf, 5)
    """
    if not (difference.is_defined and difference.standard_error > 0.0 and champion_value > 0.0 and nights):
        return UNKNOWN
    spread = difference.standard_error * sqrt(impressions) / champion_value
    needed = (traffic_factor(gate, alpha, gate.power) * spread / gate.effect) ** 2 / gate.life_nights
    information = difference.standard_error**-2 / nights / share

    def nights_to(gain: float) -> float:
        return nights_to_verdict(gate, alpha, information, gain, gate.power) if gain > 0.0 else inf

    return Traffic(
        spread,
        impressions / nights / share,
        needed,
        nights_to(gate.effect * champion_value),
        nights_to(difference.value),
    )


def traffic_text(traffic: Traffic, gate: GateSettings) -> str:
    """The traffic figures as one sentence.

    >>> seen = Estimate(0.06, 0.03)
    >>> traffic = estimate_traffic(seen, 0.6, 6_000, nights=1, alpha=0.01, gate=GateSettings())
    >>> print(traffic_text(traffic, GateSettings()))
    at this traffic of 6,000 impressions a night a true +2% has no 80% chance of promotion \
within 14 nights (it takes 29,252 a night), a gain as large as the one seen has by night 5
    """
    if traffic.spread == inf:
        return "this log does not yet show how many nights a verdict needs"
    head = f"at this traffic of {traffic.impressions_a_night:,.0f} impressions a night a true {gate.effect:+.0%} has"
    chance = f"{gate.power:.0%} chance of promotion"
    if traffic.nights == inf:
        text = f"{head} no {chance} within {gate.life_nights} nights (it takes {traffic.needed_a_night:,.0f} a night)"
    else:
        text = f"{head} an {chance} by night {traffic.nights:.0f} of its life"
    if traffic.nights_at_this_difference == inf:
        return text
    return f"{text}, a gain as large as the one seen has by night {traffic.nights_at_this_difference:.0f}"
