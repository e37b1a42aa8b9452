"""Examination by position: the mathematics of the position-based model, per pair and per curve.

The model is P(click) = examination[position] * attractiveness[pair]. A pair is one entity for one
query on one surface. Clicks and impressions are counted per pair and position. With Poisson counts,
both halves of the EM cycle have closed forms. Given the curve, the attractiveness of a pair is
clicks / sum(impressions * examination). Given the attractiveness, examination[j] is multiplied by
clicks at j / expected clicks at j. Two facts are the reason for this form:

- Its estimating equation, sum over pairs of (clicks - expected clicks) = 0, has mean zero for
  Bernoulli clicks too, for any number of impressions of a pair. The Bernoulli form with one free
  attractiveness per pair is biased for few impressions: with pairs seen once at each of two
  positions, attractiveness .5 and examination .5, its maximum lies at .40, not .5 (Neyman & Scott,
  "Consistent Estimates Based on Partially Consistent Observations", 1948).
- A pair without clicks, or seen at one position only, adds exactly 0, so only linking pairs are
  needed.

Known weakness: the position of a pair may depend on its own earlier clicks, as it does once a
learned policy serves. Its counts are then not exchangeable, and the estimate has a bias of the
order of one over the impressions of a pair. Positions that exploration changed do not have this
bias, and most linking pairs come from exploration.

EM alone converges linearly, and slowly if few pairs link the positions. A Newton step on the same
likelihood (concave in log examination) replaces the EM step whenever it is small enough.

Wang et al., "Position Bias Estimation for Unbiased Learning to Rank in Personal Search", WSDM 2018
(EM); Agarwal et al., "Estimating Position Bias without Intrusive Interventions", WSDM 2019 (what
identifies positions); Wooldridge, "Distribution-free estimation of some nonlinear panel data
models", J. Econometrics 1999 (the estimating equation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Bools, Floats, Longs

FIXED_POINT_UNIT = 2.0**-20
# Squares of frequent pairs are large: this unit allows sums up to 3.6e16, and its rounding is far
# below one click.
SCATTER_UNIT = 2.0**-8
# A Newton step changes no position by more than a factor of e: a longer step leaves the region
# where it is valid.
LONGEST_NEWTON_STEP = 1.0


def to_fixed_point(values: Floats, unit: float = FIXED_POINT_UNIT) -> Longs:
    """Round values to whole numbers of `unit`, so that their sum is the same in any order.

    >>> to_fixed_point(np.array([1.0, 0.5, 3.0])).tolist()
    [1048576, 524288, 3145728]
    """
    return np.rint(values / unit).astype(np.int64)


def prior_curve(positions: int, exponent: float) -> Floats:
    """Examination without data: position ** -exponent, relative to position 1.

    Joachims et al., "Unbiased Learning-to-Rank with Biased Feedback", WSDM 2017, use exponent 1.

    >>> prior_curve(4, 1.0).tolist()
    [1.0, 0.5, 0.3333333333333333, 0.25]
    """
    return np.arange(1, positions + 1, dtype=np.float64) ** -exponent


@dataclass(frozen=True)
class CurveSums:
    """Sums of one pass over pairs, for one curve of J positions.

    `+` joins disjoint sets of pairs exactly.

    Attributes:
        clicks: [J] number of clicks, fixed point.
        expected: [J] expected clicks given the curve and each pair's own clicks, fixed point.
        information: [J, J] minus the second derivative of the log-likelihood in log examination,
            fixed point.
        scatter: [J, J] sum over pairs of the outer product of (clicks - expected), whole numbers of
            2^-8.
        links: [J, J] number of pairs seen at both positions.
    """

    clicks: Longs
    expected: Longs
    information: Longs
    scatter: Longs
    links: Longs

    @classmethod
    def of(cls, impressions: Floats, clicks: Floats, curve: Floats) -> CurveSums:
        """Sums over pairs.

        Args:
            impressions: [pairs, J] number of impressions of the pair at each position.
            clicks: [pairs, J] number of its clicks there.
            curve: [J] examination, above 0.

        >>> shown, clicked = np.array([[10.0, 10.0]]), np.array([[4.0, 2.0]])
        >>> sums = CurveSums.of(shown, clicked, np.array([1.0, 0.5]))
        >>> (sums.expected * FIXED_POINT_UNIT).tolist(), sums.links.tolist()
        ([4.0, 2.0], [[1, 1], [1, 1]])
        """
        positions = curve.size
        exposure = impressions * curve
        # Column by column: the sum of a row must not depend on the number of rows in its batch.
        total_exposure = np.zeros(len(impressions))
        total_clicks = np.zeros(len(impressions))
        for j in range(positions):
            total_exposure += exposure[:, j]
            total_clicks += clicks[:, j]
        share = exposure / np.where(total_exposure > 0, total_exposure, 1.0)[:, None]
        expected = total_clicks[:, None] * share
        residual = clicks - expected
        seen = impressions > 0
        information = np.zeros((positions, positions), dtype=np.int64)
        scatter = np.zeros_like(information)
        links = np.zeros_like(information)
        for j in range(positions):
            for k in range(j, positions):
                curvature = (expected[:, j] if j == k else 0.0) - expected[:, j] * share[:, k]
                information[j, k] = information[k, j] = to_fixed_point(curvature).sum()
                squares = to_fixed_point(residual[:, j] * residual[:, k], SCATTER_UNIT)
                scatter[j, k] = scatter[k, j] = squares.sum()
                links[j, k] = links[k, j] = np.count_nonzero(seen[:, j] & seen[:, k])
        return cls(
            to_fixed_point(clicks).sum(axis=0), to_fixed_point(expected).sum(axis=0), information, scatter, links
        )

    def __add__(self, other: CurveSums) -> CurveSums:
        return CurveSums.of_cells(self.cells() + other.cells())

    def cells(self) -> Longs:
        """All sums in one row of 2 J + 3 J^2 whole numbers, as tasks return them."""
        parts = (self.clicks, self.expected, self.information, self.scatter, self.links)
        return np.concatenate([part.ravel() for part in parts])

    @classmethod
    def of_cells(cls, cells: Longs) -> CurveSums:
        """The inverse of `cells`.

        >>> shown, clicked = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0]])
        >>> sums = CurveSums.of(shown, clicked, np.array([1.0, 0.5]))
        >>> bool((CurveSums.of_cells(sums.cells()).information == sums.information).all())
        True
        """
        positions = round((np.sqrt(1 + 3 * cells.size) - 1) / 3)
        ends = np.cumsum([positions, positions, positions**2, positions**2])
        clicks, expected, *squares = np.split(cells, ends)
        information, scatter, links = (part.reshape(positions, positions) for part in squares)
        return cls(clicks, expected, information, scatter, links)


@dataclass(frozen=True)
class CurvePrior:
    """The prior, as an additional pair in the likelihood.

    The pair has equal impressions at every position and `clicks` clicks in the shape of `curve`. It
    keeps positions with few clicks near the curve. Thousands of clicks make it negligible.
    """

    curve: Floats
    clicks: float

    def _shares(self, curve: Floats) -> tuple[Floats, Floats]:
        return self.curve / self.curve.sum(), curve / curve.sum()

    def residual(self, curve: Floats) -> Floats:
        """[J] clicks of the prior minus those expected under `curve`."""
        seen, expected = self._shares(curve)
        return self.clicks * (seen - expected)

    def expected(self, curve: Floats) -> Floats:
        """[J] clicks of the prior expected under `curve`."""
        return self.clicks * self._shares(curve)[1]

    def information(self, curve: Floats) -> Floats:
        """[J, J] information of the prior."""
        share = self._shares(curve)[1]
        return self.clicks * (np.diag(share) - np.outer(share, share))


def improve_curve(curve: Floats, sums: CurveSums, prior: CurvePrior) -> Floats:
    """Next curve, relative to position 1, from the sums under this one.

    It is the Newton step if that changes no position by more than a factor of e. Otherwise it is
    the EM step, which cannot overshoot.

    >>> prior = CurvePrior(prior_curve(2, 1.0), clicks=1e-6)
    >>> curve = prior.curve
    >>> shown, clicked = np.array([[100.0, 100.0]]), np.array([[40.0, 30.0]])
    >>> for _ in range(6):
    ...     curve = improve_curve(curve, CurveSums.of(shown, clicked, curve), prior)
    >>> curve.round(4).tolist()
    [1.0, 0.75]
    """
    score = (sums.clicks - sums.expected) * FIXED_POINT_UNIT + prior.residual(curve)
    information = sums.information * FIXED_POINT_UNIT + prior.information(curve)
    step = np.zeros_like(curve)
    # Only ratios are identified, so position 1 is fixed.
    step[1:] = np.linalg.solve(information[1:, 1:], score[1:])
    if np.abs(step).max() <= LONGEST_NEWTON_STEP:
        better = curve * np.exp(step)
    else:
        expected = sums.expected * FIXED_POINT_UNIT + prior.expected(curve)
        better = curve * (expected + score) / expected
    relative: Floats = better / better[0]
    return relative


def standard_errors(curve: Floats, sums: CurveSums, prior: CurvePrior) -> Floats:
    """[J] standard errors of examination relative to position 1; 0 for position 1.

    Sandwich estimator of the observed information around the scatter of the pairs' scores; pairs
    are independent. It is correct for Bernoulli clicks although the likelihood is Poisson. The
    delta method converts it from log examination.

    >>> shown = np.tile([100.0, 100.0], (50, 1))
    >>> clicked = np.tile([[40.0, 20.0], [60.0, 30.0]], (25, 1))
    >>> sums = CurveSums.of(shown, clicked, np.array([1.0, 0.5]))
    >>> standard_errors(np.array([1.0, 0.5]), sums, CurvePrior(prior_curve(2, 1.0), 1.0)).tolist()
    [0.0, 0.0]
    """
    information = sums.information * FIXED_POINT_UNIT + prior.information(curve)
    inverse = np.linalg.inv(information[1:, 1:])
    variance = inverse @ (sums.scatter[1:, 1:] * SCATTER_UNIT) @ inverse
    errors = np.zeros_like(curve)
    errors[1:] = curve[1:] * np.sqrt(np.diag(variance).clip(min=0.0))
    return errors


def linked_positions(links: Longs, fewest_pairs: int) -> Bools:
    """[J] whether pairs that were seen at several positions link a position to position 1.

    Two positions are linked directly if at least `fewest_pairs` pairs were seen at both. Position 1
    is linked if any other position is.

    >>> links = np.array([[9, 3, 0, 0], [3, 9, 0, 0], [0, 0, 9, 4], [0, 0, 4, 9]])
    >>> linked_positions(links, 2).tolist(), linked_positions(links, 5).tolist()
    ([True, True, False, False], [False, False, False, False])
    """
    tied = links >= fewest_pairs
    reached = np.zeros(len(links), dtype=np.bool_)
    frontier = [0]
    while frontier:
        at = frontier.pop()
        for j in np.flatnonzero(tied[at] & ~reached):
            reached[j] = True
            if j != at:
                frontier.append(int(j))
    reached[0] = bool(reached[1:].any())
    return reached


def extend_curve(curve: Floats, known: Bools, prior: Floats) -> Floats:
    """Curve with unknown positions filled in.

    They continue in the shape of the prior from the nearest known position before them.

    >>> known = np.array([True, True, False, False])
    >>> extend_curve(np.array([1.0, 0.8, 0.1, 0.1]), known, prior_curve(4, 1.0)).round(3).tolist()
    [1.0, 0.8, 0.533, 0.4]
    """
    anchors = np.maximum.accumulate(np.where(known, np.arange(curve.size), 0))
    continued: Floats = np.where(known, curve, np.where(known, curve, 1.0)[anchors] * prior / prior[anchors])
    return continued
