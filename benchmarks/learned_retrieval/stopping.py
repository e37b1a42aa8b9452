"""Shorter plans: a block is drawn only if its gain is at least a price."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learned_retrieval.study import Study
from benchmarks.learned_retrieval.values import CandidateValues, coverages
from benchmarks.learned_retrieval.visibility import Library
from ltrr.core.plans import PlanSpace
from ltrr.simulation.truth import union_recalls
from ltrr.simulation.world import World

PRICES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Prices: minimum gain of one more block."""


def stop_rows(study: Study, world: World, by_view: CandidateValues, memory: NDArray[np.int32]) -> list[dict[str, Any]]:
    """Recall and mean number of draws on unseen queries, by price and for static plans.

    The planner looks at all blocks. The static plans are the best ones of 1 to 4 draws.
    """
    values, truths, rows = [], [], []
    for budget in range(1, study.library.space.budget + 1):
        space = PlanSpace(study.library.space.strategies, study.library.space.block_size, budget)
        library = Library(space, study.library.keys, _cut(study.library, budget), study.library.fields)
        values.append(coverages(study.views(library, study.depths(budget)), by_view))
        truths.append(union_recalls(world, space, study.all_queries, memory))
        without = space.plans[:, -1] == 0
        best = int(np.argmax(np.where(without, np.nanmean(truths[-1][~world.unseen], axis=0), -1.0)))
        rows.append(_row("static", float(np.nanmean(truths[-1][world.unseen, best])), float(budget), space.text(best)))
    best_of = np.stack([value.max(axis=1) for value in values], axis=1)
    taken = [value.argmax(axis=1) for value in values]
    for price in PRICES:
        chosen = (best_of - price * np.arange(1, len(values) + 1)).argmax(axis=1)
        recall = np.array([truths[b][q, taken[b][q]] for q, b in enumerate(chosen.tolist())])
        rows.append(
            _row(
                "value_planner_stop",
                float(np.nanmean(recall[world.unseen])),
                float(chosen[world.unseen].mean() + 1.0),
                f"price {price:g}",
            )
        )
    return rows


def _row(policy: str, recall: float, draws: float, note: str) -> dict[str, Any]:
    return {
        "observe": "all_blocks",
        "policy": policy,
        "slice": "unseen",
        "recall": recall,
        "draws": draws,
        "note": note,
    }


def _cut(library: Library, budget: int) -> tuple[tuple[tuple[Any, ...], ...], ...]:
    return tuple(tuple(blocks[:budget] for blocks in strategies) for strategies in library.blocks)
