"""Challengers of known value, and the traffic at which the gate judges them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from ltrr.arrays import Floats
from ltrr.estimation.sequential import Design

DESIGN = Design()
NIGHTS = 60
VALUE = 0.6
"""Expected number of events of an impression under the champion."""
GRID = np.linspace(-4.0, 4.0, 33)
EVENTS = np.arange(6.0)
STATED_FACTOR = 3.44
"""Factor of the traffic (3.44 s / .02)^2 / 14 impressions a night.

At this traffic the gate should promote a gain of 2 %.
"""


@dataclass(frozen=True)
class Challenger:
    """A policy that differs from the champion, as (weight, events) cells of a logged impression.

    Events are Poisson, cut at 5. Their rate varies over the cells even without a gain, because the
    policies differ.

    Attributes:
        sigma: Standard deviation of the logarithm of the weights.
        gain: Relative gain of its value over the champion's.
        level: Level of all rewards relative to VALUE; it grows as the memory fills. q stays VALUE.
    """

    sigma: float
    gain: float
    level: float = 1.0

    def cells(self) -> tuple[Floats, Floats]:
        """Probability and term of each cell, [C]."""
        masses = np.exp(-(GRID**2) / 2.0)
        masses /= masses.sum()
        weights = np.exp(self.sigma * GRID)
        weights /= masses @ weights
        other, better = np.cos(2.0 * GRID), np.tanh(GRID)
        excess = masses * (weights - 1.0)
        tilt = (self.gain * (1.0 + 0.3 * (masses @ other)) - 0.3 * (excess @ other)) / (excess @ better)
        rates = VALUE * (1.0 + 0.3 * other + tilt * better)
        assert (rates > 0.0).all()
        rates *= self.level / (masses @ rates) * VALUE
        chances = poisson_chances(rates)
        terms = (weights[:, None] - 1.0) * (EVENTS - VALUE)
        return (masses[:, None] * chances).ravel(), terms.ravel()

    def spread(self) -> float:
        """The s of one impression: standard deviation of its term over the champion's value."""
        chances, terms = self.cells()
        return float(sqrt(chances @ terms**2 - (chances @ terms) ** 2) / VALUE)

    def true_gain(self) -> float:
        """Expected term divided by the champion's value."""
        chances, terms = self.cells()
        return float(chances @ terms / (self.level * VALUE))


def poisson_chances(rates: Floats) -> Floats:
    """Poisson probabilities of 0 to 5 events, [R, 6], for each rate, [R].

    The distribution is cut at five events and scaled so that its mean equals the rate.
    """
    factorials = np.cumprod(np.maximum(EVENTS, 1.0))
    chances = rates[:, None] ** EVENTS * np.exp(-rates[:, None]) / factorials
    chances[:, 1:] *= (rates / (chances @ EVENTS))[:, None]
    chances[:, 0] = 1.0 - chances[:, 1:].sum(axis=1)
    assert (chances >= 0.0).all()
    return np.asarray(chances)


def traffic(challenger: Challenger, factor: float = STATED_FACTOR) -> int:
    """Number of impressions judged each night."""
    return round((factor * challenger.spread() / DESIGN.effect) ** 2 / DESIGN.life_nights)


def night_impressions(mean: int, night: int) -> int:
    """Impressions of a night: up to 30 % more or fewer than the mean, by the day of the week."""
    return max(round(mean * (1.0 + 0.3 * np.sin(2.0 * np.pi * night / 7.0))), 1)
