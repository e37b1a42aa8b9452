"""Simulated log of a uniform policy in a world of known truth, and the statistics of a learner.

This module computes fusion and memory for all queries at once. The serving code computes them for
one query at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Bools, Floats, Longs
from ltrr.clicks.examination import CurvePrior, CurveSums, improve_curve, prior_curve
from ltrr.core.coverage import with_evidence
from ltrr.core.plans import PlanSpace
from ltrr.core.ranking_metrics import FUSION_CONSTANT
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.world import World

NIGHTS = 10
STRENGTH = 3.0
"""Weight of a predicted value relative to evidence, in examinations."""

_PRIOR_VALUE = 0.2
_CYCLES = 6
_AT_ONCE = 4_096


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every (query, entity) pair that a strategy lists, in C columns for each of Q queries.

    Attributes:
        entities: Entity numbers in ascending order, then `NO_ENTITY`, [Q, C].
        ranks: Rank by each world strategy, 1-based, 0 if it does not list the entity, [Q, C, S].
        relevance: True relevance, hidden from every learner, [Q, C].
    """

    entities: Longs
    ranks: NDArray[np.int16]
    relevance: Floats

    @staticmethod
    def of(world: World) -> Pairs:
        """All pairs of a world."""
        lists = world.rankings.entities
        queries, strategies, length = lists.shape
        flat = np.sort(lists.reshape(queries, -1).astype(np.int64), axis=1)
        first = flat != NO_ENTITY
        first[:, 1:] &= flat[:, 1:] != flat[:, :-1]
        row, column = np.nonzero(first)
        place = (np.cumsum(first, axis=1) - 1)[row, column]
        entities = np.full((queries, int(first.sum(axis=1).max())), NO_ENTITY, dtype=np.int64)
        entities[row, place] = flat[row, column]
        ranks = np.zeros((*entities.shape, strategies), dtype=np.int16)
        for s in range(strategies):
            for rank in range(length, 0, -1):
                entity = lists[:, s, rank - 1]
                ranks[:, :, s][(entities == entity[:, None]) & (entity != NO_ENTITY)[:, None]] = rank
        return Pairs(entities, ranks, world.relevance(np.arange(queries)[:, None], entities))


@dataclass(frozen=True, eq=False)
class Log:
    """Log of N impressions of a uniform policy, and its statistics.

    Attributes:
        queries, plans: Query and plan of each impression, [N].
        found: Found reward of each impression: clicks over estimated examination, [N].
        clicks, examinations: Sums over the impressions of each pair, [Q, C].
        memory: Rank of each pair in the memory after the last night; 0 if not recalled, [Q, C].
        drawn: Depth of the deepest block drawn from each strategy for each query, [Q, S].
        curve: Estimated examination by position.
    """

    queries: Longs
    plans: Longs
    found: Floats
    clicks: Floats
    examinations: Floats
    memory: NDArray[np.int16]
    drawn: Longs
    curve: Floats


def simulate(world: World, pairs: Pairs, space: PlanSpace, impressions: int, seed: int, plan: int | None = None) -> Log:
    """Serve `impressions` searches of seen queries over `NIGHTS` nights.

    Plans are uniform, or always `plan`.

    The memory is rebuilt after each night. Pages contain whole unions in the order of reciprocal
    rank fusion. Clicks follow the users of the world.
    """
    rng = np.random.default_rng(seed)
    shape = pairs.entities.shape
    positions = world.users.page_size
    shown_at = np.zeros((*shape, positions))
    clicked_at = np.zeros((*shape, positions))
    memory = np.zeros(shape, dtype=np.int16)
    curve = prior_curve(positions, 1.0)
    pages: list[tuple[Longs, Longs, Floats]] = []
    for _ in range(NIGHTS):
        searched = rng.choice(shape[0], impressions // NIGHTS, p=world.traffic)
        plans = rng.integers(0, len(space), len(searched)) if plan is None else np.full(len(searched), plan)
        for start in range(0, len(searched), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            columns, shown = page_columns(pairs, space, memory, searched[part], plans[part], positions, rng)
            chance = world.users.click_if_examined(np.take_along_axis(pairs.relevance[searched[part]], columns, axis=1))
            clicked = shown & (rng.random(chance.shape) < chance * world.users.examination()[: chance.shape[1]])
            row, position = np.nonzero(shown)
            cell = (searched[part][row], columns[row, position], position)
            np.add.at(shown_at, cell, 1.0)
            np.add.at(clicked_at, cell, clicked[row, position])
            pages.append((searched[part], plans[part], clicked.astype(np.float64)))
        curve = update_curve(curve, shown_at, clicked_at)
        clicks, examinations = clicked_at.sum(axis=2), shown_at @ curve
        memory = _rank_memory(clicks, examinations, space)
    queries, plans = (np.concatenate(column) for column in list(zip(*pages, strict=True))[:2])
    found = np.concatenate([page[2] @ (1.0 / curve[: page[2].shape[1]]) for page in pages])
    drawn = np.zeros((shape[0], len(space.strategies)), dtype=np.int64)
    np.maximum.at(drawn, queries, space.plans[plans].astype(np.int64))
    return Log(queries, plans, found, clicks, examinations, memory, drawn, curve)


def update_curve(curve: Floats, shown_at: Floats, clicked_at: Floats) -> Floats:
    """Examination by position, estimated from clicks as in the nightly job.

    The estimation starts from the curve of the night before.
    """
    seen = shown_at.sum(axis=2) > 0.0
    prior = CurvePrior(prior_curve(shown_at.shape[2], 1.0), clicks=10.0)
    for _ in range(_CYCLES):
        curve = improve_curve(curve, CurveSums.of(shown_at[seen], clicked_at[seen], curve), prior)
    return curve


def page_columns(
    pairs: Pairs,
    space: PlanSpace,
    memory: NDArray[np.int16],
    searched: Longs,
    plans: Longs,
    page_size: int,
    rng: np.random.Generator,
) -> tuple[Longs, Bools]:
    """Columns of the pairs on each page, in order, and whether each position has a pair."""
    ranks = np.concatenate([pairs.ranks, memory[:, :, None]], axis=2)[searched]
    is_drawn = (ranks > 0) & ((ranks + space.block_size - 1) // space.block_size <= space.plans[plans][:, None, :])
    fusion = np.where(is_drawn, (FUSION_CONSTANT + 1) / (FUSION_CONSTANT + ranks), 0.0).sum(axis=2)
    is_listed = is_drawn.any(axis=2)
    # Equal scores are in random order: the order must not reveal which strategy listed an entity.
    columns = np.argsort(np.where(is_listed, -fusion - 1e-9 * rng.random(fusion.shape), 1.0), axis=1)
    columns = columns[:, :page_size]
    return columns, np.take_along_axis(is_listed, columns, axis=1)


def _rank_memory(clicks: Floats, examinations: Floats, space: PlanSpace) -> NDArray[np.int16]:
    """Rank of each clicked pair by value after evidence, down to the depth of the deepest plan."""
    score = np.where(clicks > 0.0, with_evidence(_PRIOR_VALUE, clicks, examinations, STRENGTH), -1.0)
    order = np.argsort(-score, axis=1, kind="stable")[:, : space.block_size * space.budget]
    ranks = np.zeros(clicks.shape, dtype=np.int16)
    row, place = np.nonzero(np.take_along_axis(score, order, axis=1) > 0.0)
    ranks[row, order[row, place]] = place + 1
    return ranks
