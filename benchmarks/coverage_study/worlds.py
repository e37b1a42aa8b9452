"""Worlds of known truth, and logs of them as counts of kinds of users: the same law as drawing their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np

from benchmarks.arrays import Floats, Longs

OVERLAPS: Mapping[str, float] = {"good": 0.5, "fair": 1.0, "poor": 1.6}
"""Standard deviation of the logarithm of the weights: effective sample of about 78, 37 and 8 % of the decisions."""
GRID = np.linspace(-4.0, 4.0, 33)
"""Standard normal scores of a decision; its weight is exp(sigma x score), normalised: at most 4 sigma out."""
KINDS = 20_000
"""Kinds of users where a user makes several decisions: drawn once for each cell, then *they* are the world."""
PAIRS = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
"""Of the terms wr, w, n: the products that are summed over users."""


@dataclass(frozen=True)
class Cell:
    """One world.

    Attributes:
        decisions: in expectation.
        rate: share of logged decisions that are rewarded.
        overlap: key of OVERLAPS.
        per_user: decisions of a user on average; 1 to 2 x that less 1, all equally likely.
    """

    decisions: int
    rate: float
    overlap: str
    per_user: int

    @property
    def users(self) -> int:
        """In each log."""
        return max(self.decisions // self.per_user, 2)


@dataclass(frozen=True)
class World:
    """Kinds of users with their probabilities: all that a log is drawn from.

    Attributes:
        probabilities: of each kind, [J].
        sums: contribution of a user of each kind to wr, w, n, [J, 3].
        squares: contribution of a user of each kind to the decisions' w^2 and (wr)^2, [J, 2].
        widest: how far apart w (r - value) of two users can lie.
    """

    probabilities: Floats
    sums: Floats
    squares: Floats
    widest: float

    @property
    def truth(self) -> float:
        """The value of the policy judged, exactly."""
        reward, weight, decisions = self.probabilities @ self.sums
        assert abs(weight / decisions - 1.0) < 1e-9
        return float(reward / decisions)

    def features(self) -> Floats:
        """Everything that is summed over users, [J, 12]: terms, squares, products of terms, (wr)^4."""
        products = [self.sums[:, one] * self.sums[:, other] for one, other in PAIRS]
        return np.column_stack([self.sums, self.squares, *products, self.sums[:, 0] ** 4])


def world_of(cell: Cell, rng: np.random.Generator) -> World:
    """Users of one decision are all kinds there are; others are a large sample, which then is the world."""
    sigma = OVERLAPS[cell.overlap]
    if cell.per_user == 1:
        likely = np.exp(-(GRID**2) / 2.0)
        scores, rewards = np.repeat(GRID, 2), np.tile([0.0, 1.0], len(GRID))
        rate = rewarded(cell.rate, scores)
        probabilities = np.repeat(likely / likely.sum(), 2) * np.where(rewards == 1.0, rate, 1.0 - rate)
        owners, sizes = np.arange(len(scores)), np.ones(len(scores))
    else:
        sizes = rng.integers(1, 2 * cell.per_user, KINDS)
        owners = np.repeat(np.arange(KINDS), sizes)
        # Half of the features of a decision, and the propensity to be rewarded, belong to the user.
        scores = sqrt(0.5) * rng.normal(size=KINDS)[owners] + sqrt(0.5) * rng.normal(size=len(owners))
        scores = np.clip(scores, GRID[0], GRID[-1])
        keen = rng.uniform(0.7, 1.3, KINDS)[owners]
        rewards = (rng.random(len(owners)) < keen * rewarded(cell.rate, scores)).astype(float)
        probabilities = np.full(KINDS, 1.0 / KINDS)
    weights = np.exp(sigma * scores)
    weights *= (probabilities @ sizes) / (probabilities @ np.bincount(owners, weights))
    largest = float(weights.max())
    by_user = [np.bincount(owners, terms) for terms in (weights * rewards, weights, np.ones(len(owners)))]
    squares = [np.bincount(owners, terms**2) for terms in (weights, weights * rewards)]
    return World(probabilities, np.column_stack(by_user), np.column_stack(squares), largest * (2 * cell.per_user - 1))


def rewarded(rate: float, scores: Floats) -> Floats:
    """Chance of a reward, at most one: the judged policy prefers actions that are somewhat better."""
    return rate * (1.0 + 0.5 * np.tanh(scores))


def logs_of(world: World, users: int, repetitions: int, rng: np.random.Generator) -> Iterator[Longs]:
    """Counts of each kind of user in each log, [chunk, J]."""
    kinds = len(world.probabilities)
    for start in range(0, repetitions, 250):
        chunk = min(250, repetitions - start)
        if kinds < KINDS:
            yield rng.multinomial(users, world.probabilities, size=chunk)
        else:
            drawn = rng.integers(0, kinds, (chunk, users)) + kinds * np.arange(chunk)[:, None]
            yield np.bincount(drawn.ravel(), minlength=chunk * kinds).reshape(chunk, kinds)


def cells() -> list[Cell]:
    """All of them."""
    return [Cell(*cell) for cell in product((500, 2_000, 10_000, 100_000), (0.005, 0.05, 0.5), OVERLAPS, (1, 5, 20))]
