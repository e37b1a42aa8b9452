"""One sum of a log's propensity check, with its bounds and its power to reveal wrong propensities.

`estimation.calibration` defines the sums, their variance V and Bernstein's bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan, sqrt

from ltrr.estimation.intervals import quantile

JUDGED, UNIFORM = "weights of the judged policy", "weights of the uniform policy"

POWER = 0.99
"""Probability of an alarm from which a log reveals an error."""


@dataclass(frozen=True)
class Finding:
    """One sum together with its bounds.

    Attributes:
        what: `action 3`, or the name of the policy whose weights are summed.
        rows: Number of rows of the log.
        observed, expected: Observed and expected sum over the rows.
        variance: Variance of observed, which accounts for repeated draws of users.
        largest: The most that one independent draw adds.
        squares: Sum of squares of the policy's probabilities.
        is_known: Whether V and the lower bound are known; otherwise there is only an upper bound.
        strictness: L.
    """

    what: str
    rows: int
    observed: float
    expected: float
    variance: float
    largest: float
    squares: float
    is_known: bool
    strictness: float

    @property
    def ratio(self) -> float:
        """Observed over expected; NaN if the expected sum is zero."""
        return self.observed / self.expected if self.expected else nan

    @property
    def excess(self) -> float:
        """Excess of observed over its bound, in rows or weight; 0 without an alarm."""
        distance = self.observed - self.expected
        bound = self._bound(self.variance, self.largest if distance > 0.0 else min(self.largest, 1.0))
        return max(abs(distance) - bound, 0.0) if distance > 0.0 or self.is_known else 0.0

    @property
    def is_weight(self) -> bool:
        """Whether the sum is one of weights; otherwise it counts an action."""
        return self.what in (JUDGED, UNIFORM)

    def reveals(self, share: float, factor: float) -> bool:
        """Whether wrong propensities in a share of the rows raise an alarm with probability POWER.

        The mean of the observed sum is then (1 + share (factor - 1)) E. Let S be the second moment
        of the rows' summands. The variance is (1 + share (factor^2 - 1)) S - mean^2 / n, and for
        the count of an action V (1 + share (factor - 1)).

        Args:
            share: Share of the rows with wrong propensities.
            factor: True / logged propensity in these rows.
        """
        moved = 1.0 + share * (factor - 1.0)
        shift = abs(moved - 1.0) * self.expected
        if not self.is_weight and self.is_known:
            return shift >= self._bound(self.variance, 1.0) + quantile(POWER) * sqrt(self.variance * moved)
        if factor < 1.0 and not self.is_known:
            return False
        effect = self.variance + self.expected**2 / self.rows
        square = (1.0 + share * (factor**2 - 1.0)) * effect
        variance = max(square - (moved * self.expected) ** 2 / self.rows, 0.0)
        # The computed V includes the error too: through the drawn action's share in it, or because
        # it is computed around one instead of the mean.
        if self.is_known:
            seen = self.variance + share * max(factor - 1.0, 0.0) * self.squares
        else:
            seen = variance + (moved - 1.0) ** 2 * self.expected**2 / self.rows
        bound = self._bound(seen, self.largest * factor if factor > 1.0 else min(self.largest, 1.0))
        z = quantile(POWER)
        # Weights are skewed to the right, which hides a mean below one. The Cornish-Fisher term
        # corrects for it, with a third moment of at most `largest` times the variance.
        skew = 0.0 if factor > 1.0 else self.largest * (z**2 - 1.0) / 6.0
        return shift >= bound + z * sqrt(variance) + skew

    def revealed_share(self, factor: float) -> float:
        """Smallest share of rows, wrong by `factor`, that this sum would reveal; NaN if none."""
        return _find_least(lambda share: self.reveals(share, factor), 1.0)

    def revealed_factor(self, *, is_above: bool) -> float:
        """True / logged propensity, the same in all rows, from which this sum would reveal it.

        Args:
            is_above: Whether to find the smallest ratio above one; otherwise the largest below one.

        Returns:
            The ratio; NaN if the sum would reveal none.
        """
        if is_above:
            return 1.0 + _find_least(lambda more: self.reveals(1.0, 1.0 + more), 100.0)
        return 1.0 - _find_least(lambda less: self.reveals(1.0, 1.0 - less), 1.0)

    def _bound(self, variance: float, largest: float) -> float:
        return sqrt(2.0 * variance * self.strictness) + largest * self.strictness / 3.0


def _find_least(is_enough: Callable[[float], bool], most: float) -> float:
    """Smallest x up to `most` for which `is_enough`, to a millionth of x; NaN if `most` is not."""
    if not is_enough(most):
        return nan
    low, high = 0.0, most
    while high - low > 1e-6 * high:
        middle = (low + high) / 2.0
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
