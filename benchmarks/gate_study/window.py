"""Sums since a challenger started, where every impression is its own user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.gate_study.challengers import VALUE
from ltrr.arrays import Bools, Floats, Longs
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.sequential import SliceLook


@dataclass
class Window:
    """Sums since the challenger of each stream started, [S, G] for S streams and G slices.

    One slice stands for the whole. Each impression is a cluster.

    Attributes:
        clusters, totals, squares: Number, sum and sum of squares of the terms.
    """

    clusters: Floats
    totals: Floats
    squares: Floats

    @classmethod
    def empty(cls, streams: int, groups: int = 1) -> Window:
        """A window without impressions."""
        return cls(*(np.zeros((streams, groups)) for _ in range(3)))

    def clear(self, which: Bools) -> None:
        """Set the sums of the given streams to zero."""
        for sums in (self.clusters, self.totals, self.squares):
            sums[which] = 0.0

    def add(self, rows: Bools, group: int, counts: Longs, terms: Floats) -> None:
        """Add the counts of a night, [S, C], with the term of each cell, [C]."""
        self.clusters[rows, group] += counts.sum(axis=1)
        self.totals[rows, group] += counts @ terms
        self.squares[rows, group] += counts @ terms**2

    def estimates(self) -> tuple[Floats, Floats]:
        """Value and standard error over all slices, [S]."""
        return estimates(self.clusters.sum(axis=1), self.totals.sum(axis=1), self.squares.sum(axis=1))

    def slices(self, stream: int) -> dict[str, SliceLook]:
        """Name of a slice -> its estimate, for one stream; empty with one slice."""
        if self.clusters.shape[1] == 1:
            return {}
        values, errors = estimates(self.clusters[stream], self.totals[stream], self.squares[stream])
        pairs = enumerate(zip(values.tolist(), errors.tolist(), strict=True))
        return {f"slice {at}": SliceLook(Estimate(value, error), VALUE) for at, (value, error) in pairs}


def estimates(n: Floats, totals: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """Value and standard error as in `estimate_ratio`, where every cluster is one impression."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = totals / n
        return values, np.sqrt((squares - n * values**2) / (n - 1.0) / n)
