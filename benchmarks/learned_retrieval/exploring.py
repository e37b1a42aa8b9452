"""Cost of exploration, and the effective sample that it gives to later verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.arrays import Floats
from benchmarks.learned_retrieval.report import Judged
from ltrr.core.exploration import ExplorationSettings, explore, shortlist_of

TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.1)
FLOORS = (0.02, 0.05, 0.1)
SHORTLIST = 20


def exploration_rows(observe: str, values: Floats, judged: Judged) -> list[dict[str, Any]]:
    """Recall lost on unseen queries, and the effective sample a decision that judging the best plan has: 1 / E[1/p]."""
    unseen = np.flatnonzero(judged.world.unseen & (judged.world.relevant_counts > 0))
    greedy = values[unseen].argmax(axis=1)
    rows = []
    for temperature in TEMPERATURES:
        for floor in FLOORS:
            served = np.array(
                [
                    explore(
                        values[query][shortlist],
                        ExplorationSettings(temperature, floor),
                        shortlist=shortlist,
                        n_actions=values.shape[1],
                    ).dense()
                    for query in unseen.tolist()
                    for shortlist in (shortlist_of(values[query], SHORTLIST),)
                ]
            )
            recall = float((served * judged.truth[unseen]).sum(axis=1).mean())
            best = served[np.arange(len(unseen)), greedy]
            rows.append(
                {
                    "observe": observe,
                    "policy": "explored",
                    "slice": "unseen",
                    "recall": recall,
                    "draws": float(judged.space.budget),
                    "cost": float(judged.truth[unseen, greedy].mean()) - recall,
                    "effective_share": float(1.0 / np.mean(1.0 / best)),
                    "note": f"temperature {temperature:g}, floor {floor:g}",
                }
            )
    return rows
