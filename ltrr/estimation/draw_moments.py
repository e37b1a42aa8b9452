"""Exact sums of a log made draw by draw, and the estimates that follow from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.errors import SupportError, UsageError
from ltrr.estimation.draw_terms import Draws, compute_draw_terms
from ltrr.estimation.estimators import DRAW_ESTIMATORS, DrawEstimator
from ltrr.estimation.evidence import EvidenceSummary, EvidenceTerms, summarize_evidence
from ltrr.estimation.fixed_point import from_fixed, to_fixed
from ltrr.estimation.intervals import UNDEFINED, Estimate, estimate_difference, estimate_ratio, estimate_sum
from ltrr.estimation.moments import ClusteredSums

WEIGHTS = ("rho", "w", "additive")
"""Names of the weights whose largest value is kept."""


@dataclass(frozen=True)
class DrawMoments:
    """Exact sums over clusters of impressions; `+` joins two disjoint sets of clusters.

    The sums have the same bits in any order.

    Attributes:
        sums: Clustered sums of the terms of `draw_terms.compute_draw_terms`, or of
            `estimation.slots`.
        largest: Weight -> its largest value in one impression, unit 2^-24.

    >>> from ltrr.estimation.draw_orders import DrawWeights
    >>> weights = DrawWeights(np.array([[2.0], [0.5]]), np.array([2.0, 0.5]), np.array([2.0, 0.5]))
    >>> moments = DrawMoments.of(Draws(weights, rewards=np.array([[1.0], [0.0]])))
    >>> moments.estimate("union").value, moments.estimate("sequence_ips").value
    (0.8, 1.0)
    >>> moments.estimate("pi")
    Traceback (most recent call last):
        ...
    ltrr.errors.SupportError: the log does not allow this estimator: pi: expected slots filled
    independently of each other, with the logged probability of all slots together (column joint);
    ask for sequence_ips, union, union_ips, pdis
    """

    sums: ClusteredSums
    largest: Mapping[str, int]

    @classmethod
    def of(cls, draws: Draws, clusters: Longs | None = None) -> DrawMoments:
        """Sums of N impressions, which must include all impressions of each cluster.

        Args:
            draws: N impressions.
            clusters: User of each impression, any whole number, [N]. By default each impression is
                a cluster.
        """
        return cls.of_terms(compute_draw_terms(draws), clusters)

    @classmethod
    def of_terms(cls, terms: Mapping[str, Floats], clusters: Longs | None = None) -> DrawMoments:
        """Sums of terms, [N] each.

        Raises:
            DataQualityError: A term is not finite or too large.
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
        """Totals of the sums of terms over whole clusters, [U, K], in the order of the names."""
        return cls(ClusteredSums.of_clusters(names, sums), largest)

    def __add__(self, other: DrawMoments) -> DrawMoments:
        return DrawMoments(
            self.sums + other.sums, {name: max(mine, other.largest[name]) for name, mine in self.largest.items()}
        )

    @property
    def allowed(self) -> list[str]:
        """Names of the estimators whose terms the sums contain."""
        return [one.name for one in DRAW_ESTIMATORS.values() if one.terms <= set(self.sums.names)]

    def estimate(self, name: str) -> Estimate:
        """Value and standard error.

        Both are NaN if a denominator is zero, the error also with fewer than two clusters.

        Raises:
            UsageError: The estimator is unknown.
            SupportError: The log or the given models lack the terms of the estimator.
        """
        return estimate_sum(self.sums, self._estimator(name).ratios)

    def difference(self, one: str, other: str) -> Estimate:
        """One estimate minus another, paired by cluster; both estimators have a single ratio.

        Raises:
            UsageError, SupportError: As `estimate`.
        """
        (mine,), (theirs,) = self._estimator(one).ratios, self._estimator(other).ratios
        return estimate_difference(self.sums, mine, theirs)

    def summarize_evidence(self, name: str) -> EvidenceSummary:
        """Summary of the evidence behind an estimate, by cluster.

        Where each entity has a weight of its own, R is at most the effective sample of the design,
        in entities (`estimation.inclusion.inclusion_design`).
        """
        one = self._estimator(name)
        terms = EvidenceTerms(one.weight, one.rests_on, design=one.design)
        return summarize_evidence(self.sums, terms, estimate=self.estimate(name))

    def evidence(self, name: str) -> float:
        """R of an estimator's weighted rewards, by cluster.

        NaN without rewards, or if only the values of a model are given.
        """
        return self.sums.evidence(self._estimator(name).rests_on)

    def effective_sample_size(self, name: str) -> float:
        """Effective sample size of an estimator's weights; NaN without any weight.

        The unit is impressions, or entities where each entity has a weight.
        """
        return self.summarize_evidence(name).effective_sample_size

    def mean_weight(self, name: str) -> Estimate:
        """Mean of an estimator's weights; NaN without a weight.

        Its expectation is one if the propensities are correct.
        """
        weight = self._estimator(name).weight
        return estimate_ratio(self.sums, weight, "n") if weight else UNDEFINED

    def largest_weight(self, name: str) -> float:
        """Largest weight of one impression; NaN without impressions or without a weight."""
        weight = self._estimator(name).weight
        return from_fixed(self.largest[weight]) if weight and self.impressions else nan

    @property
    def impressions(self) -> int:
        """Number of impressions."""
        return round(self.sums.total("n"))

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
        """The sums as text, to cross a process; integers keep every digit."""
        return json.dumps([self.sums.to_json(), dict(self.largest)])

    @classmethod
    def from_json(cls, text: str) -> DrawMoments:
        """Back from `to_json`."""
        sums, largest = json.loads(text)
        return cls(ClusteredSums.from_json(sums), largest)
