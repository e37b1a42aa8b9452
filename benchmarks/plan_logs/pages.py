"""A world as arrays: the page of every plan of every searched query, and its true value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.learned_retrieval.log import STRENGTH, Pairs, simulate
from ltrr.arrays import Floats, Integers8, Longs
from ltrr.core.coverage import with_evidence
from ltrr.core.plans import PlanSpace
from ltrr.core.ranking_metrics import FUSION_CONSTANT
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.world import World

EARLIER_IMPRESSIONS = 200_000
"""Number of impressions of an earlier uniform log.

The memory, the learned values and the features of q-hat come from this log.
"""

_QUERIES_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class Pages:
    """Pages of Q queries, P plans, C candidates a query and L positions.

    All attributes but `learned` are true values.

    Attributes:
        space: Plan space.
        traffic: Share of the searches, [Q].
        places: Depth of the block in which each strategy lists a candidate; 0 if it does not,
            [Q, C, S].
        attraction: P(click | examined), [Q, C + 1]; the last column stands for an empty position
            and is 0.
        learned: Attraction estimated from the earlier log, [Q, C + 1].
        examination: P(examined) by position, [L].
        shown: Candidate at each position; C at an empty position, [Q, P, L].
    """

    space: PlanSpace
    traffic: Floats
    places: Longs
    attraction: Floats
    learned: Floats
    examination: Floats
    shown: Integers8

    def page_rewards(self, attraction: Floats) -> Floats:
        """Expected clicks of every page for the given attraction, [Q, P]."""
        rewards = np.zeros(self.shown.shape[:2])
        for place, examined in enumerate(self.examination):
            rewards += examined * np.take_along_axis(attraction, self.shown[:, :, place].astype(np.int64), axis=1)
        return rewards

    def found_rewards(self, attraction: Floats) -> Floats:
        """Sum of the given attraction over every union, [Q, P]."""
        rewards = np.zeros(self.shown.shape[:2])
        for place in range(len(self.examination)):
            rewards += np.take_along_axis(attraction, self.shown[:, :, place].astype(np.int64), axis=1)
        return rewards

    @cached_property
    def expected_rewards(self) -> dict[str, Floats]:
        """Kind of reward -> true expected reward of every page, [Q, P]."""
        return {"page": self.page_rewards(self.attraction), "found": self.found_rewards(self.attraction)}

    @cached_property
    def squares(self) -> dict[str, Floats]:
        """Kind of reward -> mean square of the reward of every page, [Q, P].

        Clicks are independent of each other.
        """
        spread = {"page": np.zeros(self.shown.shape[:2]), "found": np.zeros(self.shown.shape[:2])}
        for place, examined in enumerate(self.examination):
            chance = examined * np.take_along_axis(self.attraction, self.shown[:, :, place].astype(np.int64), axis=1)
            spread["page"] += chance * (1.0 - chance)
            spread["found"] += chance * (1.0 - chance) / examined**2
        return {kind: spread[kind] + self.expected_rewards[kind] ** 2 for kind in spread}

    def value(self, plan_propensities: Floats, reward: str) -> float:
        """Exact value of a policy: the mean over searches and plans."""
        return float(self.traffic @ (plan_propensities * self.expected_rewards[reward]).sum(axis=1))


def pages_of(world: World, seed: int) -> Pages:
    """Pages of a world whose memory was filled by an earlier uniform log.

    Pages are in the order of reciprocal rank fusion over the drawn blocks, so they depend on the
    set of blocks alone. Equal scores are in a random order that is fixed for each query and
    independent of the order of draws. A union of 8 entities fits on a page of 10.
    """
    space = PlanSpace(world.strategies, world.block_size, world.budget)
    pairs = Pairs.of(world)
    earlier = simulate(world, pairs, space, EARLIER_IMPRESSIONS, seed)
    seen = np.flatnonzero(world.traffic > 0.0)
    ranks = np.concatenate([pairs.ranks, earlier.memory[:, :, None]], axis=2)[seen].astype(np.int64)
    places = -(-ranks // space.block_size)
    exists = pairs.entities[seen] != NO_ENTITY
    best_rank = np.where(pairs.ranks[seen] > 0, pairs.ranks[seen], 99).min(axis=2)
    prior = _prior_by_rank(earlier.clicks[seen], earlier.examinations[seen], best_rank)
    learned = with_evidence(prior, earlier.clicks[seen], earlier.examinations[seen], STRENGTH)
    ties = np.random.default_rng(seed).random(exists.shape)
    empty_place = ((0, 0), (0, 1))
    return Pages(
        space=space,
        traffic=world.traffic[seen],
        places=places,
        attraction=np.pad(np.where(exists, world.users.click_if_examined(pairs.relevance[seen]), 0.0), empty_place),
        learned=np.pad(np.where(exists, np.clip(learned, 0.0, 1.0), 0.0), empty_place),
        examination=world.users.examination()[: space.block_size * space.budget],
        shown=_rank_pages(space, ranks, places, ties),
    )


def _prior_by_rank(clicks: Floats, examinations: Floats, best_rank: Longs) -> Floats:
    """Mean attraction of candidates with the same best rank over strategies, [Q, C]."""
    deepest = int(best_rank.max()) + 1
    totals = [np.bincount(best_rank.ravel(), weights=x.ravel(), minlength=deepest) for x in (clicks, examinations)]
    return np.asarray(((totals[0] + 1.0) / (totals[1] + 10.0))[best_rank])


def _rank_pages(space: PlanSpace, ranks: Longs, places: Longs, ties: Floats) -> Integers8:
    queries, candidates, strategies = ranks.shape
    length = space.block_size * space.budget
    shown = np.full((queries, len(space), length), candidates, dtype=np.int8)
    for start in range(0, queries, _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        score = np.zeros((len(ranks[part]), len(space), candidates))
        for s in range(strategies):
            place = places[part, None, :, s]
            drawn = (place > 0) & (place <= space.plans[:, s][:, None])
            score += np.where(drawn, (FUSION_CONSTANT + 1) / (FUSION_CONSTANT + ranks[part, None, :, s]), 0.0)
        is_drawn = score > 0.0
        order = np.argsort(np.where(is_drawn, -score - 1e-9 * ties[part, None], 1.0), axis=2)[:, :, :length]
        shown[part] = np.where(np.take_along_axis(is_drawn, order, axis=2), order, candidates)
    return shown
