"""Entities of a union of blocks, with their ranks and scores: the input of entity features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ltrr.core.ranking_metrics import fusion_score
from ltrr.core.text_overlap import NO_OVERLAP

Listings = Mapping[int, tuple[int, float]]
"""Index of a strategy -> (best rank of an entity in its list, score at that rank)."""


@dataclass(eq=False)
class EntityUnion:
    """The entities that some blocks list, and what is known of them; sequences have one entry each.

    Plain Python, not arrays: most unions have few entities, for which arrays are slower.

    Attributes:
        strategies: Names of the strategies.
        key: The query_key.
        entity_ids: Sorted.
        listings: Listings of each entity; a strategy that does not list it is missing.
        sorted_ranks: Ranks of each entity in the strategies that list it, ascending.
        fusion: Score of reciprocal rank fusion of each entity.
        overlaps: `core.text_overlap` of each entity; `NO_OVERLAP` if its fields are unknown.
        top_scores: Highest score of each strategy, NaN if none is above 0.
        listed: Number of listings of each strategy, NaN without a block of it.
    """

    strategies: tuple[str, ...]
    key: str
    entity_ids: tuple[str, ...]
    listings: Sequence[Listings]
    sorted_ranks: Sequence[Sequence[int]]
    fusion: Sequence[float]
    overlaps: Sequence[Sequence[float]]
    top_scores: Sequence[float]
    listed: Sequence[float]

    @staticmethod
    def of(
        strategies: tuple[str, ...],
        key: str,
        listings_of: Mapping[str, Listings],
        top_scores: Sequence[float],
        listed: Sequence[float],
        overlap_of: Mapping[str, Sequence[float]],
    ) -> EntityUnion:
        """The union of these listings and overlaps by entity_id; others as the attributes.

        >>> listings_of = {"e2": {0: (1, 4.0)}, "e1": {0: (2, 3.0), 1: (1, 0.5)}}
        >>> union = EntityUnion.of(("title", "web"), "love", listings_of, (4, 0.5), (2, 1), {})
        >>> union.entity_ids, union.sorted_ranks
        (('e1', 'e2'), [[1, 2], [1]])
        """
        entity_ids = tuple(sorted(listings_of))
        listings = [listings_of[entity_id] for entity_id in entity_ids]
        sorted_ranks = [sorted([rank for rank, _ in found.values()]) for found in listings]
        fusion = [fusion_score(ranks) for ranks in sorted_ranks]
        overlaps: list[Sequence[float]] = [NO_OVERLAP] * len(entity_ids)
        if overlap_of:
            overlaps = [overlap_of.get(entity_id, NO_OVERLAP) for entity_id in entity_ids]
        return EntityUnion(strategies, key, entity_ids, listings, sorted_ranks, fusion, overlaps, top_scores, listed)
