"""True nDCG of a policy's ranker on the unions of its plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ltrr.core.planning import Block
from ltrr.core.ranking_metrics import ndcg
from ltrr.serving.policy import Policy
from ltrr.serving.ranker import Page, Ranker, Slate
from ltrr.simulation.answers import answers_of, looks_of, plan_blocks
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.replicates import interval_of, replicate_means
from ltrr.simulation.world import World

_AT_ONCE = 2_000


def ranker_table(world: World, policy: Policy) -> list[dict[str, Any]]:
    """True nDCG@10 of the policy's order and of reciprocal rank fusion.

    Both order the unions of the policy's greedy plans. The ideal order is that of the union itself,
    so the measure does not depend on entities that the ranker did not get. Queries whose union has
    no relevant entity are left out.

    Returns:
        One dict per slice: slice, queries, learned, fusion, and their difference with low and high.
    """
    table: list[dict[str, Any]] = []
    for name, members in world.slices.items():
        gained: list[tuple[float, float]] = []
        for start in range(0, len(members), _AT_ONCE):
            gained += _gained(world, policy, members[start : start + _AT_ONCE].tolist())
        if not gained:
            continue
        values = np.array(gained)
        means = replicate_means(values)
        low, high = interval_of(means[:, 0] - means[:, 1])
        learned, fused = values.mean(axis=0).tolist()
        table.append(
            {
                "slice": name,
                "queries": len(values),
                "learned": learned,
                "fusion": fused,
                "over_fusion": learned - fused,
                "over_fusion_low": low,
                "over_fusion_high": high,
            }
        )
    return table


def _gained(world: World, policy: Policy, queries: list[int]) -> list[tuple[float, float]]:
    """(nDCG of the policy's order, of rank fusion) per query with a relevant entity drawn."""
    observe = policy.manifest.settings.observe
    pages: list[tuple[str, tuple[Block, ...]]] = []
    for query in queries:
        text = world.queries[query].query_text
        answers = answers_of(world, policy, query)
        plan = policy.greedy(text, looks_of(answers, observe), world.fields).plan_index
        pages.append((text, plan_blocks(answers, policy.space.plans[plan].tolist())))
    learned_order = partial(policy.rank_many, fields=world.fields)
    gained = true_ndcg(world, queries, pages, (learned_order, Ranker(policy.space, None).rank_many))
    return [(learned, fused) for learned, fused in gained if learned == learned]


def true_ndcg(
    world: World,
    queries: Sequence[int],
    pages: Sequence[Page],
    orders: Sequence[Callable[[Sequence[Page]], list[Slate]]],
) -> list[tuple[float, ...]]:
    """True nDCG@10 of some orders of the same unions; NaN if a union has no relevant entity.

    Args:
        world: World with the true relevance.
        queries: Query number of each page.
        pages: Query text and drawn blocks of each page.
        orders: `rank_many` of a policy or of a `Ranker`.
    """
    ranked = [order(pages) for order in orders]
    gained = []
    for query, *slates in zip(queries, *ranked, strict=True):
        relevance = world.queries[query].relevance
        gains = [
            [relevance.get(world.entity_numbers.get(entity_id, NO_ENTITY), 0.0) for entity_id in slate.entity_ids]
            for slate in slates
        ]
        gained.append(tuple(ndcg(row) for row in gains))
    return gained
