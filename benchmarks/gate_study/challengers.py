"""Challengers of known worth, and the traffic that they are judged at."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from benchmarks.arrays import Floats
from ltrr.estimation.sequential import Design

DESIGN = Design()
NIGHTS = 60
VALUE = 0.6
"""Events an impression earns under the champion."""
GRID = np.linspace(-4.0, 4.0, 33)
EVENTS = np.arange(6.0)
STATED_FACTOR = 3.44
"""Of the traffic (3.44 s / .02)^2 / 14 impressions a night at which +2 % is to be promoted."""


@dataclass(frozen=True)
class Challenger:
    """A policy other than the champion, as cells of (weight, events) of an impression that the champion logged.

    Attributes:
        sigma: standard deviation of the logarithm of its weights.
        gain: of its value over the champion's.
        level: of all rewards over VALUE, as memory fills; q stays VALUE.

    Events are Poisson up to 5. Their rate varies over the cells whether or not there is a gain: it
    is another policy.
    """

    sigma: float
    gain: float
    level: float = 1.0

    def cells(self) -> tuple[Floats, Floats]:
        """Probability and term of each cell, [C]."""
        likely = np.exp(-(GRID**2) / 2.0)
        likely /= likely.sum()
        weights = np.exp(self.sigma * GRID)
        weights /= likely @ weights
        other, better = np.cos(2.0 * GRID), np.tanh(GRID)
        excess = likely * (weights - 1.0)
        tilt = (self.gain * (1.0 + 0.3 * (likely @ other)) - 0.3 * (excess @ other)) / (excess @ better)
        rates = VALUE * (1.0 + 0.3 * other + tilt * better)
        assert (rates > 0.0).all()
        rates *= self.level / (likely @ rates) * VALUE
        chances = poisson_chances(rates)
        terms = (weights[:, None] - 1.0) * (EVENTS - VALUE)
        return (likely[:, None] * chances).ravel(), terms.ravel()

    def spread(self) -> float:
        """The s of one impression: standard deviation of its term over the champion's value."""
        chances, terms = self.cells()
        return float(sqrt(chances @ terms**2 - (chances @ terms) ** 2) / VALUE)

    def true_gain(self) -> float:
        """Expected term over the champion's value."""
        chances, terms = self.cells()
        return float(chances @ terms / (self.level * VALUE))


def poisson_chances(rates: Floats) -> Floats:
    """Poisson law cut at five events, [R, 6]; the chance of no event restores the mean to each rate, [R]."""
    factorials = np.cumprod(np.maximum(EVENTS, 1.0))
    chances = rates[:, None] ** EVENTS * np.exp(-rates[:, None]) / factorials
    chances[:, 1:] *= (rates / (chances @ EVENTS))[:, None]
    chances[:, 0] = 1.0 - chances[:, 1:].sum(axis=1)
    assert (chances >= 0.0).all()
    return np.asarray(chances)


def traffic(challenger: Challenger, factor: float = STATED_FACTOR) -> int:
    """Impressions judged a night."""
    return round((factor * challenger.spread() / DESIGN.effect) ** 2 / DESIGN.life_nights)


def of_night(mean: int, night: int) -> int:
    """Weeks have their days: 30 % more, 30 % fewer."""
    return max(round(mean * (1.0 + 0.3 * np.sin(2.0 * np.pi * night / 7.0))), 1)
