"""How much a coarser level is worth against a key's own draws, by empirical Bayes.

A key q has a true rate around what is expected of it, p, with variance t^2 between keys; its draws
have variance s^2 around that rate. The least squared error has (n rate + k p) / (n + k) with k =
s^2 / t^2, n effective draws. With w the weight of a draw and x what it found, and Q = sum of w^2 (x
- p)^2 of the key,

    E[(sum of w (x - p))^2 - Q] = t^2 ((sum of w)^2 - sum of w^2)      (products of different draws only)
    E[Q]                        = (s^2 + t^2) sum of w^2

whatever the distribution of x: a click over its examination is neither Bernoulli nor Poisson. Both
are divided by p sum of w^2, so that blocks of high and of low rates count alike, and weighted by n
- 1: a key drawn once says nothing about how keys differ, and a hot one does not decide alone.
Method of moments, as Morris, "Parametric Empirical Bayes Inference", JASA 1983, without the normal.

`expected` leaves the key out (the rate of the level's other keys): a key that is most of its level
would look like it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column

from ltrr.strategies.settings import HistorySettings

Floats = npt.NDArray[np.float64]
X = TypeVar("X", Column, Floats)

MOMENT_SUMS = ("weights", "weights_squared", "hits", "hits_squared", "weights_hits")


def moments(sums: Mapping[str, X], expected: X) -> tuple[X, X]:
    """A key's share of t^2 and of s^2 + t^2, times (n - 1) / p: arrays or columns alike.

    Args:
        sums: of one block of one key, by the names of `MOMENT_SUMS`, in plain numbers; n above one.
        expected: p, above zero.

    Two draws of weight one that found 1 and 0 where .5 was expected: nothing between keys, a
    variance of .25.

    >>> two = {"weights": 2.0, "weights_squared": 2.0, "hits": 1.0, "hits_squared": 1.0, "weights_hits": 1.0}
    >>> between, whole = moments({name: np.array([value]) for name, value in two.items()}, np.array([0.5]))
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
    """The k from the sums of `moments` over keys, within the settings' bounds; the upper one where keys are all alike.

    >>> settings = HistorySettings(fewest_prior_draws=5.0, most_prior_draws=1000.0)
    >>> strength(2.0, 82.0, settings), strength(-1.0, 82.0, settings), strength(2.0, 2.0, settings)
    (40.0, 1000.0, 5.0)
    """
    most = settings.most_prior_draws
    k = (whole - between) / between if between > 0 else most
    return min(max(k, settings.fewest_prior_draws), most)


def array_strength(sums: Mapping[str, Floats], expected: Floats, settings: HistorySettings) -> float:
    """The k of the blocks of a few keys: arrays of one shape, blocks with one effective draw or none left out.

    Where nothing was ever found nothing is known about chance either, and the coarser level keeps
    all its worth.

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
