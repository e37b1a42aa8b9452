"""Mergeable statistics of off-policy estimators: `of` makes them, `+` joins them.

Sums are exact integers (`estimation.fixed_point`), so any partition of the rows, merged in any
order, gives the same bits. Undefined values (no decision, no weight) are NaN and never zero.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from ltrr.arrays import Longs
from ltrr.errors import UsageError
from ltrr.estimation.fixed_point import TERM_BITS, exact_fourth_powers, exact_products, exact_sums, from_fixed, to_fixed
from ltrr.estimation.weights import importance_weights


@dataclass(frozen=True)
class WeightedRewards:
    """Sufficient statistics of IPS and SNIPS; `+` joins two disjoint sets of decisions.

    With w = target_propensity / logging_propensity and reward r, over n decisions:

        ips                      sum(w r) / n
        snips                    sum(w r) / sum(w)
        effective_sample_size    sum(w)^2 / sum(w^2)
        evidence R               sum(w r)^2 / sum((w r)^2)

    R is the number of equally weighted rewards that carry the same evidence.

    Strehl et al., "Learning from Logged Implicit Exploration Data", 2010 (IPS); Swaminathan &
    Joachims, "The Self-Normalized Estimator for Counterfactual Learning", 2015 (SNIPS).

    Attributes:
        decisions: n; in a log of sampled decisions, the sum of their sampling weights.
        weights, weights_squared, rewards, rewards_squared: Sums of w, w^2, w r and (w r)^2, unit
            2^-24.

    >>> half = WeightedRewards.of(logging_propensity=0.5, target_propensity=0.8, reward=1.0)
    >>> both = half + WeightedRewards.of(logging_propensity=0.5, target_propensity=0.2, reward=0.0)
    >>> round(both.ips(), 6), round(both.snips(), 6)
    (0.8, 0.8)
    >>> round(both.effective_sample_size(), 3), round(both.evidence(), 6)
    (1.471, 1.0)
    >>> WeightedRewards().ips()
    nan
    """

    decisions: float = 0
    weights: int = 0
    weights_squared: int = 0
    rewards: int = 0
    rewards_squared: int = 0

    @classmethod
    def of(cls, *, logging_propensity: ArrayLike, target_propensity: ArrayLike, reward: ArrayLike) -> WeightedRewards:
        """Statistics of one decision, or of an array of them."""
        return cls.of_terms(cls.terms(np.atleast_1d(importance_weights(logging_propensity, target_propensity)), reward))

    @staticmethod
    def terms(weights: ArrayLike, reward: ArrayLike) -> Longs:
        """Terms of each decision, [N, 5], in the order of the attributes; n has the unit 1."""
        w = np.asarray(weights, dtype=np.float64)
        weighted = w * np.asarray(reward, dtype=np.float64)
        columns = [to_fixed(w), to_fixed(w**2), to_fixed(weighted), to_fixed(weighted**2)]
        return np.column_stack([np.ones(len(w), dtype=np.int64), *columns])

    @classmethod
    def of_terms(cls, terms: Longs) -> WeightedRewards:
        """The sums of rows of `terms`."""
        return cls(*exact_sums(terms))

    def __add__(self, other: WeightedRewards) -> WeightedRewards:
        return WeightedRewards(
            self.decisions + other.decisions,
            self.weights + other.weights,
            self.weights_squared + other.weights_squared,
            self.rewards + other.rewards,
            self.rewards_squared + other.rewards_squared,
        )

    def ips(self) -> float:
        """Inverse propensity score: unbiased, of high variance; NaN without decisions."""
        return from_fixed(self.rewards) / self.decisions if self.decisions else nan

    def snips(self) -> float:
        """Self-normalised IPS, with a small bias; NaN without any weight.

        A constant added to all rewards is added to the estimate.
        """
        return self.rewards / self.weights if self.weights else nan

    def mean_weight(self) -> float:
        """Mean weight; NaN without decisions. Its expectation is one for correct propensities."""
        return from_fixed(self.weights) / self.decisions if self.decisions else nan

    def effective_sample_size(self) -> float:
        """Effective sample size of the weights, in decisions; NaN without any weight."""
        return from_fixed(self.weights) ** 2 / from_fixed(self.weights_squared) if self.weights_squared else nan

    def evidence(self) -> float:
        """Evidence R; NaN without rewards."""
        return from_fixed(self.rewards) ** 2 / from_fixed(self.rewards_squared) if self.rewards_squared else nan


@dataclass(frozen=True)
class ClusteredSums:
    """Sums and products of named terms over clusters; `+` joins two disjoint sets of clusters.

    A cluster is a user: users are independent, decisions of one user are not. Each cluster's terms
    are added up first, z_u = sum over its decisions. The number of clusters, the sum of z_u and the
    sum of z_u z_u' are kept. Any ratio of sums and its cluster-robust variance follow from them
    (`estimation.intervals`).

    Attributes:
        names: Names of the K terms.
        clusters: Number of clusters.
        totals: Sum of z_u, [K], unit 2^-24.
        products: Sum of z_u z_u', [K][K], unit 2^-48.
        fourths: Sum of z_u^4 of the terms whose tail evidence is needed, unit 2^-96.

    >>> terms = {"reward": [1.0, 2.0, 0.5], "n": [1, 1, 1]}
    >>> one = ClusteredSums.of(terms, clusters=["u1", "u1", "u2"])
    >>> one.clusters, one.total("reward"), one.product("reward", "n")
    (2, 3.5, 6.5)
    """

    names: tuple[str, ...]
    clusters: int
    totals: tuple[int, ...]
    products: tuple[tuple[int, ...], ...]
    fourths: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, terms: dict[str, Sequence[float]], clusters: Sequence[str], tails: Collection[str] = ()
    ) -> ClusteredSums:
        """Sums of decisions, which must include all decisions of each cluster.

        A cluster that is split over several calls counts as several clusters.
        """
        codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
        rows = np.column_stack([to_fixed(values) for values in terms.values()])
        sums = np.zeros((int(codes.max()) + 1 if len(codes) else 0, rows.shape[1]), dtype=np.int64)
        np.add.at(sums, codes, rows)
        return cls.of_clusters(tuple(terms), sums, tails)

    @classmethod
    def of_clusters(cls, names: tuple[str, ...], sums: Longs, tails: Collection[str] = ()) -> ClusteredSums:
        """Totals of the fixed-point sums of whole clusters, one row for each, [U, K].

        Args:
            names: Names of the columns.
            sums: Sums of each cluster, unit 2^-24, [U, K].
            tails: Names of the terms whose `tail_evidence` is needed.
        """
        fourths = {name: exact_fourth_powers(sums[:, names.index(name)]) for name in tails}
        return cls(names, len(sums), tuple(exact_sums(sums)), tuple(map(tuple, exact_products(sums))), fourths)

    @classmethod
    def empty(cls, names: tuple[str, ...], tails: Collection[str] = ()) -> ClusteredSums:
        """The sums of no clusters: the neutral element of `+`."""
        return cls.of_clusters(names, np.zeros((0, len(names)), dtype=np.int64), tails)

    def __add__(self, other: ClusteredSums) -> ClusteredSums:
        if self.names != other.names or self.fourths.keys() != other.fourths.keys():
            raise UsageError("sums of different terms cannot be added", expected=str(self.names), got=str(other.names))
        return ClusteredSums(
            self.names,
            self.clusters + other.clusters,
            tuple(map(sum, zip(self.totals, other.totals, strict=True))),
            tuple(
                tuple(map(sum, zip(mine, theirs, strict=True)))
                for mine, theirs in zip(self.products, other.products, strict=True)
            ),
            {name: fourth + other.fourths[name] for name, fourth in self.fourths.items()},
        )

    def exact_total(self, name: str) -> Fraction:
        """Sum of one term, without rounding."""
        return Fraction(self.totals[self.names.index(name)], 1 << TERM_BITS)

    def exact_product(self, one: str, other: str) -> Fraction:
        """Sum over clusters of the product of two terms' sums, without rounding."""
        return Fraction(self.products[self.names.index(one)][self.names.index(other)], 1 << (2 * TERM_BITS))

    def total(self, name: str) -> float:
        """Sum of one term."""
        return float(self.exact_total(name))

    def product(self, one: str, other: str) -> float:
        """Sum over clusters of the product of two terms' sums."""
        return float(self.exact_product(one, other))

    def evidence(self, name: str) -> float:
        """R of a term by cluster, (sum z_u)^2 / sum z_u^2.

        NaN without the term, or if it is zero everywhere.
        """
        if name not in self.names:
            return nan
        squares = self.product(name, name)
        return self.total(name) ** 2 / squares if squares else nan

    def tail_evidence(self, name: str) -> float:
        """Tail evidence of a term, (sum z_u^2)^2 / sum z_u^4; NaN if the term is zero everywhere.

        It is the number of equally large clusters that give the variance the same precision. If the
        variance of a log comes from ten users, its standard error is as imprecise as that of a
        sample of ten.

        >>> terms = {"reward": [1.0, 1.0, 1.0, 9.0]}
        >>> sums = ClusteredSums.of(terms, ["u1", "u2", "u3", "u4"], tails=["reward"])
        >>> round(sums.tail_evidence("reward"), 2)
        1.07
        """
        squares = self.products[self.names.index(name)][self.names.index(name)]
        return squares**2 / self.fourths[name] if squares else nan

    def to_json(self) -> str:
        """The sums as text, to cross a process; integers keep every digit."""
        kept = [self.names, self.clusters, self.totals, self.products, self.fourths]
        return json.dumps(kept, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ClusteredSums:
        """Back from `to_json`.

        >>> sums = ClusteredSums.of({"reward": [1.0, 2.0]}, clusters=["u1", "u2"])
        >>> ClusteredSums.from_json(sums.to_json()) == sums
        True
        """
        names, clusters, totals, products, fourths = json.loads(text)
        return cls(tuple(names), clusters, tuple(totals), tuple(map(tuple, products)), fourths)
