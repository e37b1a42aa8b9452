"""Paired bootstrap over queries (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993)."""

from __future__ import annotations

import numpy as np

from ltrr.arrays import Floats

REPLICATES = 1_000


def replicate_means(values: Floats) -> Floats:
    """Means of columns over queries drawn with replacement, [replicates, columns].

    All columns use the same draws.
    """
    generator = np.random.default_rng(2026)
    n = len(values)
    means = np.empty((REPLICATES, values.shape[1]))
    for start in range(0, REPLICATES, 50):
        weights = generator.multinomial(n, np.full(n, 1.0 / n), size=50)
        means[start : start + 50] = weights @ values / n
    return means


def interval_of(replicates: Floats) -> tuple[float, float]:
    """Interval of the middle 95 % of the replicates."""
    low, high = np.quantile(replicates, (0.025, 0.975))
    return float(low), float(high)
