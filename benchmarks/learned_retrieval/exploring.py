"""Cost of exploration, and the effective sample size of later verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.learned_retrieval.report import LogResults
from ltrr.arrays import Floats
from ltrr.core.exploration import ExplorationSettings, explore, shortlist_of

TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.1)
FLOORS = (0.02, 0.05, 0.1)
SHORTLIST = 20


def exploration_rows(observe: str, values: Floats, results: LogResults) -> list[dict[str, Any]]:
    """Recall lost on unseen queries, and effective sample size, for each setting of exploration.

    The effective sample size for the best plan is 1 / E[1/p] of the number of decisions.
    """
    unseen = np.flatnonzero(results.world.unseen & (results.world.relevant_counts > 0))
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
            recall = float((served * results.truth[unseen]).sum(axis=1).mean())
            best = served[np.arange(len(unseen)), greedy]
            rows.append(
                {
                    "observe": observe,
                    "policy": "explored",
                    "slice": "unseen",
                    "recall": recall,
                    "draws": float(results.space.budget),
                    "cost": float(results.truth[unseen, greedy].mean()) - recall,
                    "effective_share": float(1.0 / np.mean(1.0 / best)),
                    "note": f"temperature {temperature:g}, floor {floor:g}",
                }
            )
    return rows
