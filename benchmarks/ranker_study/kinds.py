"""Sums of one night of a bandit, a canary and a ranker of known value, for many streams at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

from benchmarks.gate_study.challengers import EVENTS, VALUE, Challenger, poisson_chances
from benchmarks.gate_study.window import estimates
from ltrr.arrays import Floats

Estimates = tuple[Floats, Floats]


class Kind(Protocol):
    """A kind of trial: sufficient sums of a night, and estimates from these sums."""

    name: str
    value: float
    """Value of the policy or order that the trial would replace."""

    def spread(self) -> float:
        """The s of one impression: standard deviation of its term divided by the value."""

    def night(self, rng: np.random.Generator, impressions: int, streams: int) -> Floats:
        """Sums of one night, [streams, K]."""

    def estimates(self, sums: Floats) -> Estimates:
        """Difference and its standard error, [streams]."""


@dataclass
class Bandit:
    """A challenger of `gate_study`: paired doubly robust differences on the champion's log."""

    gain: float
    sigma: float = 1.1
    name: str = "bandit"
    value: float = VALUE

    def __post_init__(self) -> None:
        self.chances, terms = Challenger(self.sigma, self.gain).cells()
        self.terms = np.column_stack([np.ones(len(terms)), terms, terms**2])

    def spread(self) -> float:
        """As `Kind`."""
        return Challenger(self.sigma, self.gain).spread()

    def night(self, rng: np.random.Generator, impressions: int, streams: int) -> Floats:
        """As `Kind`."""
        return np.asarray(rng.multinomial(impressions, self.chances, size=streams) @ self.terms)

    def estimates(self, sums: Floats) -> Estimates:
        """As `Kind`."""
        return estimates(*sums.T)


@dataclass
class Canary:
    """A canary that serves a tenth of the users.

    Events of an impression are Poisson, cut at five, with a rate for each of the two sides.
    """

    gain: float
    share: float = 0.1
    name: str = "canary"
    value: float = VALUE

    def __post_init__(self) -> None:
        self.terms = np.column_stack([np.ones(len(EVENTS)), EVENTS, EVENTS**2])
        self.chances = poisson_chances(VALUE * np.array([1.0 + self.gain, 1.0]))

    def spread(self) -> float:
        """As `Kind`."""
        variances = [chances @ EVENTS**2 - (chances @ EVENTS) ** 2 for chances in self.chances]
        return sqrt(variances[0] / self.share + variances[1] / (1.0 - self.share)) / VALUE

    def night(self, rng: np.random.Generator, impressions: int, streams: int) -> Floats:
        """As `Kind`."""
        of_canary = round(impressions * self.share)
        sides = zip((of_canary, impressions - of_canary), self.chances, strict=True)
        return np.column_stack([rng.multinomial(n, chances, size=streams) @ self.terms for n, chances in sides])

    def estimates(self, sums: Floats) -> Estimates:
        """As `Kind`."""
        (canary, error), (champion, other) = estimates(*sums[:, :3].T), estimates(*sums[:, 3:].T)
        return canary - champion, np.hypot(error, other)


@dataclass
class Order:
    """A ranker's order of ten entities, compared with the served order.

    Clicks depend on the position and are weighted by 1 / examination. The served order puts entity
    j at position j. A user wants entity j with probability `wants[j]`. The candidate moves some
    entities above others that are wanted as often, so it has another order and the same value. For
    a gain, the entities that it moves up are wanted more often. The gain is exact.
    """

    gain: float
    name: str = "ranker"

    def __post_init__(self) -> None:
        places = np.arange(10)
        self.examination = (places + 1.0) ** -0.7
        discounts = 1.0 / np.log2(places + 2.0)
        candidate = np.array([1, 0, 5, 6, 7, 2, 3, 4, 8, 9])
        even = np.array([0.2, 0.2, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.06, 0.06])
        better = np.sign(discounts[candidate] - discounts)
        # Shift `wants` to the entities that the candidate moves up, so that its relative gain is
        # exactly `gain`.
        self.value, slope = float(even @ discounts), float((even * better) @ (discounts[candidate] - discounts))
        base = float((even * better) @ discounts)
        shift = self.gain * self.value / (slope - self.gain * base)
        wants = even * (1.0 + shift * better)
        assert abs(wants.sum() - 1.0) < 1e-9
        assert (wants > 0.0).all()
        self.value = float(wants @ discounts)
        assert abs(wants @ (discounts[candidate] - discounts) - self.gain * self.value) < 1e-12
        clicked = wants * self.examination
        self.chances = np.append(clicked, 1.0 - clicked.sum())
        self.gains = np.append(1.0 / self.examination, 0.0)
        self.differences = np.append((discounts[candidate] - discounts), 0.0) * self.gains
        one, two = self.differences, self.gains
        self.terms = np.column_stack([np.ones(11), one, two, one**2, one * two, two**2])

    def spread(self) -> float:
        """As `Kind`."""
        terms = self.differences - self.gain * self.value * self.gains
        return float(np.sqrt(self.chances @ terms**2)) / float(self.chances @ self.gains) / self.value

    def night(self, rng: np.random.Generator, impressions: int, streams: int) -> Floats:
        """As `Kind`."""
        return np.asarray(rng.multinomial(impressions, self.chances, size=streams) @ self.terms)

    def estimates(self, sums: Floats) -> Estimates:
        """Ratio of weighted sums as in `ltrr.ranking.judging`, with each page as a cluster.

        `ranker_gate` asserts that both agree.
        """
        pages, one, two, one_one, one_two, two_two = sums.T
        value = one / two
        variance = one_one - 2.0 * value * one_two + value**2 * two_two
        return value, np.sqrt(variance * pages / (pages - 1.0)) / two
