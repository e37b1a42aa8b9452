"""Entities of a union of blocks, with their ranks and scores: the input of entity features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan

import numpy as np

from ltrr.core.arrays import Floats
from ltrr.core.ranking_metrics import fusion_score
from ltrr.core.text_overlap import NO_OVERLAP

Listings = Mapping[str, Mapping[int, tuple[int, float]]]
"""entity_id -> index of a strategy -> (best rank, score at that rank)."""


@dataclass(frozen=True, eq=False)
class EntityUnion:
    """The E entities that some blocks list, and what is known of them.

    Attributes:
        strategies: Names of S strategies, in the order of every array [.., S].
        key: The query_key.
        entity_ids: Sorted.
        sorted_ranks: Ranks of each entity in the strategies that list it, ascending.
        ranks: Best rank of each entity in each strategy, NaN if the strategy does not list it,
            [E, S].
        scores: The strategy's own score at that rank, NaN likewise, [E, S].
        top_scores: Highest score of each strategy, NaN if none is above 0, [S].
        listed: Number of listings of each strategy, NaN without a block of it, [S].
        overlap_of: `core.text_overlap` by entity_id. The ranker knows no overlaps.
    """

    strategies: tuple[str, ...]
    key: str
    entity_ids: tuple[str, ...]
    sorted_ranks: Sequence[Sequence[int]]
    ranks: Floats
    scores: Floats
    top_scores: Floats
    listed: Floats
    overlap_of: Mapping[str, Sequence[float]]

    @staticmethod
    def of(
        strategies: tuple[str, ...],
        key: str,
        listings: Listings,
        top_scores: Sequence[float],
        listed: Sequence[float],
        overlap_of: Mapping[str, Sequence[float]] | None = None,
    ) -> EntityUnion:
        """The union of listings; the other arguments are the attributes of the same names.

        >>> listings = {"e2": {0: (1, 4.0)}, "e1": {0: (2, 3.0), 1: (1, 0.5)}}
        >>> union = EntityUnion.of(("title", "memory"), "love", listings, (4.0, 0.5), (2.0, 1.0))
        >>> union.entity_ids, union.ranks.tolist(), union.sorted_ranks
        (('e1', 'e2'), [[2.0, 1.0], [1.0, nan]], [[1, 2], [1]])
        """
        entity_ids = tuple(sorted(listings))
        width = len(strategies)
        places: list[int] = []
        pairs: list[tuple[int, float]] = []
        sorted_ranks = []
        for row, entity_id in enumerate(entity_ids):
            found = listings[entity_id]
            places += [row * width + column for column in found]
            pairs += found.values()
            sorted_ranks.append(sorted(rank for rank, _ in found.values()))
        table = np.full((2, len(entity_ids) * width), nan)
        if pairs:
            table[:, places] = np.array(pairs, dtype=np.float64).T
        ranks, scores = table.reshape(2, len(entity_ids), width)
        return EntityUnion(
            strategies,
            key,
            entity_ids,
            sorted_ranks,
            ranks,
            scores,
            np.array(top_scores, dtype=np.float64),
            np.array(listed, dtype=np.float64),
            overlap_of or {},
        )

    @cached_property
    def fusion(self) -> Floats:
        """Score of reciprocal rank fusion of each entity, [E]."""
        return np.array([fusion_score(ranks) for ranks in self.sorted_ranks], dtype=np.float64)

    @cached_property
    def overlaps(self) -> Floats:
        """Overlap of each entity with the query, [E, O]; `NO_OVERLAP` if its fields are unknown."""
        rows = [self.overlap_of.get(entity_id, NO_OVERLAP) for entity_id in self.entity_ids]
        return np.array(rows, dtype=np.float64)
