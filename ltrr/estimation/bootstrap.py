"""The Poisson bootstrap by user: each replicate counts every user a Poisson(1) number of times.

Replicate b of a sum is the sum over users of N(u, b) z_u. N(u, b) is a hash of the user and b, so
it does not depend on other replicates or on the partitions of users. The terms are whole numbers,
which add up to the same bits in any order. Chamandy et al., "Estimating Uncertainty for Massive
Data Streams", Google, 2012.

Percentiles of replicates cover no better than the delta method here (docs/studies/coverage.md).
They are an independent check of its algebra.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial, nan

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.errors import UsageError
from ltrr.estimation.exact_sums import BLOCK_ROWS

_CHANCES = np.cumsum([np.exp(-1.0) / factorial(n) for n in range(12)])
"""P(N <= n) for n up to eleven; P(N > 11) is below 1e-9."""

_LOW_BITS = 26
"""Number of low bits of a term. The other 36 bits of a term below 2^62 are its high part.

A block adds at most 12 x 2^13 parts: the sum is below 2^53, where doubles are exact."""

_ODD, _MIX_1, _MIX_2 = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def poisson_counts(users: Longs, replicates: int) -> Floats:
    """N(u, b), [B, U]: Poisson(1) counts, independent over users and replicates.

    They follow from splitmix64 of the user's key and b.

    >>> counts = poisson_counts(np.arange(1, 50_001), 4)
    >>> means, variances = counts.mean(axis=1), counts.var(axis=1)
    >>> np.abs(means - 1.0).max() < 0.03, np.abs(variances - 1.0).max() < 0.05
    (np.True_, np.True_)
    """
    seeds = np.arange(1, replicates + 1, dtype=np.uint64) * _ODD
    state = users.view(np.uint64)[None, :] + seeds[:, None]
    # Two rounds: after one, keys that differ by a multiple of the odd number are still correlated.
    for _ in range(2):
        state = (state ^ (state >> np.uint64(30))) * _MIX_1
        state = (state ^ (state >> np.uint64(27))) * _MIX_2
        state ^= state >> np.uint64(31)
    uniform = (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.searchsorted(_CHANCES, uniform, side="right").astype(np.float64)


@dataclass(frozen=True)
class Replicates:
    """Replicates of the totals of named terms; `+` joins two disjoint sets of users.

    Attributes:
        names: Names of the K terms.
        totals: Totals of each replicate, [B][K], unit 2^-24.

    >>> users = np.arange(40)
    >>> sums = np.column_stack([users % 2, np.ones(40, dtype=int)]) << 24
    >>> whole = Replicates.of_users(("wr", "n"), users, sums, replicates=50)
    >>> parts = [
    ...     Replicates.of_users(("wr", "n"), users[n::3], sums[n::3], replicates=50)
    ...     for n in range(3)
    ... ]
    >>> parts[2] + parts[0] + parts[1] == whole
    True
    >>> low, high = whole.interval([("wr", "n")], 0.9)
    >>> 0.2 < low < 0.5 < high < 0.8
    True
    """

    names: tuple[str, ...]
    totals: tuple[tuple[int, ...], ...]

    @classmethod
    def of_users(cls, names: Sequence[str], users: Longs, sums: Longs, replicates: int) -> Replicates:
        """Replicates from the fixed-point sums of each user; a user may not be split.

        Args:
            names: Names of the columns.
            users: Key of each user, [U].
            sums: Sums of each user, unit 2^-24, [U, K].
            replicates: Number of replicates, B.
        """
        totals = np.zeros((replicates, sums.shape[1]), dtype=object)
        for start in range(0, len(users), BLOCK_ROWS):
            block = sums[start : start + BLOCK_ROWS]
            counts = poisson_counts(users[start : start + BLOCK_ROWS], replicates)
            for part, shift in ((block >> _LOW_BITS, _LOW_BITS), (block & ((1 << _LOW_BITS) - 1), 0)):
                totals += (counts @ part.astype(np.float64)).astype(np.int64).astype(object) << shift
        return cls(tuple(names), tuple(tuple(map(int, row)) for row in totals.tolist()))

    def __add__(self, other: Replicates) -> Replicates:
        if self.names != other.names or len(self.totals) != len(other.totals):
            raise UsageError("replicates of different terms cannot be added", got=str(other.names))
        pairs = zip(self.totals, other.totals, strict=True)
        return Replicates(self.names, tuple(tuple(a + b for a, b in zip(*rows, strict=True)) for rows in pairs))

    def values(self, ratios: Sequence[tuple[str, str]]) -> list[float]:
        """The estimate of each replicate: the sum of its ratios, NaN where a denominator is zero.

        Args:
            ratios: (numerator, denominator) pairs that add up to the estimate.
        """
        places = [(self.names.index(top), self.names.index(bottom)) for top, bottom in ratios]
        return [sum(row[top] / row[bottom] if row[bottom] else nan for top, bottom in places) for row in self.totals]

    def interval(self, ratios: Sequence[tuple[str, str]], confidence: float) -> tuple[float, float]:
        """Two-sided percentile interval; NaN if a replicate is undefined.

        Args:
            ratios: (numerator, denominator) pairs that add up to the estimate.
            confidence: Confidence of both sides together.
        """
        low, high = np.quantile(self.values(ratios), [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
        return float(low), float(high)

    def to_json(self) -> str:
        """The replicates as text, to cross a process; integers keep every digit."""
        return json.dumps([self.names, self.totals], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Replicates:
        """Back from `to_json`."""
        names, totals = json.loads(text)
        return cls(tuple(names), tuple(map(tuple, totals)))
