"""Weight k of a coarser level against a key's own draws, by empirical Bayes.

The true rates of keys have variance t^2 around their expected rates p. The draws of a key have
variance s^2 around its true rate. The estimate with the least squared error is (n rate + k p) / (n
+ k), with k = s^2 / t^2 and n effective draws. Let w be the weight of a draw, x the reward that it
found, and Q = sum of w^2 (x - p)^2 over the draws of the key. Then

    E[(sum of w (x - p))^2 - Q] = t^2 ((sum of w)^2 - sum of w^2)   (products of different draws)
    E[Q]                        = (s^2 + t^2) sum of w^2

for any distribution of x; a click divided by its examination is neither Bernoulli nor Poisson. Both
equations are divided by p sum of w^2, so that blocks with high and low rates count alike. They are
weighted by n - 1, because a key with one draw does not show how keys differ. This is the method of
moments of Morris, "Parametric Empirical Bayes Inference", JASA 1983, without the assumption of
normal distributions.

The expected rate of a key is that of the level's other keys. Otherwise a key with most draws of its
level would be compared with itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from pyspark.sql import Column

from ltrr.arrays import Floats
from ltrr.strategies.settings import HistorySettings

X = TypeVar("X", Column, Floats)

MOMENT_SUMS = ("weights", "weights_squared", "hits", "hits_squared", "weights_hits")


def moments(sums: Mapping[str, X], expected: X) -> tuple[X, X]:
    """A key's terms in the estimates of t^2 and s^2 + t^2, times (n - 1) / p; arrays or columns.

    Args:
        sums: Sums of one block of one key, named as in `MOMENT_SUMS`, plain numbers; n must be
            above 1.
        expected: Expected rates p, above 0.

    Example: two draws of weight 1 found 1 and 0, and .5 was expected. The estimate of s^2 + t^2 is
    .25, and that of t^2 is not positive.

    >>> sums = {"weights": 2.0, "weights_squared": 2.0, "hits": 1.0,
    ...         "hits_squared": 1.0, "weights_hits": 1.0}
    >>> arrays = {name: np.array([value]) for name, value in sums.items()}
    >>> between, whole = moments(arrays, np.array([0.5]))
    >>> between.tolist(), whole.tolist()
    ([-0.5], [0.5])
    """
    squares = sums["weights_squared"]
    chance = sums["hits_squared"] - expected * sums["weights_hits"] * 2.0 + expected * expected * squares
    surprise = sums["hits"] - expected * sums["weights"]
    draws = sums["weights"] * sums["weights"] / squares
    scale = squares * expected
    return (surprise * surprise - chance) / scale, (draws - 1.0) * chance / scale


def strength(between: float, whole: float, settings: HistorySettings) -> float:
    """Weight k from sums of `moments` over keys, within the bounds of the settings.

    It is the upper bound if keys do not differ more than by chance.

    >>> settings = HistorySettings(fewest_prior_draws=5.0, most_prior_draws=1000.0)
    >>> strength(2.0, 82.0, settings), strength(-1.0, 82.0, settings), strength(2.0, 2.0, settings)
    (40.0, 1000.0, 5.0)
    """
    most = settings.most_prior_draws
    k = (whole - between) / between if between > 0 else most
    return min(max(k, settings.fewest_prior_draws), most)


def array_strength(sums: Mapping[str, Floats], expected: Floats, settings: HistorySettings) -> float:
    """Weight k for the blocks of a few keys, given as arrays of one shape.

    Blocks with at most one effective draw are left out. Without any hit, the variance by chance is
    unknown, and k is the upper bound.

    >>> one = {name: np.array([60.0, 40.0]) for name in MOMENT_SUMS} | {"hits": np.zeros(2)}
    >>> array_strength(one, np.array([0.45, 0.2]), HistorySettings())
    5000.0
    """
    n = np.divide(
        sums["weights"] ** 2, sums["weights_squared"], out=np.zeros_like(expected), where=sums["weights_squared"] > 0
    )
    counted = (n > 1.0) & (expected > 0)
    if not sums["hits"][counted].any():
        return settings.most_prior_draws
    between, whole = moments({name: sums[name][counted] for name in MOMENT_SUMS}, expected[counted])
    return strength(float(between.sum()), float(whole.sum()), settings)
