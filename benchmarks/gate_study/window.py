"""Sums that a challenger is judged on, where every impression is its own user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Floats, Longs
from benchmarks.gate_study.challengers import VALUE
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.sequential import SliceLook


@dataclass
class Window:
    """Sums since each stream's challenger began, one cluster an impression, [S, G] for G slices (one: the whole).

    Attributes:
        clusters, totals, squares: number, sum and sum of squares of terms.
    """

    clusters: Floats
    totals: Floats
    squares: Floats

    @classmethod
    def empty(cls, streams: int, groups: int = 1) -> Window:
        """Nothing judged yet."""
        return cls(*(np.zeros((streams, groups)) for _ in range(3)))

    def clear(self, which: NDArray[np.bool_]) -> None:
        """Clear the sums of streams whose challenger starts."""
        for sums in (self.clusters, self.totals, self.squares):
            sums[which] = 0.0

    def add(self, rows: NDArray[np.bool_], group: int, counts: Longs, terms: Floats) -> None:
        """A night's cells."""
        self.clusters[rows, group] += counts.sum(axis=1)
        self.totals[rows, group] += counts @ terms
        self.squares[rows, group] += counts @ terms**2

    def estimates(self) -> tuple[Floats, Floats]:
        """Value and standard error of the whole, [S]."""
        return estimates(self.clusters.sum(axis=1), self.totals.sum(axis=1), self.squares.sum(axis=1))

    def slices(self, stream: int) -> dict[str, SliceLook]:
        """Estimates of each slice of a stream."""
        if self.clusters.shape[1] == 1:
            return {}
        values, errors = estimates(self.clusters[stream], self.totals[stream], self.squares[stream])
        pairs = enumerate(zip(values.tolist(), errors.tolist(), strict=True))
        return {f"slice {at}": SliceLook(Estimate(value, error), VALUE) for at, (value, error) in pairs}


def estimates(n: Floats, totals: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """`estimate_ratio` where every cluster is one impression."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = totals / n
        return values, np.sqrt((squares - n * values**2) / (n - 1.0) / n)
