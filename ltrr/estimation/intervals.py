"""Intervals of ratios of clustered sums, and of differences of two ratios on the same users.

Let a_u and b_u be the sums of user u. The ratio theta = sum(a) / sum(b) has the influence psi_u =
(a_u - theta b_u) / sum(b), and

    Var(theta) = U / (U - 1) * sum over users of psi_u^2,
    interval   = theta -+ t * sqrt(Var).

t is Student's quantile, with the degrees of freedom of `degrees_of_freedom`. If a few users with
large sums dominate the spread, the standard error is as imprecise as that of a small sample. With
many users t is the normal quantile.

A difference of two estimates on the same users has the influence psi_u - psi'_u. Effects that both
share (an active user, an easy query) cancel. So the difference is far more precise than the two
intervals suggest. Cochran, "Sampling Techniques", 1977, ch. 6 (ratio estimates); Deng et al.,
"Applying the Delta Method in Metric Analytics", KDD 2018.

The coverage of 95 % intervals depends on the evidence R (docs/studies/coverage.md). It is 93.5-96.5
% for R >= 100 and at least 92 % for R >= 50. Below 20 the interval must not be used. With rare
rewards most misses are intervals below the true value. So a lower bound is safe, and an upper bound
needs R >= 100.

`bernstein_ratio` is valid for any number of users. It is wider, and needs a bound that is known in
advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isinf, isnan, log, nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ltrr.arrays import Floats
from ltrr.errors import UsageError
from ltrr.estimation.moments import ClusteredSums

DEGREES_PER_TAIL_EVIDENCE = 1.25
"""Degrees of freedom as a multiple of the tail evidence.

Satterthwaite's rule gives 2. But a log often lacks its largest weights, so its tail evidence is too
large. The value comes from the coverage study, seeds 1 to 4 (docs/studies/coverage.md)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error.

    Both are NaN if the denominator is zero. The standard error is also NaN with fewer than two
    clusters.

    Attributes:
        value: The estimate.
        standard_error: Its standard error, in the same unit.
        degrees: Degrees of freedom of the standard error; infinite if it is taken as known.

    >>> round(Estimate(0.5, 0.1).low(0.975), 3), round(Estimate(0.5, 0.1).high(0.975), 3)
    (0.304, 0.696)
    >>> round(Estimate(0.5, 0.1, degrees=10.0).low(0.975), 3)
    0.277
    """

    value: float
    standard_error: float
    degrees: float = inf

    def low(self, confidence: float) -> float:
        """One-sided lower bound of this confidence; 0.975 for a 95 % interval."""
        return self.value - quantile(confidence, self.degrees) * self.standard_error

    def high(self, confidence: float) -> float:
        """One-sided upper bound of this confidence."""
        return self.value + quantile(confidence, self.degrees) * self.standard_error

    @property
    def is_defined(self) -> bool:
        """Whether an interval exists."""
        return not (isnan(self.value) or isnan(self.standard_error))


UNDEFINED = Estimate(nan, nan)


def quantile(confidence: float, degrees: float = inf) -> float:
    """Quantile of Student's distribution, or of the normal one for infinite degrees of freedom.

    >>> [round(value, 3) for value in (quantile(0.975), quantile(0.999), quantile(0.975, 20.0))]
    [1.96, 3.09, 2.086]
    """
    return NormalDist().inv_cdf(confidence) if isinf(degrees) else float(stdtrit(degrees, confidence))


def degrees_of_freedom(sums: ClusteredSums, rewards: str) -> float:
    """Degrees of freedom of the standard error of an estimate, from the users' weighted rewards.

    The variance estimated from U terms with kurtosis k is as precise as one with 2 U / (k - 1)
    normal degrees of freedom (Satterthwaite, "An Approximate Distribution of Estimates of Variance
    Components", Biometrics 1946). U / k is the tail evidence. The result is
    `DEGREES_PER_TAIL_EVIDENCE` x tail evidence, at least 1 and at most U - 1; NaN without any
    reward.

    Args:
        sums: Sums by user.
        rewards: Name of the term of weighted rewards.

    >>> users = [str(user) for user in range(40)]
    >>> even = ClusteredSums.of({"wr": [1.0] * 40}, users, tails=["wr"])
    >>> heavy = ClusteredSums.of({"wr": [1.0] * 39 + [9.0]}, users, tails=["wr"])
    >>> degrees_of_freedom(even, "wr"), round(degrees_of_freedom(heavy, "wr"), 2)
    (39.0, 2.73)
    """
    tail = sums.tail_evidence(rewards)
    return nan if isnan(tail) else max(1.0, min(DEGREES_PER_TAIL_EVIDENCE * tail, sums.clusters - 1.0))


def estimate_ratio(sums: ClusteredSums, numerator: str, denominator: str) -> Estimate:
    """sum(numerator) / sum(denominator), with its cluster-robust standard error.

    >>> terms = {"r": [1.0, 0.0, 1.0, 1.0], "n": [1, 1, 1, 1]}
    >>> sums = ClusteredSums.of(terms, clusters=["a", "b", "c", "d"])
    >>> estimate_ratio(sums, "r", "n")
    Estimate(value=0.75, standard_error=0.25, degrees=inf)
    """
    return _estimate(sums, {(numerator, denominator): 1})


def estimate_sum(sums: ClusteredSums, ratios: Sequence[tuple[str, str]]) -> Estimate:
    """Sum of ratios, each (numerator, denominator), with the standard error of the whole.

    >>> terms = {"a": [1.0, 2.0], "b": [1.0, 0.0], "n": [1, 1]}
    >>> sums = ClusteredSums.of(terms, clusters=["u1", "u2"])
    >>> estimate_sum(sums, [("a", "n"), ("b", "n")])
    Estimate(value=2.0, standard_error=0.0, degrees=inf)
    """
    return _estimate(sums, dict.fromkeys(ratios, 1))


def estimate_difference(sums: ClusteredSums, one: tuple[str, str], other: tuple[str, str]) -> Estimate:
    """Ratio `one` minus ratio `other`, each (numerator, denominator), paired by cluster.

    >>> terms = {"mine": [2.0, 1.0], "theirs": [1.0, 0.0], "n": [1, 1]}
    >>> sums = ClusteredSums.of(terms, clusters=["u1", "u2"])
    >>> estimate_difference(sums, ("mine", "n"), ("theirs", "n"))
    Estimate(value=1.0, standard_error=0.0, degrees=inf)
    """
    if one == other:
        return _estimate(sums, {one: 0})
    return _estimate(sums, {one: 1, other: -1})


def estimate_sum_difference(
    sums: ClusteredSums, ones: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]]
) -> Estimate:
    """Sum of some ratios minus the sum of others, paired by cluster; common ratios cancel.

    >>> terms = {"a": [1.0, 2.0], "b": [1.0, 0.0], "n": [1, 1]}
    >>> sums = ClusteredSums.of(terms, clusters=["u1", "u2"])
    >>> estimate_sum_difference(sums, [("a", "n"), ("b", "n")], [("b", "n")])
    Estimate(value=1.5, standard_error=0.5, degrees=inf)
    """
    signs = {ratio: ones.count(ratio) - others.count(ratio) for ratio in (*ones, *others)}
    return _estimate(sums, {ratio: sign for ratio, sign in signs.items() if sign})


def bernstein_ratio(
    sums: ClusteredSums,
    numerator: str,
    denominator: str,
    *,
    widest: float,
    confidence: float,
    rewards: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Empirical Bernstein interval of a ratio, two-sided, valid for any number of users.

    At the true value t, x_u = a_u - t b_u has mean zero. Let V be the sample variance of the x_u of
    U users, and L = log(4 / (1 - confidence)). With probability `confidence`

        |mean of x_u| <= sqrt(2 V L / U) + 7 widest L / (3 (U - 1)).

    The interval is every t for which this is true. It assumes independent users, but neither
    normality nor a minimum number of events. Maurer & Pontil, "Empirical Bernstein Bounds", COLT
    2009, theorem 4, on both sides.

    Args:
        sums: Sums by user, with both terms.
        numerator: Name of the term w r.
        denominator: Name of the term w (snips), or of ones (ips).
        widest: Width of the range of x_u: largest weight x width of the rewards' range (for ips,
            from zero) x largest number of a user's decisions. It must follow from the *design* (1 /
            least logging propensity, a cap on decisions), not from observed values.
        confidence: Confidence of both sides together.
        rewards: Smallest and largest possible reward; the interval lies between them.

    Raises:
        UsageError: `widest` is not above zero.

    >>> terms = {"wr": [1.0, 0.0] * 2_000, "w": [1.0] * 4_000}
    >>> sums = ClusteredSums.of(terms, [str(user) for user in range(4_000)])
    >>> [round(end, 4) for end in bernstein_ratio(sums, "wr", "w", widest=1.0, confidence=0.95)]
    [0.474, 0.526]
    """
    if not widest > 0.0:
        raise UsageError(
            "the largest width of a cluster's range is not above zero", which="widest", expected="> 0", got=str(widest)
        )
    users, length = sums.clusters, log(4.0 / (1.0 - confidence))
    if users < 2:
        return rewards
    low, high = bounds_by_inversion(
        *_ratio_moments(sums, numerator, denominator),
        slope=sqrt(2.0 * length / users),
        offset=7.0 * widest * length / (3.0 * (users - 1)),
        rewards=rewards,
    )
    return float(low), float(high)


def bounds_by_inversion(
    a: ArrayLike,
    b: ArrayLike,
    a_squared: ArrayLike,
    a_b: ArrayLike,
    b_squared: ArrayLike,
    *,
    slope: ArrayLike,
    offset: ArrayLike,
    rewards: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Smallest and largest t in the range of rewards with |a - t b| <= slope sqrt(V(t)) + offset.

    V(t) = a_squared - 2 t a_b + t^2 b_squared. a and b are the means of two terms per cluster, b >
    0. The squares and the product are their variances and covariance. Arrays give one interval for
    each element. With offset 0 and slope z / sqrt(U) it is Fieller's interval. It is the whole
    range if b does not differ significantly from zero.

    >>> low, high = bounds_by_inversion(
    ...     0.5, 1.0, 0.25, 0.0, 0.0, slope=0.1, offset=0.01, rewards=(0.0, 1.0)
    ... )
    >>> float(low.round(6)), float(high.round(6))
    (0.44, 0.56)
    """
    a, b, aa, ab, bb, slope = (
        np.asarray(values, dtype=np.float64) for values in (a, b, a_squared, a_b, b_squared, slope)
    )
    leading = b**2 - slope**2 * bb
    is_bounded = (leading > 0.0) & (b > 0.0)
    ends = []
    for side, end in ((-1.0, rewards[0]), (1.0, rewards[1])):
        # (a + side * offset - t b)^2 = slope^2 V(t): the outermost root on this side.
        shifted = a + side * np.asarray(offset)
        half = shifted * b - slope**2 * ab
        inside = np.maximum(half**2 - leading * (shifted**2 - slope**2 * aa), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            root = (half + side * np.sqrt(inside)) / leading
        ends.append(np.where(is_bounded, np.clip(root, *rewards), end))
    return ends[0], ends[1]


def _ratio_moments(sums: ClusteredSums, numerator: str, denominator: str) -> tuple[float, float, float, float, float]:
    """The first five arguments of `bounds_by_inversion`, from the sums of two terms."""
    pairs = (numerator, numerator), (numerator, denominator), (denominator, denominator)
    first, second, third = (_covariance(sums, *pair) for pair in pairs)
    return sums.total(numerator) / sums.clusters, sums.total(denominator) / sums.clusters, first, second, third


def _covariance(sums: ClusteredSums, one: str, other: str) -> float:
    """Covariance over clusters of two terms, without cancellation."""
    product = sums.exact_product(one, other) - sums.exact_total(one) * sums.exact_total(other) / sums.clusters
    return float(product / (sums.clusters - 1))


def _estimate(sums: ClusteredSums, signs: dict[tuple[str, str], int]) -> Estimate:
    value = Fraction(0)
    influence: dict[str, Fraction] = {}
    for (numerator, denominator), sign in signs.items():
        total = sums.exact_total(denominator)
        if total == 0:
            return UNDEFINED
        ratio = sums.exact_total(numerator) / total
        value += sign * ratio
        influence[numerator] = influence.get(numerator, Fraction(0)) + sign / total
        influence[denominator] = influence.get(denominator, Fraction(0)) - sign * ratio / total
    if sums.clusters < 2:
        return Estimate(float(value), nan)
    # Exact fractions have no cancellation: the variance is never negative.
    variance = sum(
        (
            left * right * sums.exact_product(one, other)
            for one, left in influence.items()
            for other, right in influence.items()
        ),
        Fraction(0),
    )
    return Estimate(float(value), sqrt(variance * sums.clusters / (sums.clusters - 1)))
