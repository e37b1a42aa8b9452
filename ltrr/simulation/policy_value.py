"""What a published version is truly worth, quick enough to be asked every night."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltrr.serving.policy import Policy
from ltrr.simulation.answers import answers_of, looks_of
from ltrr.simulation.truth import plans_drawn, true_page_rewards, true_recall
from ltrr.simulation.world import World

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]


@dataclass(frozen=True)
class PolicyValue:
    """What a version is truly worth to the people who search, every search counting once.

    Attributes:
        recall: of the union.
        page_reward: expected a search.
        recall_greedy: of the union, were it not exploring.
    """

    recall: float
    page_reward: float
    recall_greedy: float


def true_policy_value(world: World, policy: Policy, *, searches: int = 4_000) -> PolicyValue:
    """The value of a policy as it is served, over the traffic of seen keys.

    It is that of a sample of searches, spaced evenly through the traffic: the same every night, so that two versions
    are compared on the same ones. For each of them recall is exact over all plans.

    Args:
        world: whose truth.
        policy: as published.
        searches: how many make up the sample; the standard error of page_reward is about .4 / sqrt(searches).
    """
    queries, counts = searches_of_traffic(world, searches)
    greedy, served = choices_of(world, policy, queries, None)
    recalls = true_recall(world, policy, queries)
    plans = np.concatenate(
        [
            plans_drawn(served[row : row + 1], queries[row : row + 1], count)[0]
            for row, count in enumerate(counts.tolist())
        ]
    )
    pages, times = np.unique(np.column_stack((np.repeat(queries, counts), plans)), axis=0, return_counts=True)
    rewards = true_page_rewards(world, policy, pages[:, 0], pages[:, 1])
    shares = counts / counts.sum()
    return PolicyValue(
        recall=float(shares @ (served * recalls).sum(axis=1)),
        page_reward=float(times @ rewards / times.sum()),
        recall_greedy=float(shares @ recalls[np.arange(len(queries)), greedy]),
    )


def searches_of_traffic(world: World, searches: int) -> tuple[Longs, Longs]:
    """Queries of a sample spaced evenly through the traffic, and how many of its searches ask each of them, [n], [n].

    Queries of which nothing is relevant are left out: no plan is better than another.
    """
    drawn = plans_drawn(world.traffic[None, :], np.array([0]), searches)[0]
    return np.unique(drawn[world.relevant_counts[drawn] > 0], return_counts=True)


def choices_of(
    world: World, policy: Policy, queries: Longs, progress: Callable[[int, int], None] | None
) -> tuple[Longs, Floats]:
    """The greedy plan of every query, [n], and P(plan) as served, [n, P]."""
    greedy = np.empty(len(queries), dtype=np.int64)
    served = np.empty((len(queries), len(policy.space)))
    for row, query in enumerate(queries.tolist()):
        text = world.queries[query].query_text
        looks = looks_of(answers_of(world, policy, query), policy.manifest.settings.observe)
        choice = policy.choose(text, looks, world.fields)
        greedy[row] = choice.distribution.shortlist[np.argmax(choice.scores)]
        served[row] = choice.distribution.dense()
        if progress is not None and row % 100 == 99:
            progress(row + 1, len(queries))
    return greedy, served
