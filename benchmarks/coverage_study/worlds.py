"""Worlds of known truth, and their logs as counts of kinds of users.

Drawing these counts has the same distribution as drawing the rows of a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np

from ltrr.arrays import Floats, Longs

OVERLAPS: Mapping[str, float] = {"good": 0.5, "fair": 1.0, "poor": 1.6}
"""Standard deviation of the logarithm of the weights.

The effective sample is about 78, 37 and 8 % of the decisions.
"""
GRID = np.linspace(-4.0, 4.0, 33)
"""Standard normal scores of a decision, cut at 4; its weight is exp(sigma x score), normalised."""
KINDS = 20_000
"""Number of kinds of users in a world whose users make several decisions.

The kinds are drawn once for each cell; they then define the world exactly.
"""
PAIRS = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
"""Pairs of the terms wr, w, n whose products are summed over users."""


@dataclass(frozen=True)
class Cell:
    """Parameters of one world.

    Attributes:
        decisions: Expected number of decisions of a log.
        rate: Share of logged decisions with a reward.
        overlap: Key of OVERLAPS.
        per_user: Mean number of decisions of a user; uniform on 1 to 2 * per_user - 1.
    """

    decisions: int
    rate: float
    overlap: str
    per_user: int

    @property
    def users(self) -> int:
        """Number of users of each log."""
        return max(self.decisions // self.per_user, 2)


@dataclass(frozen=True)
class World:
    """Kinds of users and their probabilities. Logs are drawn from these alone.

    Attributes:
        probabilities: Probability of each kind, [J].
        sums: Contribution of a user of each kind to wr, w, n, [J, 3].
        squares: Contribution of a user of each kind to the decisions' w^2 and (wr)^2, [J, 2].
        widest: Largest possible distance between w (r - value) of two users.
    """

    probabilities: Floats
    sums: Floats
    squares: Floats
    widest: float

    @property
    def truth(self) -> float:
        """Exact value of the judged policy."""
        reward, weight, decisions = self.probabilities @ self.sums
        assert abs(weight / decisions - 1.0) < 1e-9
        return float(reward / decisions)

    def features(self) -> Floats:
        """Quantities that are summed over users, [J, 12].

        These are the terms, the squares, the products of terms, and (wr)^4.
        """
        products = [self.sums[:, one] * self.sums[:, other] for one, other in PAIRS]
        return np.column_stack([self.sums, self.squares, *products, self.sums[:, 0] ** 4])


def world_of(cell: Cell, rng: np.random.Generator) -> World:
    """World of a cell.

    Users of one decision are enumerated: every score with and without a reward. Users of several
    decisions are a sample of `KINDS` kinds, which then defines the world.
    """
    sigma = OVERLAPS[cell.overlap]
    if cell.per_user == 1:
        masses = np.exp(-(GRID**2) / 2.0)
        scores, rewards = np.repeat(GRID, 2), np.tile([0.0, 1.0], len(GRID))
        rate = reward_rates(cell.rate, scores)
        probabilities = np.repeat(masses / masses.sum(), 2) * np.where(rewards == 1.0, rate, 1.0 - rate)
        owners, sizes = np.arange(len(scores)), np.ones(len(scores))
    else:
        sizes = rng.integers(1, 2 * cell.per_user, KINDS)
        owners = np.repeat(np.arange(KINDS), sizes)
        # Half of the variance of a score, and a factor of the reward rate, belong to the user.
        scores = sqrt(0.5) * rng.normal(size=KINDS)[owners] + sqrt(0.5) * rng.normal(size=len(owners))
        scores = np.clip(scores, GRID[0], GRID[-1])
        user_factors = rng.uniform(0.7, 1.3, KINDS)[owners]
        rewards = (rng.random(len(owners)) < user_factors * reward_rates(cell.rate, scores)).astype(float)
        probabilities = np.full(KINDS, 1.0 / KINDS)
    weights = np.exp(sigma * scores)
    weights *= (probabilities @ sizes) / (probabilities @ np.bincount(owners, weights))
    largest = float(weights.max())
    by_user = [np.bincount(owners, terms) for terms in (weights * rewards, weights, np.ones(len(owners)))]
    squares = [np.bincount(owners, terms**2) for terms in (weights, weights * rewards)]
    return World(probabilities, np.column_stack(by_user), np.column_stack(squares), largest * (2 * cell.per_user - 1))


def reward_rates(rate: float, scores: Floats) -> Floats:
    """Probability of a reward, at most one.

    It grows with the score: the judged policy prefers actions that are somewhat better.
    """
    return rate * (1.0 + 0.5 * np.tanh(scores))


def logs_of(world: World, users: int, repetitions: int, rng: np.random.Generator) -> Iterator[Longs]:
    """Number of users of each kind in each log, in chunks [chunk, J]."""
    kinds = len(world.probabilities)
    for start in range(0, repetitions, 250):
        chunk = min(250, repetitions - start)
        if kinds < KINDS:
            yield rng.multinomial(users, world.probabilities, size=chunk)
        else:
            drawn = rng.integers(0, kinds, (chunk, users)) + kinds * np.arange(chunk)[:, None]
            yield np.bincount(drawn.ravel(), minlength=chunk * kinds).reshape(chunk, kinds)


def cells() -> list[Cell]:
    """All cells of the study."""
    return [Cell(*cell) for cell in product((500, 2_000, 10_000, 100_000), (0.005, 0.05, 0.5), OVERLAPS, (1, 5, 20))]
