"""How well a policy's ranker orders what its plans bring."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltrr.core.ranking_metrics import ndcg
from ltrr.serving.policy import Policy
from ltrr.serving.ranker import Ranker
from ltrr.simulation.answers import answers_of, drawn_by, looks_of
from ltrr.simulation.replicates import interval_of, replicate_means
from ltrr.simulation.world import World


def ranker_table(world: World, policy: Policy) -> list[dict[str, Any]]:
    """True nDCG@10 of the policy's order and of reciprocal rank fusion, on the unions of its greedy plans.

    The ideal order is that of the union itself: the ranker is judged by what it was given. Queries whose union holds
    nothing relevant say nothing and are left out.

    Returns:
        one dict a slice: slice, queries, learned, fusion, and their difference with low and high.
    """
    fusion = Ranker(policy.space, None)
    table: list[dict[str, Any]] = []
    for name, members in world.slices.items():
        gained: list[tuple[float, float]] = []
        for query in members.tolist():
            text = world.queries[query].query_text
            answers = answers_of(world, policy, query)
            plan = policy.greedy(text, looks_of(answers, policy.manifest.settings.observe)).plan_index
            drawn = drawn_by(answers, policy.space.plans[plan].tolist())
            orders = (policy.rank(text, drawn).entity_ids, fusion.rank(world.keys[query], drawn).entity_ids)
            gains = [
                [
                    world.queries[query].relevance.get(world.entity_numbers.get(entity_id, -1), 0.0)
                    for entity_id in order
                ]
                for order in orders
            ]
            if any(gains[0]):
                gained.append((ndcg(gains[0]), ndcg(gains[1])))
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
