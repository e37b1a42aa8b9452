"""Policies that draw block by block, as tables over states, and exact probabilities of plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.plan_logs.pages import Pages
from ltrr.arrays import Floats, Integers8, Longs
from ltrr.estimation.draw_orders import StepPolicy


@dataclass(frozen=True, eq=False)
class States:
    """Numbered depth vectors with fewer draws than the budget, in order of their number of draws.

    Attributes:
        depths: Depth vectors, [X, S].
        number: Number of the state at the index depths @ digits; -1 where there is no state.
        digits: (budget + 1) ** s for each strategy s, [S].
    """

    depths: Longs
    number: Longs
    digits: Longs

    @staticmethod
    def of(strategies: int, budget: int) -> States:
        """All states of the given number of strategies and budget."""
        vectors = [d for d in product(range(budget + 1), repeat=strategies) if sum(d) < budget]
        depths = np.array(sorted(vectors, key=lambda d: (sum(d), d)))
        digits = (budget + 1) ** np.arange(strategies)
        number = np.full((budget + 1) ** strategies, -1)
        number[depths @ digits] = np.arange(len(depths))
        return States(depths, number, digits)

    def at(self, depths: Longs) -> Longs:
        """Number of the state, [N], of each depth vector, [N, S]."""
        return np.asarray(self.number[depths @ self.digits])


@dataclass(frozen=True, eq=False)
class DrawPolicy:
    """Epsilon-greedy policy of draws; epsilon depends on the number of draws made.

    Attributes:
        states: States of the policy.
        taken: Greedy strategy for each query in each state, [Q, X].
        epsilon: Probability of a uniform draw before each draw, [D]; 1 is the uniform policy.
    """

    states: States
    taken: Integers8
    epsilon: tuple[float, ...]

    def steps(self, queries: Longs) -> StepPolicy:
        """Propensities of draws for the given queries, as `step_lattice` takes them."""
        strategies = self.states.depths.shape[1]
        epsilon = np.array(self.epsilon)

        def propensities(depths: Longs) -> Floats:
            explored = epsilon[depths.sum(axis=1)]
            chances = np.repeat((explored / strategies)[:, None], strategies, axis=1)
            chances[np.arange(len(queries)), self.taken[queries, self.states.at(depths)]] += 1.0 - explored
            return chances

        return propensities

    def plan_propensities(self, pages: Pages) -> Floats:
        """P(plan), summed over all orders of its draws, [Q, P]."""
        return _sum_over_orders(pages, self.states, self.steps(np.arange(len(self.taken))))

    def squared_weights(self, pages: Pages, other: DrawPolicy) -> Floats:
        """Sum of P(order)^2 / P_other(order) over the orders of every plan, [Q, P].

        Exact variances follow from it.
        """
        every = np.arange(len(self.taken))
        return _sum_over_orders(
            pages, self.states, lambda depths: self.steps(every)(depths) ** 2 / other.steps(every)(depths)
        )

    def greedy_plans(self, pages: Pages) -> Longs:
        """Plan that the policy draws for each query without exploration, [Q]."""
        without = DrawPolicy(self.states, self.taken, (0.0,) * len(self.epsilon))
        return np.asarray(without.plan_propensities(pages).argmax(axis=1))


def _sum_over_orders(pages: Pages, states: States, factors: StepPolicy) -> Floats:
    """Sum over the orders of every plan of the product of its steps' factors, [Q, P].

    The sums are computed forwards through all states.
    """
    queries, strategies = len(pages.traffic), states.depths.shape[1]
    reached = {tuple(depths): np.zeros(queries) for depths in states.depths.tolist()}
    reached |= {tuple(plan): np.zeros(queries) for plan in pages.space.plans.tolist()}
    reached[(0,) * strategies] += 1.0
    for depths in states.depths.tolist():
        chances = factors(np.tile(depths, (queries, 1)))
        for s in range(strategies):
            after = tuple(depth + (s == place) for place, depth in enumerate(depths))
            reached[after] += reached[tuple(depths)] * chances[:, s]
    return np.stack([reached[tuple(plan)] for plan in pages.space.plans.tolist()], axis=1)


def block_gains(pages: Pages, states: States) -> Floats:
    """Gain of the next block of each strategy in each state, [Q, X, S].

    The gain is the increase of the learned value of the union.
    """
    learned = pages.learned[:, :-1]
    gains = np.zeros((len(learned), len(states.depths), len(pages.space.strategies)))
    for number, depths in enumerate(states.depths):
        is_drawn = ((pages.places > 0) & (pages.places <= depths)).any(axis=2)
        for s, depth in enumerate(depths.tolist()):
            gains[:, number, s] = (learned * ((pages.places[:, :, s] == depth + 1) & ~is_drawn)).sum(axis=1)
    return gains


def incumbent_choices(pages: Pages, states: States, gains: Floats) -> Integers8:
    """Choices of a service without learned values of the query, [Q, X].

    It draws the block with the largest mean gain over searches in that state. It does not draw from
    a strategy whose last block was not full.
    """
    average = np.einsum("q,qxs->xs", pages.traffic, gains)
    depths_made = range(1, pages.space.budget + 1)
    listed = np.stack([(pages.places == depth).sum(axis=1) for depth in depths_made], axis=2)
    full = listed == pages.space.block_size
    choices = np.zeros((len(gains), len(states.depths)), dtype=np.int8)
    for number, depths in enumerate(states.depths.tolist()):
        is_open = np.stack(
            [full[:, s, depth - 1] if depth else np.ones(len(gains), bool) for s, depth in enumerate(depths)], axis=1
        )
        choices[:, number] = np.where(is_open, average[number], -1.0).argmax(axis=1)
    return choices


def challenger_choices(pages: Pages, gains: Floats, excluded: Integers8) -> Integers8:
    """Block with the largest learned gain for the query, except the excluded one, [Q, X].

    Where no block has a gain, it is the block with the largest mean gain.

    Args:
        pages: Pages of the world.
        gains: Gains of `block_gains`, [Q, X, S].
        excluded: Choice of another policy in each state, [Q, X].
    """
    average = np.einsum("q,qxs->xs", pages.traffic, gains)
    allowed = gains + 1e-6 * average
    np.put_along_axis(allowed, excluded[:, :, None].astype(np.int64), -1.0, axis=2)
    return allowed.argmax(axis=2).astype(np.int8)


def draw_policies(
    pages: Pages, states: States, gains: Floats
) -> Iterator[tuple[str, DrawPolicy, dict[str, DrawPolicy]]]:
    """(name of the log, logging policy, targets by the draws in which they differ from it)."""
    incumbent = incumbent_choices(pages, states, gains)
    other = challenger_choices(pages, gains, incumbent)
    made = states.depths.sum(axis=1)
    last = np.where(made == pages.space.budget - 1, other, incumbent).astype(np.int8)
    draws = pages.space.budget
    for name, logged in (("uniform", 1.0), ("epsilon .3", 0.3)):
        yield (
            name,
            DrawPolicy(states, incumbent, (logged,) * draws),
            {
                "all": DrawPolicy(states, other, (0.1,) * draws),
                "last": DrawPolicy(states, last, (*(logged,) * (draws - 1), 0.1)),
            },
        )
