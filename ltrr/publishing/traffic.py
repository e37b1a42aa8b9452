"""How much traffic a verdict needs: printed with every verdict, because how long it will take is part of it.

A gain of `effect` (relative to the champion) is seen with probability `power` at one-sided level a when the standard
error is effect / (z[1-a] + z[power]), that is with n = ((z[1-a] + z[power]) s / effect)^2 judged impressions, s being
the standard deviation of an impression's difference over the champion's value, users' agreement with themselves
included.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, sqrt

from ltrr.core.intervals import Estimate, quantile
from ltrr.publishing.settings import GateSettings


@dataclass(frozen=True)
class Traffic:
    """What this log can decide.

    Attributes:
        spread: s.
        impressions_a_night: of all users, to see the effect of interest within the patience; inf where undefined.
        nights_at_this_difference: more nights like these until the difference that is seen now would be decided; 0
            where it is, inf where there is no gain to decide.
    """

    spread: float
    impressions_a_night: float
    nights_at_this_difference: float


def estimate_traffic(
    difference: Estimate,
    champion_value: float,
    impressions: int,
    nights: int,
    held_out_share: float,
    gate: GateSettings,
) -> Traffic:
    """The traffic figure from one paired difference.

    Args:
        difference: challenger minus champion, reward an impression.
        champion_value: reward an impression.
        impressions: judged on, of held-out users.
        nights: closed dates they come from.
        held_out_share: of the users, 0..1.
        gate: level, power and effect of interest.

    >>> seen = Estimate(0.06, 0.03)
    >>> traffic = estimate_traffic(seen, 0.6, impressions=6_000, nights=1, held_out_share=0.3, gate=GateSettings())
    >>> round(traffic.spread, 2), round(traffic.impressions_a_night), traffic.nights_at_this_difference
    (3.87, 141831, 3)
    """
    if not difference.is_defined or champion_value <= 0.0 or impressions == 0 or nights == 0:
        return Traffic(inf, inf, inf)
    spread = difference.standard_error * sqrt(impressions) / champion_value
    factor = quantile(1.0 - gate.level) + quantile(gate.power)
    needed = (factor * spread / gate.effect_of_interest) ** 2
    gain = difference.value / champion_value
    if gain <= 0.0:
        more = inf
    else:
        missing = (factor * spread / gain) ** 2 - impressions
        more = max(0, ceil(missing / (impressions / nights)))
    return Traffic(spread, needed / gate.patience_nights / held_out_share, more)
