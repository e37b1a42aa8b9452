"""Hybrid search: reciprocal rank fusion of two rankings (Cormack et al., SIGIR 2009)."""

from __future__ import annotations

from ltrr.core.ranking_metrics import reciprocal_rank_fusion
from ltrr.simulation.rankings import NO_ENTITY, Ranking, ranking_of


def fused_ranking(first: Ranking, second: Ranking, limit: int) -> Ranking:
    """Fuse two rankings.

    Of equal scores, entities that `first` lists come first, then the order of the catalogue
    decides. Scores are multiplied by 100, because four decimals would not distinguish them.

    >>> import numpy as np
    >>> lexical = Ranking(np.array([[4, 2]], dtype=np.int32), np.array([[9.0, 8.0]]))
    >>> vectors = Ranking(np.array([[2, 7]], dtype=np.int32), np.array([[0.8, 0.7]]))
    >>> fused_ranking(lexical, vectors, limit=3).entities.tolist()
    [[2, 4, 7]]
    """
    answers: list[tuple[list[int], list[float]]] = []
    for row_of_first, row_of_second in zip(first.entities.tolist(), second.entities.tolist(), strict=True):
        lists = [[str(number) for number in row if number != NO_ENTITY] for row in (row_of_first, row_of_second)]
        listed = set(lists[0])
        fused = reciprocal_rank_fusion(lists)
        best = sorted(fused, key=lambda name: (-fused[name], name not in listed, int(name)))[:limit]
        answers.append(([int(name) for name in best], [100.0 * fused[name] for name in best]))
    return ranking_of(answers, limit)
