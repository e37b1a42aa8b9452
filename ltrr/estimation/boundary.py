"""Critical values of a statistic that is tested repeatedly while information grows, by numerical integration.

The score S = Z sqrt(I) is a Brownian motion with drift `effect` in the time I. From look to look,
its distribution without the part that crossed is kept as points and masses. Armitage, McPherson &
Rowe, "Repeated Significance Tests on Accumulating Data", JRSS A 1969; Jennison & Turnbull, "Group
Sequential Methods", 2000, ch. 19.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import erfc, inf, isfinite, log, pi, sqrt

import numpy as np

from ltrr.errors import UsageError
from ltrr.estimation.arrays import Floats
from ltrr.estimation.intervals import quantile

LEAST_GROWTH = 0.02
"""Smallest relative growth of information of a look. A night that adds less is no look, and keeps its alpha."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)  # critical values to 1e-9 where information grows by 2 %
_REACH = 7.0
"""Standard deviations below the mean from which the score's distribution is followed."""


def critical_values(information: Sequence[float], spent: Sequence[float]) -> tuple[float, ...]:
    """Critical value of Z at each look; without any difference, Z reaches one by look k with probability spent[k].

    Args:
        information: 1 / standard error^2 at each look.
        spent: Alpha spent by each look, growing.

    The value is infinite without a look: no alpha to spend, or no new information (`LEAST_GROWTH`).
    That alpha is spent at the next look.

    Raises:
        UsageError: The numbers of looks differ, alpha shrinks, or information is not above zero.

    >>> [round(value, 3) for value in critical_values([1.0], [0.025])]
    [1.96]
    >>> [round(value, 3) for value in critical_values([1, 2, 3, 4, 5], [0.01, 0.02, 0.03, 0.04, 0.05])]
    [2.326, 2.219, 2.12, 2.033, 1.956]
    >>> critical_values([1.0, 1.0], [0.01, 0.02])[1]
    inf
    """
    steps = list(zip(information, spent, strict=False))
    is_growing = all(one <= other for one, other in zip((0.0, *spent), spent, strict=False))
    if len(information) != len(spent) or not is_growing or not all(isfinite(i) and i > 0.0 for i in information):
        raise UsageError(
            "looks and spent alpha do not match",
            expected="information above zero and growing alpha, one of each for every look",
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
    """Probability of reaching a critical value by each look if the true difference is `effect`.

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
    """The score's distribution after one more night, without the part that crossed: points and the mass at each."""
    half = max(limit - lowest, 0.0) / 2.0
    nodes = lowest + half * (_NODES + 1.0)
    kernel = np.exp(-0.5 * ((nodes[:, None] - at) / deviation) ** 2) / (deviation * sqrt(2.0 * pi))
    return nodes, half * _WEIGHTS * (kernel @ mass)


def _limit(at: Floats, mass: Floats, deviation: float, chance: float, start: float) -> float:
    """Score that is exceeded with this probability. Newton's method on the concave log tail always converges."""
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
