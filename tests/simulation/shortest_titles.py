"""A strategy of simulated worlds, added to the registry as a user would add one."""

from __future__ import annotations

import numpy as np

from ltrr.simulation.popular import popularity_ranking
from ltrr.simulation.rankings import Ranking
from ltrr.simulation.strategy import SearchTask, WorldStrategy


def shortest_ranking(task: SearchTask) -> Ranking:
    """Entities that share a word with the query, those with the shortest titles first."""
    shortness = 1.0 / np.array([len(title) + 1.0 for title in task.titles])
    return popularity_ranking(task.titles, shortness, task.queries, task.depth)


SHORTEST = WorldStrategy(shortest_ranking, lambda task: task.titles)
