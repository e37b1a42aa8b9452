"""Plans that cannot but bring the same candidates: they share one reward, so they share one importance weight.

Once a visible block of a strategy came short, its deeper blocks are known to be empty *before* anything is chosen.
Plans that differ only in such blocks draw the same candidates, the page is the same, and the reward has one
distribution: a weight may be taken on the group, P_target(group) / P_logging(group). It is the conditional expectation
of the plan's own weight given what was drawn, so it is unbiased wherever that is and never varies more (Rao-Blackwell;
off-policy: Saito and Joachims, "Off-Policy Evaluation for Large Action Spaces via Embeddings", ICML 2022).

A block that timed out or failed says nothing about the next one: it joins no plans together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace


def reachable_depths(space: PlanSpace, looks: Sequence[Block]) -> NDArray[np.int64]:
    """The deepest block of each strategy that may hold candidates, as far as the looks tell, [S].

    >>> space = PlanSpace(("title", "people", "memory"), block_size=2, budget=4)
    >>> short = [Block("title", 1, "ok", ("e1",), (1.0,)), Block("people", 1, "empty"), Block("memory", 1, "timeout")]
    >>> reachable_depths(space, short).tolist()
    [1, 0, 4]
    """
    reach = np.full(len(space.strategies), space.budget)
    for block in looks:
        if block.status in ("ok", "empty") and len(block.entity_ids) < space.block_size:
            s = space.strategy_index[block.strategy]
            reach[s] = min(reach[s], block.depth if block.entity_ids else block.depth - 1)
    return reach


def plan_groups(space: PlanSpace, reach: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each plan, [P], the same for two plans when they draw the same blocks that may hold candidates.

    >>> space = PlanSpace(("title", "people", "memory"), block_size=2, budget=2)
    >>> groups = plan_groups(space, np.array([2, 0, 2]))
    >>> [[space.text(i) for i in np.flatnonzero(groups == group)] for group in np.unique(groups)]
    [['people:2'], ['people:1,memory:1'], ['memory:2'], ['title:1,people:1'], ['title:1,memory:1'], ['title:2']]
    >>> groups = plan_groups(space, np.array([2, 0, 0]))
    >>> [[space.text(i) for i in np.flatnonzero(groups == group)] for group in np.unique(groups)]
    [['memory:2', 'people:1,memory:1', 'people:2'], ['title:1,memory:1', 'title:1,people:1'], ['title:2']]
    """
    digits = (space.budget + 1) ** np.arange(len(space.strategies) - 1, -1, -1)
    return np.asarray(np.minimum(space.plans, reach) @ digits, dtype=np.int64)
