"""The evaluation finds no difference between orders that exchange equally relevant entities."""

from dataclasses import dataclass

import numpy as np
import pytest

from ltrr.estimation.moments import ClusteredSums
from ltrr.ranking.judging import CANDIDATE, QUERY, SERVED, USER, OrderQuality
from ltrr.serving.ranker import Ranker
from ltrr.simulation.answers import answers_of, plan_blocks
from ltrr.simulation.rankings import NO_ENTITY
from tests.simulation.small_worlds import uniform_policy

VISITS = 60
DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


@dataclass
class Page:
    query: str
    chances: np.ndarray
    """P(click | examined) by served place."""
    exchanged: np.ndarray
    """Served place -> place in the other order."""


def pages_of(world, rng):
    """A page per query in the order of fusion, and its two farthest entities of equal relevance."""
    policy = uniform_policy(world, [])
    fusion = Ranker(policy.space, None)
    for number, query in enumerate(world.queries):
        depths = policy.space.plans[rng.integers(len(policy.space))].tolist()
        slate = fusion.rank(query.query_text, plan_blocks(answers_of(world, policy, number), depths)).top(10)
        places = [world.entity_numbers.get(one, NO_ENTITY) for one in slate.entity_ids]
        chances = world.users.click_if_examined(np.array([query.relevance.get(place, 0.0) for place in places]))
        equal = [(j - i, i, j) for i in range(len(places)) for j in range(i) if chances[i] == chances[j]]
        if not equal:
            continue
        _, i, j = min(equal)
        exchanged = np.arange(len(places))
        exchanged[[i, j]] = exchanged[[j, i]]
        yield Page(world.keys[number], chances, exchanged)


@pytest.mark.statistical
def test_orders_that_exchange_equals_are_judged_equal_and_were_not_when_the_weight_was_divided_away(music) -> None:
    rng = np.random.default_rng(8)
    terms = {CANDIDATE: [], SERVED: [], "weight": [], "weight_squared": [], "impressions": []}
    queries, users, divided = [], [], []
    for page in pages_of(music, rng):
        examination = music.users.examination()[: len(page.chances)]
        clicks = rng.random((VISITS, len(page.chances))) < page.chances * examination
        gains = clicks[clicks.any(axis=1)] / examination
        served, other = gains @ DISCOUNTS[: len(examination)], gains @ DISCOUNTS[page.exchanged]
        best = -np.sort(-gains, axis=1) @ DISCOUNTS[: len(examination)]
        divided += ((other - served) / best).tolist()
        weights = gains.sum(axis=1)
        for name, values in zip(terms, (other, served, weights, weights**2, np.ones(len(gains))), strict=True):
            terms[name] += values.tolist()
        queries += [page.query] * len(gains)
        users += [f"u{number}" for number in range(len(users), len(users) + len(gains))]
    sums = {QUERY: ClusteredSums.of(terms, queries), USER: ClusteredSums.of(terms, users)}
    difference = OrderQuality((CANDIDATE, SERVED), sums).difference(CANDIDATE, SERVED)
    assert abs(difference.value) < 5.0 * difference.standard_error
    # The test detects a difference of .01. nDCG page by page would show one that does not exist.
    assert 5.0 * difference.standard_error < 0.02
    biased = np.array(divided)
    assert biased.mean() < -5.0 * biased.std() / np.sqrt(len(biased))
