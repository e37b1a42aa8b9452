"""The smallest first exploration that reaches a verdict: share of the users, and floor.

**Share.** A canary's users are compared with those of the static page. With the standard error e of
the mean reward of all users over M nights, the difference at the share s has the information
s (1 - s) M / (e^2 M^2) a night. The boundary and the power of the gate give the nights until a true
gain of its `effect` is promoted (`publishing.traffic`). The smallest share that needs at most N
nights is proposed.

**Floor.** The floor is the price of being able to judge *other* plans on the canary's log later.
The smallest floor is proposed at which a challenger with the exploration of the settings has a
verdict within N nights on the canary's searches. With s^2 = E[(r - q)^2] and the weights w of the
challenger, its difference has the variance s^2 (E[w^2] - 1) per search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, inf, isfinite, sqrt
from typing import Any

from ltrr.estimation.intervals import Estimate, estimate_ratio
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sequential import nights_to_verdict
from ltrr.evaluation.scoring import N
from ltrr.publishing.settings import GateSettings
from ltrr.shadow.gain import ShadowGain, report_gain
from ltrr.shadow.settings import ShadowSettings
from ltrr.shadow.terms import floor_term

_SHARE_STEPS = 1_000
"""Shares are proposed in thousandths."""
_EFFECT_STEPS = 1_000
"""Gains that a canary is planned for are thousandths, too."""


@dataclass(frozen=True)
class FloorPrice:
    """Price and use of one floor of exploration on a canary of the proposed share.

    Attributes:
        floor: Share of the probability that is spread over all plans.
        value: Predicted value of the policy as served, relative to the smallest floor.
        challenger_nights: Nights until a challenger with the exploration of the settings has a
            verdict on a gain of the gate's effect; inf if it has none within its life.
        any_nights: The same for a challenger that takes any one plan.
    """

    floor: float
    value: float
    challenger_nights: float
    any_nights: float


@dataclass(frozen=True)
class Ramp:
    """The proposed first canary.

    Attributes:
        nights: Number of nights within which the verdict is wanted.
        effect: Gain that is detected, relative to the static page: the gate's, or a larger one
            where the traffic is too low for that.
        gate_effect: The gate's.
        power: Probability of the detection.
        share: Share of the users; None if even the largest share is not enough.
        nights_needed: Nights until the verdict at that share, or at the largest share.
        searches_a_night: Searches of all users a night.
        searches_needed: Searches a night that the largest share needs to detect the gate's effect
            within N nights.
        floor: The smallest floor that lets challengers be judged; None if no floor of the settings
            does.
        prices: Price and use of every floor.
    """

    nights: int
    effect: float
    gate_effect: float
    power: float
    share: float | None
    nights_needed: float
    searches_a_night: float
    searches_needed: float
    floor: float | None
    prices: tuple[FloorPrice, ...]

    @property
    def used_floor(self) -> float:
        """Floor of the proposed canary.

        If no floor lets challengers be judged, a floor is only a cost: it is the smallest one.
        """
        return self.prices[0].floor if self.floor is None else self.floor

    def to_json(self) -> dict[str, Any]:
        """Plain values; infinite numbers are null."""
        plain = asdict(self) | {"prices": [asdict(price) for price in self.prices]}
        return {name: _finite(value) for name, value in plain.items()}


def propose_canary(
    sums: ClusteredSums, dates: int, nights: int, gate: GateSettings, settings: ShadowSettings, confidence: float
) -> tuple[Ramp, ShadowGain]:
    """The smallest exploration that reaches a verdict, and the predicted gain at its floor.

    If the traffic is too low for a gain of the gate's effect, but the predicted gain is larger, the
    canary is planned for the lower end of the prediction. If that is too small, it is planned for
    the smallest gain that the largest share detects, unless the prediction is smaller still.
    """
    ramp = propose_ramp(sums, dates, nights, gate, settings)
    gain = _gain_of(sums, ramp, gate, settings, confidence)
    if ramp.share is None and gain.low > gate.effect:
        ramp = propose_ramp(sums, dates, nights, gate, settings, gain.low)
        gain = _gain_of(sums, ramp, gate, settings, confidence)
    if ramp.share is None:
        reward = estimate_ratio(sums, "reward", N)
        detected = smallest_effect(reward, dates, nights, gate, settings.largest_share)
        if detected <= gain.gain:
            ramp = propose_ramp(sums, dates, nights, gate, settings, detected)
            gain = _gain_of(sums, ramp, gate, settings, confidence)
    return ramp, gain


def _gain_of(
    sums: ClusteredSums, ramp: Ramp, gate: GateSettings, settings: ShadowSettings, confidence: float
) -> ShadowGain:
    place = settings.floors.index(ramp.used_floor)
    return report_gain(sums, place, settings.sensitivity, confidence, gate.least_users)


def propose_ramp(
    sums: ClusteredSums,
    dates: int,
    nights: int,
    gate: GateSettings,
    settings: ShadowSettings,
    effect: float | None = None,
) -> Ramp:
    """The smallest exploration that reaches a verdict within some nights.

    Args:
        sums: Sums of all searches by user (`shadow.terms`).
        dates: Number of dates in the sums.
        nights: Number of nights within which the verdict is wanted, at most the gate's life.
        gate: Boundary, effect and power.
        settings: Floors, and the largest share.
        effect: Gain of the canary that is detected; by default the gate's. Challengers are always
            judged on the gate's.
    """
    of_canary = gate if effect is None else replace(gate, effect=effect)
    reward = estimate_ratio(sums, "reward", N)
    searches = sums.total(N) / dates
    share = find_share(reward, dates, nights, of_canary, settings.largest_share)
    used = settings.largest_share if share is None else share
    prices = _price_floors(sums, searches * used, gate, settings.floors)
    floor = next((price.floor for price in prices if price.challenger_nights <= nights), None)
    return Ramp(
        nights=nights,
        effect=of_canary.effect,
        gate_effect=gate.effect,
        power=gate.power,
        share=share,
        nights_needed=canary_nights(reward, dates, used, of_canary),
        searches_a_night=searches,
        searches_needed=_needed_searches(reward, dates, searches, nights, gate, settings.largest_share),
        floor=floor,
        prices=prices,
    )


def find_share(reward: Estimate, dates: int, nights: int, gate: GateSettings, largest: float) -> float | None:
    """The smallest share, in thousandths, whose canary has a verdict within these nights.

    >>> share = find_share(Estimate(0.5, 0.0008), 14, 14, GateSettings(), 0.5)
    >>> share, canary_nights(Estimate(0.5, 0.0008), 14, share, GateSettings())
    (0.076, 14)
    >>> find_share(Estimate(0.5, 0.02), 14, 14, GateSettings(), 0.5) is None
    True
    """
    low, high = 0, int(largest * _SHARE_STEPS)
    if not canary_nights(reward, dates, high / _SHARE_STEPS, gate) <= nights:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if canary_nights(reward, dates, middle / _SHARE_STEPS, gate) <= nights:
            high = middle
        else:
            low = middle
    return high / _SHARE_STEPS


def smallest_effect(reward: Estimate, dates: int, nights: int, gate: GateSettings, share: float) -> float:
    """The smallest gain, in thousandths, that the share detects within these nights; inf above 1.

    >>> gate, reward = GateSettings(), Estimate(0.5, 0.004)
    >>> effect = smallest_effect(reward, 14, 14, gate, 0.5)
    >>> effect, find_share(reward, 14, 14, replace(gate, effect=effect), 0.5)
    (0.053, 0.466)
    >>> find_share(reward, 14, 14, replace(gate, effect=effect - 0.001), 0.5) is None
    True
    >>> smallest_effect(Estimate(0.5, 0.2), 14, 14, gate, 0.5)
    inf
    """
    low, high = 0, _EFFECT_STEPS

    def is_detected(steps: int) -> bool:
        return canary_nights(reward, dates, share, replace(gate, effect=steps / _EFFECT_STEPS)) <= nights

    if not is_detected(high):
        return inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_detected(middle) else (middle, high)
    return high / _EFFECT_STEPS


def canary_nights(reward: Estimate, dates: int, share: float, gate: GateSettings) -> float:
    """Nights until a canary with a true gain of the gate's effect is promoted; inf beyond its life.

    Args:
        reward: Mean reward of all users, with its standard error by user.
        dates: Number of dates of the reward.
        share: Share of the users that the canary serves.
        gate: Boundary, effect and power.
    """
    if not (reward.is_defined and reward.value > 0.0 and 0.0 < reward.standard_error < inf):
        return inf
    information = share * (1.0 - share) / (reward.standard_error**2 * dates)
    return nights_to_verdict(gate, gate.share, information, gate.effect * reward.value, gate.power)


def _needed_searches(
    reward: Estimate, dates: int, searches: float, nights: int, gate: GateSettings, share: float
) -> float:
    """Searches of all users a night with which the share has a verdict within the nights.

    The information of a night grows with its searches, if users are alike.
    """
    if not (reward.is_defined and reward.value > 0.0 and reward.standard_error > 0.0):
        return inf
    low, high = 0.0, 1.0
    while canary_nights(_scaled(reward, high), dates, share, gate) > nights:
        high *= 2.0
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (
            (low, middle) if canary_nights(_scaled(reward, middle), dates, share, gate) <= nights else (middle, high)
        )
    return ceil(searches * high)


def _scaled(reward: Estimate, traffic: float) -> Estimate:
    """The estimate with this multiple of the traffic."""
    return Estimate(reward.value, reward.standard_error / sqrt(traffic)) if traffic else Estimate(reward.value, inf)


def _price_floors(
    sums: ClusteredSums, searches: float, gate: GateSettings, floors: Sequence[float]
) -> tuple[FloorPrice, ...]:
    """Prices of the floors on a canary with this number of searches a night."""
    count, reward, noise = sums.total(N), sums.total("reward") / sums.total(N), _residual_variance(sums)
    smallest = sums.total(floor_term(0, "policy"))

    def nights(rarity: float) -> float:
        if reward <= 0.0 or searches <= 0.0:
            return inf
        variance = noise * max(rarity - 1.0, 0.0)
        if variance <= 0.0:
            return 1.0
        return nights_to_verdict(gate, gate.share, searches / variance, gate.effect * reward, gate.power)

    found = []
    for place, floor in enumerate(floors):
        value = sums.total(floor_term(place, "policy")) / smallest if smallest > 0.0 else inf
        challenger, any_plan = (sums.total(floor_term(place, name)) / count for name in ("rarity", "any_rarity"))
        found.append(FloorPrice(floor, value, nights(challenger), nights(any_plan)))
    return tuple(found)


def _residual_variance(sums: ClusteredSums) -> float:
    """Mean squared residual of reward - b value, b the ratio of their sums."""
    static = sums.total("static")
    if static <= 0.0:
        return sums.total("reward_squared") / sums.total(N)
    scale = sums.total("reward") / static
    squares = sums.total("reward_squared") - 2.0 * scale * sums.total("reward_static")
    return max(squares + scale**2 * sums.total("static_squared"), 0.0) / sums.total(N)


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [{name: _finite(one) for name, one in entry.items()} for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
