"""Table of the true values of a policy and of its baselines.

The rows are the greedy policy, the policy as served (with exploration), uniform, equal split, best
single strategy, best static plan (over all strategies, and without the memory), and the exact best
plan of every query. Static plans are chosen by true recall on seen keys. Slices are unseen, head
and tail, and every query has the same weight. Recall is exact for all rows. Page reward is exact
for rows of few plans. For rows over all plans, `PLANS_DRAWN` plans are drawn evenly (unbiased, and
the interval covers it). Intervals come from a paired bootstrap over queries, 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltrr.arrays import Bools, Floats, Longs
from ltrr.core.feature_groups import MEMORY
from ltrr.core.plans import PlanSpace
from ltrr.serving.policy import Policy
from ltrr.simulation.policy_value import choices_of
from ltrr.simulation.replicates import interval_of, replicate_means
from ltrr.simulation.truth import draw_plans, true_page_rewards, true_recall
from ltrr.simulation.world import World

LEARNED_GREEDY = "learned, greedy"
LEARNED = "learned, as served"
UNIFORM = "uniform"
EQUAL_SPLIT = "equal split"
SINGLE = "best single strategy"
STATIC = "best static plan"
STATIC_WITHOUT_MEMORY = "best static plan without memory"
ORACLE = "exact oracle"

PLANS_DRAWN = 8


@dataclass(frozen=True, eq=False)
class _Row:
    """One policy of the table: true recall of every query, and the plans whose pages are valued."""

    name: str
    recall: Floats
    plans: Longs
    plan: str = ""


def truth_table(
    world: World, policy: Policy, *, progress: Callable[[int, int], None] | None = None
) -> list[dict[str, Any]]:
    """True recall and page reward of every row on every slice.

    Args:
        world: World with the true relevance.
        policy: Learned policy. Its baselines use its ranker and memory, so that only the plans
            differ.
        progress: Called with (queries done, all queries).

    Returns:
        One dict per row and slice: policy, slice, queries, plan (if it is a single one), recall
        with low and high, the same for page_reward, over_uniform and over_static (differences in
        recall, with low and high; static is the better of the two on that slice) and gap_share
        (share of the gap between static and the oracle).
    """
    queries = np.arange(len(world.queries))
    recalls = true_recall(world, policy, queries)
    greedy, served = choices_of(world, policy, queries, progress)
    rows = _rows(world, policy.space, recalls, greedy, served)
    table: list[dict[str, Any]] = []
    for name, members in world.slices.items():
        wanted = members[~np.isnan(recalls[members, 0])]
        if not len(wanted):
            continue
        rewards = {row.name: true_page_rewards(world, policy, wanted, row.plans[wanted]).mean(axis=1) for row in rows}
        table += _slice_rows(name, rows, wanted, rewards)
    return table


def equal_split(space: PlanSpace) -> list[int]:
    """Plans that divide the budget among the strategies in turn, one plan for each first strategy.

    >>> space = PlanSpace(("title", "popular", "memory"), block_size=2, budget=2)
    >>> [space.text(plan) for plan in equal_split(space)]
    ['title:1,popular:1', 'popular:1,memory:1', 'title:1,memory:1']
    """
    count = len(space.strategies)
    turns = [[(start + turn) % count for turn in range(space.budget)] for start in range(count)]
    vectors = [np.bincount(turn, minlength=count) for turn in turns]
    return [int(np.flatnonzero((space.plans == vector).all(axis=1))[0]) for vector in vectors]


def _rows(world: World, space: PlanSpace, recalls: Floats, greedy: Longs, served: Floats) -> list[_Row]:
    n, plans = recalls.shape
    every = np.arange(n)
    seen = ~world.unseen & ~np.isnan(recalls[:, 0])
    on_seen = recalls[seen].mean(axis=0)

    def spread(name: str, distributions: Floats) -> _Row:
        return _Row(name, (distributions * recalls).sum(axis=1), draw_plans(distributions, every, PLANS_DRAWN))

    def fixed(name: str, allowed: Bools) -> _Row:
        best = int(np.argmax(np.where(allowed, on_seen, -1.0)))
        return _Row(name, recalls[:, best], np.full((n, 1), best), space.text(best))

    split = equal_split(space)
    single = (space.plans > 0).sum(axis=1) == 1
    memory = space.strategy_index.get(MEMORY)
    without = np.ones(plans, dtype=np.bool_) if memory is None else space.plans[:, memory] == 0
    # A query without a relevant entity has no best plan and is in no slice; any plan will do.
    oracle = np.nan_to_num(recalls, nan=0.0).argmax(axis=1)
    return [
        _Row(LEARNED_GREEDY, recalls[every, greedy], greedy[:, None]),
        spread(LEARNED, served),
        spread(UNIFORM, np.full((n, plans), 1.0 / plans)),
        _Row(EQUAL_SPLIT, recalls[:, split].mean(axis=1), np.tile(split, (n, 1))),
        fixed(SINGLE, single),
        fixed(STATIC, np.ones(plans, dtype=np.bool_)),
        fixed(STATIC_WITHOUT_MEMORY, without),
        _Row(ORACLE, recalls[every, oracle], oracle[:, None]),
    ]


def _slice_rows(
    slice_name: str, rows: list[_Row], wanted: Longs, rewards: Mapping[str, Floats]
) -> list[dict[str, Any]]:
    recall = np.column_stack([row.recall[wanted] for row in rows])
    reward = np.column_stack([rewards[row.name] for row in rows])
    names = [row.name for row in rows]
    means = replicate_means(np.hstack((recall, reward)))
    recall_means, reward_means = means[:, : len(rows)], means[:, len(rows) :]
    static = max((names.index(STATIC), names.index(STATIC_WITHOUT_MEMORY)), key=lambda place: recall[:, place].mean())
    uniform, oracle = names.index(UNIFORM), names.index(ORACLE)
    true = recall.mean(axis=0)
    gap = float(true[oracle] - true[static])
    table: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        described: dict[str, Any] = {"policy": row.name, "slice": slice_name, "queries": len(wanted), "plan": row.plan}
        for kind, values, replicates in (("recall", recall, recall_means), ("page_reward", reward, reward_means)):
            low, high = interval_of(replicates[:, place])
            described |= {kind: float(values[:, place].mean()), f"{kind}_low": low, f"{kind}_high": high}
        for kind, other in (("over_uniform", uniform), ("over_static", static)):
            low, high = interval_of(recall_means[:, place] - recall_means[:, other])
            described |= {kind: float(true[place] - true[other]), f"{kind}_low": low, f"{kind}_high": high}
        described["gap_share"] = float((true[place] - true[static]) / gap) if gap > 0.0 else float("nan")
        table.append(described)
    return table
