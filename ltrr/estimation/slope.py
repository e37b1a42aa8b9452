"""Choice of the cut of weights: the estimate with the smallest variance that agrees with all less biased ones.

Estimates 1, 2, ... are in the order of growing bias and shrinking spread: M from the largest down.
With c_i the half width of the i-th interval, i is acceptable if for every j before it

    |theta_i - theta_j| <= c_i + (sqrt(6) - 1) c_j,

and the last of the acceptable ones that follow each other from the first is chosen. Su, Srinath &
Krishnamurthy, "Adaptive Estimator Selection for Off-Policy Evaluation", ICML 2020 (SLOPE); Tucker &
Lee, "Improved Estimator Selection for Off-Policy Evaluation", 2021 (SLOPE++: the narrower test used
here).

Its error is at most a constant times that of the best i. The interval of the chosen estimate has no
guarantee, because the choice was made on the same data.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from ltrr.estimation.intervals import Estimate

GRID = (1024.0, 256.0, 64.0, 16.0, 4.0)
"""Values of M, from the least biased down."""

_LEVEL = 0.05
_EARLIER = sqrt(6.0) - 1.0


def choose_by_slope(estimates: Sequence[Estimate]) -> int:
    """Position of the chosen estimate; 0, the least biased, where the second has no interval or does not agree.

    Args:
        estimates: At least one; bias grows and spread shrinks from the first to the last.

    >>> choose_by_slope([Estimate(0.50, 0.10), Estimate(0.48, 0.03), Estimate(0.45, 0.01), Estimate(0.2, 0.005)])
    2
    >>> choose_by_slope([Estimate(0.50, 0.01), Estimate(0.2, 0.01)])
    0
    """
    confidence = 1.0 - _LEVEL / (2.0 * len(estimates))
    widths = [estimate.high(confidence) - estimate.value for estimate in estimates]
    taken = 0
    for place in range(1, len(estimates)):
        agrees = all(
            abs(estimates[place].value - estimates[before].value) <= widths[place] + _EARLIER * widths[before]
            for before in range(place)
        )
        if not agrees:
            break
        taken = place
    return taken
