"""Exact sums of logs made draw by draw: `of` some impressions, `+` others, then ask for an estimate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from ltrr.errors import SupportError, UsageError
from ltrr.estimation.draw_estimators import DRAW_ESTIMATORS, DrawEstimator, Draws, draw_terms
from ltrr.estimation.fixed_point import Longs, from_fixed, to_fixed
from ltrr.estimation.intervals import UNDEFINED, Estimate, estimate_difference, estimate_ratio, estimate_sum
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.weights import Floats

WEIGHTS = ("rho", "w")
"""Of these the largest is kept."""


@dataclass(frozen=True)
class DrawMoments:
    """Exact sums over clusters of impressions; `+` joins two disjoint sets of clusters, in any order to the same bits.

    Attributes:
        sums: clustered sums of the terms of `draw_estimators.draw_terms`, or of `estimation.slots`.
        largest: weight -> the largest of one impression, unit 2^-24.

    >>> from ltrr.estimation.draw_orders import DrawWeights
    >>> weights = DrawWeights(np.array([[2.0], [0.5]]), np.array([2.0, 0.5]), np.array([2.0, 0.5]))
    >>> moments = DrawMoments.of(Draws(weights, rewards=np.array([[1.0], [0.0]])))
    >>> moments.estimate("union").value, moments.estimate("sequence_ips").value
    (0.8, 1.0)
    >>> moments.estimate("pi")
    Traceback (most recent call last):
        ...
    ltrr.errors.SupportError: the log does not allow this estimator: pi: expected slots filled independently of each \
other: here what a draw brings depends on the draws before it; ask for sequence_ips, union, union_ips, pdis
    """

    sums: ClusteredSums
    largest: Mapping[str, int]

    @classmethod
    def of(cls, draws: Draws, clusters: Longs | None = None) -> DrawMoments:
        """Of N impressions; all impressions of a cluster must be here. Without clusters each is its own.

        Args:
            draws: N of them.
            clusters: the user of each, any whole number, [N].
        """
        return cls.of_terms(draw_terms(draws), clusters)

    @classmethod
    def of_terms(cls, terms: Mapping[str, Floats], clusters: Longs | None = None) -> DrawMoments:
        """From terms, [N] each.

        Raises:
            DataQualityError: a term is not finite or cannot be summed.
        """
        fixed = {name: to_fixed(values) for name, values in terms.items()}
        rows = np.column_stack(list(fixed.values()))
        largest = {name: int(fixed[name].max(initial=0)) for name in WEIGHTS if name in fixed}
        if clusters is None:
            return cls.of_clusters(tuple(terms), rows, largest)
        codes = np.unique(clusters, return_inverse=True)[1]
        sums = np.zeros((int(codes.max()) + 1 if len(codes) else 0, rows.shape[1]), dtype=np.int64)
        np.add.at(sums, codes, rows)
        return cls.of_clusters(tuple(terms), sums, largest)

    @classmethod
    def of_clusters(cls, names: tuple[str, ...], sums: Longs, largest: Mapping[str, int]) -> DrawMoments:
        """From sums of terms over whole clusters, [U, K], in the order of the names."""
        return cls(ClusteredSums.of_clusters(names, sums), largest)

    def __add__(self, other: DrawMoments) -> DrawMoments:
        return DrawMoments(
            self.sums + other.sums, {name: max(mine, other.largest[name]) for name, mine in self.largest.items()}
        )

    @property
    def allowed(self) -> list[str]:
        """Names of the estimators whose terms are there."""
        return [
            one.name
            for one in DRAW_ESTIMATORS.values()
            if all(term in self.sums.names for ratio in one.ratios for term in ratio)
        ]

    def estimate(self, name: str) -> Estimate:
        """Value and standard error; NaN where a denominator is zero, or an error of fewer than two clusters.

        Raises:
            UsageError: there is no such estimator.
            SupportError: the log, or the models given, lack what it needs.
        """
        return estimate_sum(self.sums, self._estimator(name).ratios)

    def difference(self, one: str, other: str) -> Estimate:
        """One estimator minus another, paired by cluster; both of a single ratio.

        Raises:
            UsageError, SupportError: as `estimate`.
        """
        (mine,), (theirs,) = self._estimator(one).ratios, self._estimator(other).ratios
        return estimate_difference(self.sums, mine, theirs)

    def evidence(self, name: str) -> float:
        """R of an estimator's weighted rewards, by cluster; NaN when nothing was earned, or a model alone given."""
        return self._count(self._estimator(name).rests_on)

    def effective_sample_size(self, name: str) -> float:
        """Impressions that an estimator's weights are worth; NaN without any weight.

        Counted by clusters, and a cluster stands for as many impressions as they have on average. Where each entity has
        a weight of its own: entities, by design (`estimation.inclusion.inclusion_design`), or NaN where that is not
            told.
        """
        one = self._estimator(name)
        if one.weight:
            return self._count(one.weight) * self.impressions / self.sums.clusters if self.sums.clusters else nan
        if one.rests_on == "included" and {"included_mass", "included_squares"} <= set(self.sums.names):
            squares = self.sums.total("included_squares")
            return self.sums.total("included_mass") ** 2 / squares if squares else nan
        return nan

    def mean_weight(self, name: str) -> Estimate:
        """Of an estimator's weights: one in expectation, when the propensities are right; NaN as above."""
        weight = self._estimator(name).weight
        return estimate_ratio(self.sums, weight, "n") if weight else UNDEFINED

    def largest_weight(self, name: str) -> float:
        """Of one impression; NaN without impressions, or as above."""
        weight = self._estimator(name).weight
        return from_fixed(self.largest[weight]) if weight and self.impressions else nan

    @property
    def impressions(self) -> int:
        """How many."""
        return round(self.sums.total("n"))

    def _count(self, term: str) -> float:
        if term not in self.sums.names:
            return nan
        squares = self.sums.product(term, term)
        return self.sums.total(term) ** 2 / squares if squares else nan

    def _estimator(self, name: str) -> DrawEstimator:
        if name not in DRAW_ESTIMATORS:
            raise UsageError("unknown estimator", which=name, expected=", ".join(DRAW_ESTIMATORS))
        if name not in self.allowed:
            raise SupportError(
                "the log does not allow this estimator",
                which=name,
                expected=DRAW_ESTIMATORS[name].needs,
                todo="ask for " + ", ".join(self.allowed),
            )
        return DRAW_ESTIMATORS[name]

    def to_json(self) -> str:
        """As text, to cross a process; integers keep every digit."""
        return json.dumps([self.sums.to_json(), dict(self.largest)])

    @classmethod
    def from_json(cls, text: str) -> DrawMoments:
        """Back from `to_json`."""
        sums, largest = json.loads(text)
        return cls(ClusteredSums.from_json(sums), largest)
