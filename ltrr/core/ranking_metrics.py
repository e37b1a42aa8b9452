"""Scores by rank: reciprocal rank, fusion, DCG, NDCG, and measures of a ranking by judgments.

An undefined value is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log2, nan
from typing import overload

from ltrr.arrays import Floats, Longs

FUSION_CONSTANT = 60
"""k of reciprocal rank fusion (Cormack, Clarke & Buettcher, SIGIR 2009)."""


@overload
def reciprocal_rank(rank: float) -> float: ...
@overload
def reciprocal_rank(rank: Floats | Longs) -> Floats: ...
def reciprocal_rank(rank: float | Floats | Longs) -> float | Floats:
    """1 / rank, of a number or of each element of an array; ranks are 1-based.

    >>> reciprocal_rank(4)
    0.25
    """
    return 1.0 / rank


def fusion_score(ranks: Iterable[int]) -> float:
    """Reciprocal rank fusion, scaled so that a first place counts 1: sum of (k + 1) / (k + rank).

    Terms are added in the order of `ranks`.

    >>> fusion_score([1, 62])
    1.5
    """
    k = FUSION_CONSTANT
    first = k + 1
    # A list, not a generator: this runs for every entity of every page.
    return sum([first / (k + rank) for rank in ranks])


def reciprocal_rank_fusion(rankings: Iterable[Sequence[str]], k: int = FUSION_CONSTANT) -> dict[str, float]:
    """Fused score of every entity: sum over the rankings that list it of 1 / (k + rank).

    >>> fused = reciprocal_rank_fusion([["a", "b"], ["b", "c"]])
    >>> sorted(fused, key=lambda entity_id: (-fused[entity_id], entity_id))
    ['b', 'a', 'c']
    """
    fused: dict[str, float] = {}
    for ranking in rankings:
        for rank, entity_id in enumerate(ranking, start=1):
            fused[entity_id] = fused.get(entity_id, 0.0) + reciprocal_rank(k + rank)
    return fused


def dcg(gains: Sequence[float], k: int) -> float:
    """Discounted cumulative gain of the first k positions: sum of gain / log2(position + 1)."""
    return sum(gain / log2(position + 1) for position, gain in enumerate(gains[:k], start=1))


def ndcg(gains: Sequence[float], k: int = 10, *, ideal_gains: Sequence[float] | None = None) -> float:
    """DCG over that of the best order (dcg / ideal dcg); NaN without a gain.

    Jarvelin & Kekalainen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.

    Args:
        gains: Gains of the entities in the order shown, >= 0.
        k: Number of positions counted.
        ideal_gains: Gains of everything that could have been shown. By default those of what was
            shown, which judges the order alone.

    >>> ndcg([1.0, 0.0]), round(ndcg([0.0, 1.0]), 3), ndcg([0.0, 0.0])
    (1.0, 0.631, nan)
    >>> ndcg([1.0], ideal_gains=[1.0, 1.0]) < 1
    True
    """
    best = dcg(sorted(gains if ideal_gains is None else ideal_gains, reverse=True), k)
    return dcg(gains, k) / best if best > 0.0 else nan


def precision(relevant: Sequence[bool], k: int) -> float:
    """P@k: share of relevant entities among the first k positions; missing positions count as 0.

    >>> precision([True, False, True], 5)
    0.4
    """
    return sum(relevant[:k]) / k


def recall(relevant: Sequence[bool], k: int, relevant_count: int) -> float:
    """R@k: share of all relevant entities that are among the first k; NaN if there are none.

    >>> recall([True, False, True], 2, relevant_count=4)
    0.25
    """
    return sum(relevant[:k]) / relevant_count if relevant_count else nan


def first_relevant(relevant: Sequence[bool]) -> float:
    """RR: reciprocal rank of the first relevant entity; 0 if none is listed.

    >>> first_relevant([False, True]), first_relevant([False])
    (0.5, 0.0)
    """
    return next((reciprocal_rank(rank) for rank, is_good in enumerate(relevant, start=1) if is_good), 0.0)


def average_precision(relevant: Sequence[bool], relevant_count: int) -> float:
    """AP: mean, over all relevant entities, of the precision at their ranks; NaN if there are none.

    A relevant entity that is not listed counts as 0. Manning, Raghavan & Schuetze, "Introduction to
    Information Retrieval", 2008, section 8.4.

    >>> average_precision([True, False, True], relevant_count=2)
    0.8333333333333333
    """
    ranks = [rank for rank, is_good in enumerate(relevant, start=1) if is_good]
    return sum(found / rank for found, rank in enumerate(ranks, start=1)) / relevant_count if relevant_count else nan
