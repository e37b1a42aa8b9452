"""Exact true values: the recall of the union of every plan, and the expected reward of every page.

Recall of a union is the number of its relevant entities over min(all relevant, block_size x
budget), for shorter plans too. It is computed for all plans at once: each relevant entity that any
strategy lists is a bit, and a plan's union is the `or` of its strategies' bits at their depths. The
expected page_reward of a page is

    sum over positions j of examination[j] * P(click | examined, relevance of the entity at j),

because an entity with a click has reward 1, and a purchase only follows a click.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Floats, Longs
from ltrr.core.hashing import unit_interval
from ltrr.core.plans import PlanSpace
from ltrr.serving.policy import Policy
from ltrr.serving.ranker import Slate
from ltrr.simulation.answers import answers_of, plan_blocks, recall_entities, strategy_places
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.world import World

_PAGES_AT_ONCE = 4_096
_QUERIES_AT_ONCE = 512


def union_recalls(world: World, space: PlanSpace, queries: Longs, memory: NDArray[np.int32]) -> Floats:
    """True recall of the union of every plan for each query, [n, P]; NaN if no entity is relevant.

    Args:
        world: World with the true relevance.
        space: Plans.
        queries: Query numbers, [n].
        memory: Entity numbers that the memory recalls for each query, [n, L], as
            `answers.recall_entities` gives them.
    """
    recalls = np.empty((len(queries), len(space)))
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        chunk = slice(start, start + _QUERIES_AT_ONCE)
        recalls[chunk] = _chunk_recalls(world, space, queries[chunk], memory[chunk])
    return recalls


def true_recall(world: World, policy: Policy, queries: Longs) -> Floats:
    """`union_recalls` of every plan of a policy, its own memory included, [n, P]."""
    return union_recalls(world, policy.space, queries, recall_entities(world, policy, queries))


def page_rewards(world: World, queries: Longs, pages: Sequence[Slate]) -> Floats:
    """Expected page_reward of one page for each query, [n]."""
    size = world.users.page_size
    shown = np.full((len(pages), size), NO_ENTITY, dtype=np.int64)
    for row, page in enumerate(pages):
        for position, entity_id in enumerate(page.entity_ids[:size]):
            shown[row, position] = world.entity_numbers.get(entity_id, NO_ENTITY)
    filled = np.array([[min(len(page.entity_ids), size)] for page in pages]).reshape(-1, 1) > np.arange(size)
    clicked = world.users.click_if_examined(world.relevance(queries[:, None], shown)) * world.users.examination()
    return np.asarray((clicked * filled).sum(axis=1))


def true_page_rewards(world: World, policy: Policy, queries: Longs, plans: Longs) -> Floats:
    """Expected page_reward of the page that the policy's ranker makes of each plan's union.

    Args:
        world: World with the true relevance.
        policy: Policy whose ranker and memory are used.
        queries: Query numbers, [n].
        plans: Plan indices, [n, K] (or [n]).

    Returns:
        [n, K] (or [n]).
    """
    wide = plans.reshape(len(queries), -1)
    rewards = np.empty(wide.shape)
    depths = policy.space.plans.tolist()
    rows_at_once = max(1, _PAGES_AT_ONCE // max(1, wide.shape[1]))
    for start in range(0, len(queries), rows_at_once):
        chunk = queries[start : start + rows_at_once]
        drawn = [
            (world.queries[query].query_text, plan_blocks(answers, depths[plan]))
            for query, chosen in zip(chunk.tolist(), wide[start : start + rows_at_once].tolist(), strict=True)
            for answers in (answers_of(world, policy, query),)
            for plan in chosen
        ]
        pages = policy.rank_many(drawn, world.fields)
        rewards[start : start + rows_at_once] = page_rewards(world, np.repeat(chunk, wide.shape[1]), pages).reshape(
            len(chunk), -1
        )
    return rewards.reshape(plans.shape)


def draw_plans(distributions: Floats, queries: Longs, draws: int) -> Longs:
    """Draw plans from each query's distribution by systematic sampling, [n, draws].

    The draws are evenly spaced, and a hash of the query sets the start. The mean of any value over
    them is an unbiased estimate of its mean over the plans. Its variance is lower than that of
    independent draws (Cochran, "Sampling Techniques", 1977, ch. 8).

    >>> draw_plans(np.array([[0.5, 0.0, 0.5]]), np.array([7]), draws=4).tolist()
    [[0, 0, 2, 2]]
    """
    starts = np.array([unit_interval("plans drawn", query) for query in queries.tolist()])
    points = (starts[:, None] + np.arange(draws)) / draws
    cumulative = distributions.cumsum(axis=1)
    cumulative /= cumulative[:, -1:]
    return np.stack(
        [np.searchsorted(row, point, side="right") for row, point in zip(cumulative, points, strict=True)]
    ).clip(max=distributions.shape[1] - 1)


def _chunk_recalls(world: World, space: PlanSpace, queries: Longs, memory: NDArray[np.int32]) -> Floats:
    length = space.block_size * space.budget
    lists = np.stack(
        [
            memory[:, :length] if place is None else world.rankings.entities[queries, place, :length]
            for place in strategy_places(world, space)
        ],
        axis=1,
    )
    n, strategies, _ = lists.shape
    flat = lists.reshape(n, -1).astype(np.int64)
    relevant = world.relevance(queries[:, None], flat) > 0.0
    # One bit for each relevant entity: the column at which it is first listed.
    first = (flat[:, :, None] == flat[:, None, :]).argmax(axis=2)
    words = -(-flat.shape[1] // 64)
    bits = np.zeros((n, flat.shape[1], words), dtype=np.uint64)
    rows, columns = np.nonzero(relevant)
    bit = first[rows, columns]
    bits[rows, columns, bit // 64] = np.uint64(1) << (bit % 64).astype(np.uint64)
    by_block = np.bitwise_or.reduce(bits.reshape(n, strategies, space.budget, space.block_size, words), axis=3)
    held = np.zeros((n, strategies, space.budget + 1, words), dtype=np.uint64)
    held[:, :, 1:] = np.bitwise_or.accumulate(by_block, axis=2)
    union = np.zeros((n, len(space), words), dtype=np.uint64)
    for s in range(strategies):
        union |= held[:, s, space.plans[:, s]]
    hits = np.bitwise_count(union).sum(axis=2)
    possible = np.minimum(world.relevant_counts[queries], world.limit).astype(np.float64)
    possible[possible == 0.0] = np.nan
    return np.asarray(hits / possible[:, None])
