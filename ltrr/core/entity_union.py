"""Entities of a union of blocks, with their ranks and scores: the input of entity features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ltrr.core.ranking_metrics import fusion_score
from ltrr.core.text_overlap import NO_OVERLAP

Listings = Mapping[int, tuple[int, float]]
"""Index of a strategy -> (best rank of an entity in its list, score at that rank)."""


@dataclass(frozen=True, eq=False)
class EntityUnion:
    """The E entities that some blocks list, and what is known of them.

    Plain Python, not arrays: most unions have few entities, for which arrays are slower.

    Attributes:
        strategies: Names of the strategies.
        key: The query_key.
        entity_ids: Sorted.
        listings: Listings of each entity; a strategy that does not list it is missing.
        top_scores: Highest score of each strategy, NaN if none is above 0.
        listed: Number of listings of each strategy, NaN without a block of it.
        overlap_of: `core.text_overlap` by entity_id. The ranker knows no overlaps.
    """

    strategies: tuple[str, ...]
    key: str
    entity_ids: tuple[str, ...]
    listings: Sequence[Listings]
    top_scores: Sequence[float]
    listed: Sequence[float]
    overlap_of: Mapping[str, Sequence[float]]

    @cached_property
    def sorted_ranks(self) -> list[list[int]]:
        """Ranks of each entity in the strategies that list it, ascending.

        >>> listings = [{0: (2, 3.0), 1: (1, 0.5)}, {0: (1, 4.0)}]
        >>> union = EntityUnion(("title", "web"), "love", ("e1", "e2"), listings, (4, 0.5), (2, 1), {})
        >>> union.sorted_ranks
        [[1, 2], [1]]
        """
        return [sorted(rank for rank, _ in listings.values()) for listings in self.listings]

    @cached_property
    def fusion(self) -> list[float]:
        """Score of reciprocal rank fusion of each entity."""
        return [fusion_score(ranks) for ranks in self.sorted_ranks]

    @cached_property
    def overlaps(self) -> list[Sequence[float]]:
        """Overlap of each entity with the query; `NO_OVERLAP` if its fields are unknown."""
        return [self.overlap_of.get(entity_id, NO_OVERLAP) for entity_id in self.entity_ids]
