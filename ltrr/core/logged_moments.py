"""All that every estimator's value, interval and diagnostics need of a log: `of` some decisions, `+` others."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from ltrr.core.estimators import PLAIN_TERMS, Decisions, Estimator, decision_terms, ratio_names
from ltrr.core.fixed_point import UNIT, Longs, exact_sums, from_fixed, to_fixed
from ltrr.core.intervals import Estimate, degrees_of_freedom, estimate_sum
from ltrr.core.moments import ClusteredSums, WeightedRewards


@dataclass(frozen=True)
class LoggedMoments:
    """Exact sums over clusters of decisions; `+` joins two disjoint sets of clusters, in any order to the same bits.

    Attributes:
        ratios: clustered sums of the terms that ratios are made of.
        plain: totals of `PLAIN_TERMS`, unit 2^-24.
        largest: the largest weight, unit 2^-24.

    >>> decisions = Decisions(weights=np.array([1.6, 0.4]), rewards=np.array([1.0, 0.0]))
    >>> moments = LoggedMoments.of(decisions, largest_weight=100.0)
    >>> from ltrr.core.estimators import ESTIMATORS
    >>> round(moments.estimate(ESTIMATORS["ips"]).value, 6), round(moments.weighted.effective_sample_size(), 3)
    (0.8, 1.471)
    """

    ratios: ClusteredSums
    plain: tuple[int, ...]
    largest: int

    @classmethod
    def of(cls, decisions: Decisions, largest_weight: float, clusters: Longs | None = None) -> LoggedMoments:
        """Of N decisions; all decisions of a cluster must be here. Without clusters each decision is its own.

        Args:
            decisions: N of them.
            largest_weight: M.
            clusters: the user of each decision, any whole number, [N].
        """
        terms = decision_terms(decisions, largest_weight)
        largest = to_fixed(decisions.weights)
        has_model = decisions.taken is not None
        if clusters is None:
            return cls.of_clusters(terms, largest, has_model=has_model)
        codes = np.unique(clusters, return_inverse=True)[1]
        sums = np.zeros((int(codes.max()) + 1 if len(codes) else 0, terms.shape[1]), dtype=np.int64)
        np.add.at(sums, codes, terms)
        return cls.of_clusters(sums, largest, has_model=has_model)

    @classmethod
    def of_clusters(cls, sums: Longs, largest: Longs, *, has_model: bool) -> LoggedMoments:
        """From sums of `decision_terms` over whole clusters, [U, K], and largest weights, [any]."""
        names = ratio_names(has_model=has_model)
        return cls(
            ClusteredSums.of_clusters(names, sums[:, : len(names)], tails=("weighted",)),
            tuple(exact_sums(sums[:, len(names) :])),
            int(largest.max(initial=0)),
        )

    def __add__(self, other: LoggedMoments) -> LoggedMoments:
        return LoggedMoments(
            self.ratios + other.ratios,
            tuple(map(sum, zip(self.plain, other.plain, strict=True))),
            max(self.largest, other.largest),
        )

    def estimate(self, estimator: Estimator) -> Estimate:
        """Value and standard error; NaN where a denominator is zero, or an error of fewer than two clusters."""
        return replace(estimate_sum(self.ratios, estimator.ratios), degrees=degrees_of_freedom(self.ratios, "weighted"))

    @property
    def decisions(self) -> int:
        """How many."""
        return round(self.ratios.total("n"))

    @property
    def weighted(self) -> WeightedRewards:
        """Mean weight, effective sample size and evidence R."""
        return WeightedRewards(
            self.decisions,
            self._total("w"),
            self._plain("w_squared"),
            self._total("weighted"),
            self._plain("weighted_squared"),
        )

    @property
    def evidence_of_users(self) -> float:
        """R with each user's weighted rewards added up first; NaN when nothing was earned."""
        squares = self.ratios.product("weighted", "weighted")
        return self.ratios.total("weighted") ** 2 / squares if squares else nan

    @property
    def design_effect(self) -> float:
        """Variance of the weights by cluster over that by decision: about one where every decision was drawn anew.

        As many as a cluster's decisions where one draw served them all; NaN where all weights are alike.
        """
        w, n = self.ratios.exact_total("w"), self.decisions
        if not n:
            return nan
        mean, product = w / n, self.ratios.exact_product
        by_cluster = product("w", "w") - 2 * mean * product("w", "n") + mean**2 * product("n", "n")
        by_decision = from_fixed(self._plain("w_squared")) - float(w * mean)
        # Squares are rounded to 2^-24: less than that is no variance.
        return float(by_cluster) / by_decision if by_decision > n * UNIT else nan

    @property
    def largest_weight(self) -> float:
        """Of one decision; NaN without decisions."""
        return from_fixed(self.largest) if self.decisions else nan

    @property
    def largest_share(self) -> float:
        """Of the largest weight in the sum of weights; NaN without any weight."""
        return self.largest / self._total("w") if self._total("w") else nan

    @property
    def unsupported(self) -> float:
        """Mean probability that the target gives to what the log can never show; NaN without decisions."""
        return from_fixed(self._plain("unsupported")) / self.decisions if self.decisions else nan

    def share_cut(self, estimator: Estimator) -> float:
        """Share of the sum of weights that the estimator cuts off, 0 where it cuts nothing; NaN without any weight."""
        if not estimator.cut:
            return 0.0
        return 1.0 - self._plain(estimator.cut) / self._total("w") if self._total("w") else nan

    def _total(self, name: str) -> int:
        return self.ratios.totals[self.ratios.names.index(name)]

    def _plain(self, name: str) -> int:
        return self.plain[PLAIN_TERMS.index(name)]

    def to_json(self) -> str:
        """As text, to cross a process; integers keep every digit."""
        return json.dumps([self.ratios.to_json(), self.plain, self.largest])

    @classmethod
    def from_json(cls, text: str) -> LoggedMoments:
        """Back from `to_json`."""
        ratios, plain, largest = json.loads(text)
        return cls(ClusteredSums.from_json(ratios), tuple(plain), largest)
