"""True value of a published version, fast enough to compute every night."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.serving.policy import Policy
from ltrr.simulation.answers import answers_of, looks_of
from ltrr.simulation.truth import draw_plans, true_page_rewards, true_recall
from ltrr.simulation.world import World


@dataclass(frozen=True)
class PolicyValue:
    """True value of a version, as a mean over searches.

    Attributes:
        recall: Recall of the union.
        page_reward: Expected page_reward of a search.
        recall_greedy: Recall of the union without exploration.
    """

    recall: float
    page_reward: float
    recall_greedy: float


def true_policy_value(world: World, policy: Policy, *, searches: int = 4_000) -> PolicyValue:
    """True value of a policy as it is served, over the traffic of seen keys.

    It is computed on a sample of searches, spaced evenly through the traffic. The sample is the
    same every night, so two versions are compared on the same searches. Recall is exact over all
    plans of each search.

    Args:
        world: World with the true relevance.
        policy: Published policy.
        searches: Sample size. The standard error of page_reward is about .4 / sqrt(searches).
    """
    queries, counts = searches_of_traffic(world, searches)
    greedy, served = choices_of(world, policy, queries, None)
    recalls = true_recall(world, policy, queries)
    plans = np.concatenate(
        [
            draw_plans(served[row : row + 1], queries[row : row + 1], count)[0]
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
    """Queries of an evenly spaced sample of the traffic, [n], and their numbers of searches, [n].

    Queries without a relevant entity are left out: all plans are equal for them.
    """
    drawn = draw_plans(world.traffic[None, :], np.array([0]), searches)[0]
    return np.unique(drawn[world.relevant_counts[drawn] > 0], return_counts=True)


def choices_of(
    world: World, policy: Policy, queries: Longs, progress: Callable[[int, int], None] | None
) -> tuple[Longs, Floats]:
    """Greedy plan of every query, [n], and P(plan) as served, [n, P]."""
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
