"""Critical values of a statistic that is tested repeatedly while information grows.

The score S = Z sqrt(I) is a Brownian motion with drift `effect` in the time I. Its distribution
without the part that crossed a critical value is computed from look to look by numerical
integration: points and the mass at each. Armitage, McPherson &
Rowe, "Repeated Significance Tests on Accumulating Data", JRSS A 1969; Jennison & Turnbull, "Group
Sequential Methods", 2000, ch. 19.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import erfc, inf, isfinite, log, pi, sqrt

import numpy as np

from ltrr.arrays import Floats
from ltrr.errors import UsageError
from ltrr.estimation.intervals import quantile

LEAST_GROWTH = 0.02
"""Minimum relative growth of information for a look. A night with less growth spends no alpha."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)  # critical values to 1e-9 where information grows by 2 %
_REACH = 7.0
"""Lower end of the integration, in standard deviations below the mean of the score."""


def critical_values(information: Sequence[float], spent: Sequence[float]) -> tuple[float, ...]:
    """Critical value of Z at each look, so that false promotions follow the spent alpha.

    If the true difference is zero, Z reaches a critical value by look k with probability spent[k].
    The value is infinite where no look is taken: no alpha to spend, or no new information
    (`LEAST_GROWTH`). That alpha is spent at the next look.

    Args:
        information: 1 / standard error^2 at each look.
        spent: Cumulative alpha spent by each look; it never decreases.

    Raises:
        UsageError: The numbers of looks differ, alpha decreases, or information is not above zero.

    >>> [round(value, 3) for value in critical_values([1.0], [0.025])]
    [1.96]
    >>> values = critical_values([1, 2, 3, 4, 5], [0.01, 0.02, 0.03, 0.04, 0.05])
    >>> [round(value, 3) for value in values]
    [2.326, 2.219, 2.12, 2.033, 1.956]
    >>> critical_values([1.0, 1.0], [0.01, 0.02])[1]
    inf
    """
    steps = list(zip(information, spent, strict=False))
    is_growing = all(one <= other for one, other in zip((0.0, *spent), spent, strict=False))
    if len(information) != len(spent) or not is_growing or not all(isfinite(i) and i > 0.0 for i in information):
        raise UsageError(
            "the information and the spent alpha of the looks are invalid",
            expected="one of each for every look, information above zero, alpha that never decreases",
            got=f"{list(information)}, {list(spent)}",
        )
    at, mass = np.zeros(1), np.ones(1)
    known, gone, found = 0.0, 0.0, []
    for now, alpha in steps:
        if now - known < LEAST_GROWTH * now or alpha <= gone:
            found.append(inf)
            continue
        deviation = sqrt(now - known)
        limit = _limit(at, mass, deviation, alpha - gone, start=quantile(1.0 - alpha) * sqrt(now))
        at, mass = _advance(at, mass, deviation, -_REACH * sqrt(now), limit)
        found.append(limit / sqrt(now))
        known, gone = now, alpha
    return tuple(found)


def crossing_probabilities(information: Sequence[float], critical: Sequence[float], effect: float) -> tuple[float, ...]:
    """Probability that Z reaches a critical value by each look, if the true difference is `effect`.

    >>> information, spent = [1.0, 2.0, 3.0], [0.01, 0.02, 0.05]
    >>> critical = critical_values(information, spent)
    >>> [round(chance, 6) for chance in crossing_probabilities(information, critical, 0.0)]
    [0.01, 0.02, 0.05]
    >>> round(crossing_probabilities(information, critical, 2.0)[-1], 3)
    0.96
    """
    at, mass, known, chances = np.zeros(1), np.ones(1), 0.0, []
    for now, value in zip(information, critical, strict=True):
        if value == inf:
            chances.append(0.0)
            continue
        deviation, limit = sqrt(now - known), value * sqrt(now)
        moved = at + effect * (now - known)
        chances.append(float(mass @ _upper_tails((limit - moved) / deviation)))
        at, mass = _advance(moved, mass, deviation, effect * now - _REACH * sqrt(now), limit)
        known = now
    return tuple(accumulate(chances))


def upper_tail(z: float) -> float:
    """Upper tail probability of the standard normal distribution.

    >>> round(upper_tail(1.96), 4)
    0.025
    """
    return 0.5 * erfc(z / sqrt(2.0))


def _advance(at: Floats, mass: Floats, deviation: float, lowest: float, limit: float) -> tuple[Floats, Floats]:
    """The score's distribution after one more look, without the part that crossed.

    Returns:
        Points, and the mass at each.
    """
    half = max(limit - lowest, 0.0) / 2.0
    nodes = lowest + half * (_NODES + 1.0)
    kernel = np.exp(-0.5 * ((nodes[:, None] - at) / deviation) ** 2) / (deviation * sqrt(2.0 * pi))
    return nodes, half * _WEIGHTS * (kernel @ mass)


def _limit(at: Floats, mass: Floats, deviation: float, chance: float, start: float) -> float:
    """Score that is exceeded with this probability.

    Newton's method on the logarithm of the tail, which is concave, always converges.
    """
    limit = start
    for _ in range(100):
        scaled = (limit - at) / deviation
        tail = float(mass @ _upper_tails(scaled))
        slope = float(mass @ np.exp(-0.5 * scaled**2)) / (deviation * sqrt(2.0 * pi))
        step = log(tail / chance) * tail / slope
        limit += step
        if abs(step) < 1e-10 * deviation:
            break
    return limit


def _upper_tails(z: Floats) -> Floats:
    return np.array([upper_tail(value) for value in z.tolist()])
