"""Exact sums of a log, from which the value, interval and diagnostics of all estimators follow."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.estimation.decision_terms import compute_fixed_terms
from ltrr.estimation.decisions import Decisions
from ltrr.estimation.estimators import DecisionEstimator, list_plain_terms, list_ratio_terms
from ltrr.estimation.evidence import EvidenceSummary, EvidenceTerms, summarize_evidence
from ltrr.estimation.exact_sums import BLOCK_ROWS, ExactSums
from ltrr.estimation.fixed_point import TERM_UNIT, exact_sums, from_fixed, to_fixed
from ltrr.estimation.intervals import Estimate, degrees_of_freedom, estimate_sum
from ltrr.estimation.moments import ClusteredSums, WeightedRewards

_TAIL = "weighted"
"""The term from whose tail the precision of standard errors is computed."""


@dataclass(frozen=True)
class LoggedMoments:
    """Exact sums over clusters of decisions; `+` joins two disjoint sets of clusters.

    The sums have the same bits in any order.

    Attributes:
        ratios: Clustered sums of the terms of ratios.
        plain: Totals of `list_plain_terms`, unit 2^-24.
        largest: The largest weight, times its sampling weight, unit 2^-24.

    >>> decisions = Decisions(weights=np.array([1.6, 0.4]), rewards=np.array([1.0, 0.0]))
    >>> moments = LoggedMoments.of(decisions, largest_weight=100.0)
    >>> from ltrr.estimation.estimators import ESTIMATORS
    >>> round(moments.estimate(ESTIMATORS["ips"]).value, 6)
    0.8
    >>> round(moments.weighted.effective_sample_size(), 3)
    1.471
    """

    ratios: ClusteredSums
    plain: tuple[int, ...]
    largest: int

    @classmethod
    def of(cls, decisions: Decisions, largest_weight: float, clusters: Longs | None = None) -> LoggedMoments:
        """Sums of N decisions, which must include all decisions of each cluster.

        Args:
            decisions: N decisions.
            largest_weight: M.
            clusters: User of each decision, any whole number, [N]. By default each decision is a
                cluster.
        """
        is_sampled = decisions.sampling is not None
        sums = MomentSums(largest_weight, has_model=decisions.taken is not None, is_sampled=is_sampled)
        if clusters is None:
            sums.add(decisions)
        else:
            order = np.argsort(clusters, kind="stable")
            sums.add(decisions.rows(order), find_cluster_starts(clusters[order]))
        return sums.moments

    @classmethod
    def of_clusters(cls, sums: Longs, largest: Longs, *, has_model: bool) -> LoggedMoments:
        """Totals of the sums of `compute_terms` over whole clusters, [U, K].

        Args:
            sums: Sums of each cluster.
            largest: Largest weights of any groups of the decisions.
            has_model: Whether the terms include those of a reward model.
        """
        names = list_ratio_terms(has_model=has_model)
        return cls(
            ClusteredSums.of_clusters(names, sums[:, : len(names)], tails=(_TAIL,)),
            tuple(exact_sums(sums[:, len(names) :])),
            int(largest.max(initial=0)),
        )

    def __add__(self, other: LoggedMoments) -> LoggedMoments:
        return LoggedMoments(
            self.ratios + other.ratios,
            tuple(map(sum, zip(self.plain, other.plain, strict=True))),
            max(self.largest, other.largest),
        )

    def estimate(self, estimator: DecisionEstimator) -> Estimate:
        """Value and standard error.

        Both are NaN if a denominator is zero, the error also with fewer than two clusters.
        """
        return replace(estimate_sum(self.ratios, estimator.ratios), degrees=degrees_of_freedom(self.ratios, _TAIL))

    @property
    def is_sampled(self) -> bool:
        """Whether the log is a sample of the decisions, with sampling weights."""
        return len(self.plain) > len(list_plain_terms())

    @property
    def decisions(self) -> int:
        """Number of decisions in the log."""
        return round(from_fixed(self._plain("rows"))) if self.is_sampled else round(self.ratios.total("n"))

    @property
    def sampled_from(self) -> float:
        """Sum of the sampling weights: estimated number of decisions of which the log has some."""
        return self.ratios.total("n")

    @property
    def weighted(self) -> WeightedRewards:
        """Mean weight, effective sample size and evidence R."""
        return WeightedRewards(
            self.sampled_from if self.is_sampled else self.decisions,
            self._total("w"),
            self._plain("w_squared"),
            self._total("weighted"),
            self._plain("weighted_squared"),
        )

    @property
    def evidence_of_users(self) -> float:
        """R by user: each user's weighted rewards are added up first; NaN without rewards."""
        return self.ratios.evidence("weighted")

    def summarize_evidence(self, estimator: DecisionEstimator) -> EvidenceSummary:
        """Summary of the evidence behind an estimate."""
        summary = summarize_evidence(
            self.ratios,
            EvidenceTerms(),
            weighted=self.weighted,
            estimate=self.estimate(estimator),
            unsupported=self.unsupported,
        )
        return replace(summary, impressions=self.decisions)

    @property
    def design_effect(self) -> float:
        """Variance of the weights by cluster over that by decision.

        About one if every decision was drawn independently. If one draw served all decisions of a
        cluster, it equals their number. NaN if all weights are equal.
        """
        w, n = self.ratios.exact_total("w"), self.ratios.exact_total("n")
        if not n:
            return nan
        mean, product = w / n, self.ratios.exact_product
        by_cluster = product("w", "w") - 2 * mean * product("w", "n") + mean**2 * product("n", "n")
        by_decision = from_fixed(self._plain("w_squared")) - float(w * mean)
        if self.is_sampled:  # The sum over decisions of (s w - mean s)^2; both terms are 0 if s = 1.
            by_decision -= 2.0 * float(mean) * (from_fixed(self._plain("w_n")) - float(w))
            by_decision += float(mean) ** 2 * (from_fixed(self._plain("n_squared")) - float(n))
        # Squares are rounded to 2^-24, so a smaller variance is a rounding error.
        return float(by_cluster) / by_decision if by_decision > float(n) * TERM_UNIT else nan

    @property
    def largest_weight(self) -> float:
        """Largest weight of one decision; NaN without decisions."""
        return from_fixed(self.largest) if self.decisions else nan

    @property
    def largest_share(self) -> float:
        """Share of the largest weight in the sum of weights; NaN without any weight."""
        return self.largest / self._total("w") if self._total("w") else nan

    @property
    def unsupported(self) -> float:
        """Mean target probability of actions that the log can never show; NaN without decisions."""
        return from_fixed(self._plain("unsupported")) / self.sampled_from if self.decisions else nan

    def share_cut(self, estimator: DecisionEstimator) -> float:
        """Share of the sum of weights that the estimator cuts off; NaN without any weight."""
        if not estimator.cut:
            return 0.0
        names = (*self.ratios.names, *list_plain_terms(is_sampled=self.is_sampled))
        known = dict(zip(names, (*self.ratios.totals, *self.plain), strict=True))
        return 1.0 - known[estimator.cut] / known["w"] if known["w"] else nan

    def _total(self, name: str) -> int:
        return self.ratios.totals[self.ratios.names.index(name)]

    def _plain(self, name: str) -> int:
        return self.plain[list_plain_terms(is_sampled=True).index(name)]

    def to_json(self) -> str:
        """The sums as text, to cross a process; integers keep every digit."""
        return json.dumps([self.ratios.to_json(), self.plain, self.largest])

    @classmethod
    def from_json(cls, text: str) -> LoggedMoments:
        """Back from `to_json`."""
        ratios, plain, largest = json.loads(text)
        return cls(ClusteredSums.from_json(ratios), tuple(plain), largest)


class MomentSums:
    """Sums of decisions, added batch by batch in numpy arrays.

    Args:
        largest_weight: M.
        has_model: Whether the decisions have values of a reward model.
        is_sampled: Whether the decisions have sampling weights.
    """

    def __init__(self, largest_weight: float, *, has_model: bool, is_sampled: bool = False) -> None:
        self._names = list_ratio_terms(has_model=has_model)
        self._largest_weight, self._clusters, self._largest = largest_weight, 0, 0.0
        terms = len(self._names) + len(list_plain_terms(is_sampled=is_sampled))
        tail = self._names.index(_TAIL)
        self._sums = ExactSums(terms=terms, crossed=len(self._names), tail=tail)

    def add(self, decisions: Decisions, starts: Longs | None = None) -> None:
        """Add decisions.

        Args:
            decisions: N decisions. With starts they are sorted by cluster and include all decisions
                of each cluster.
            starts: First row of each cluster, [U]. By default each decision is a cluster.
        """
        if starts is None:
            for start in range(0, len(decisions), BLOCK_ROWS):
                self._sums.add(self._terms(decisions, start, start + BLOCK_ROWS))
        else:
            # A block of decisions has at most BLOCK_ROWS clusters. A larger cluster is a block.
            firsts = np.flatnonzero(np.diff(starts // BLOCK_ROWS, prepend=-1))
            for first, last in zip(firsts, [*firsts[1:], len(starts)], strict=True):
                end = starts[last] if last < len(starts) else len(decisions)
                terms = self._terms(decisions, starts[first], end)
                self._sums.add(_sum_clusters(terms, starts[first:last] - starts[first]))
        self._clusters += len(decisions) if starts is None else len(starts)
        self._largest = max(self._largest, float(decisions.full_weights.max(initial=0.0)))

    @property
    def moments(self) -> LoggedMoments:
        """Moments of all decisions added so far."""
        totals, split = self._sums.totals, len(self._names)
        products = tuple(map(tuple, self._sums.products))
        fourths = {_TAIL: self._sums.fourths}
        ratios = ClusteredSums(self._names, self._clusters, tuple(totals[:split]), products, fourths)
        return LoggedMoments(ratios, tuple(totals[split:]), int(to_fixed(self._largest)))

    def _terms(self, decisions: Decisions, start: int, end: int) -> Floats:
        return compute_fixed_terms(decisions.rows(slice(start, end)), self._largest_weight)


def find_cluster_starts(clusters: Longs) -> Longs:
    """First row of each cluster, in rows that are sorted by cluster.

    >>> find_cluster_starts(np.array([3, 3, 5, 4, 4])).tolist()
    [0, 2, 3]
    """
    return np.flatnonzero(np.append(True, clusters[1:] != clusters[:-1])[: len(clusters)])


def _sum_clusters(terms: Floats, starts: Longs) -> Floats | Longs:
    """Sums over clusters, [K, U], as integers if doubles would round."""
    if terms.shape[1] * np.abs(terms).max(initial=0.0) <= 2.0**53:
        return np.add.reduceat(terms, starts, axis=1)
    return np.add.reduceat((to_fixed(terms * TERM_UNIT)), starts, axis=1)
