"""SLOPE: the choice of M, at which weights are cut, by comparing estimates.

Estimates 1, 2, ... are ordered by M, largest first, so bias grows and variance shrinks. Let c_i be
half the width of the i-th interval. Estimate i is acceptable if for every j before it

    |theta_i - theta_j| <= c_i + (sqrt(6) - 1) c_j.

The chosen estimate is the last one before the first that is not acceptable. Su, Srinath &
Krishnamurthy, "Adaptive Estimator Selection for Off-Policy Evaluation", ICML 2020 (SLOPE); Tucker &
Lee, "Improved Estimator Selection for Off-Policy Evaluation", 2021 (SLOPE++: the narrower test used
here).

Its error is at most a constant times that of the best estimate. The interval of the chosen estimate
has no guarantee, because the choice was made on the same data.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from ltrr.estimation.intervals import Estimate

GRID = (1024.0, 256.0, 64.0, 16.0, 4.0)
"""Values of M, the least biased first."""

_LEVEL = 0.05
_EARLIER_FACTOR = sqrt(6.0) - 1.0


def choose_by_slope(estimates: Sequence[Estimate]) -> int:
    """Position of the chosen estimate.

    It is 0, the least biased, if the second estimate has no interval or does not agree.

    Args:
        estimates: At least one. Bias grows and variance shrinks from the first to the last.

    >>> far = Estimate(0.2, 0.005)
    >>> choose_by_slope([Estimate(0.50, 0.10), Estimate(0.48, 0.03), Estimate(0.45, 0.01), far])
    2
    >>> choose_by_slope([Estimate(0.50, 0.01), Estimate(0.2, 0.01)])
    0
    """
    confidence = 1.0 - _LEVEL / (2.0 * len(estimates))
    widths = [estimate.high(confidence) - estimate.value for estimate in estimates]
    taken = 0
    for place in range(1, len(estimates)):
        agrees = all(
            abs(estimates[place].value - estimates[before].value) <= widths[place] + _EARLIER_FACTOR * widths[before]
            for before in range(place)
        )
        if not agrees:
            break
        taken = place
    return taken
