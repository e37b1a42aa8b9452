"""Popularity among matches: entities with a word of the query in their titles, by popularity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.simulation.lexical import words
from ltrr.simulation.rankings import Ranking, best_first, ranking_of


def popularity_ranking(titles: Sequence[str], popularity: Floats, queries: Sequence[str], limit: int) -> Ranking:
    """Rank the entities whose titles share a word with the query by popularity.

    >>> titles, popularity = ["Love", "Love Me", "Hate"], np.array([1.0, 3.0, 9.0])
    >>> popularity_ranking(titles, popularity, ["love", "fear"], limit=2).entities.tolist()
    [[1, 0], [-1, -1]]
    """
    carriers: dict[str, list[int]] = {}
    for number, title in enumerate(titles):
        for word in dict.fromkeys(words(title)):
            carriers.setdefault(word, []).append(number)

    def search(query: str) -> tuple[Longs, Floats]:
        matches = np.unique(
            np.array([number for word in words(query) for number in carriers.get(word, ())], dtype=np.int64)
        )
        found = matches[best_first(popularity[matches], limit)]
        return found, popularity[found]

    return ranking_of(map(search, queries), limit)
