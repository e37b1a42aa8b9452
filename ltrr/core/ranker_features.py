"""Features of the entities of a drawn union, by which the ranker orders a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan
from types import MappingProxyType

import numpy as np

from ltrr.arrays import Floats
from ltrr.core.entity_groups import (
    DEFAULT_RANKER_GROUPS,
    RANKER_GROUPS,
    chosen_groups,
    declared_columns,
    entity_matrix,
)
from ltrr.core.entity_union import EntityUnion
from ltrr.core.features import PLACES, Feature
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.errors import ConfigError


def ranker_features(space: PlanSpace, groups: tuple[str, ...] = DEFAULT_RANKER_GROUPS) -> tuple[Feature, ...]:
    """Declarations of the columns of `ranker_matrix`.

    Args:
        space: The plans.
        groups: Names in `core.entity_groups.RANKER_GROUPS`, in the order of the columns.

    Raises:
        ConfigError: a group is unknown or repeated, or `listings` is missing.

    >>> [feature.name for feature in ranker_features(PlanSpace(("title",), 2, 4))]
    ['fusion', 'strategies_listing', 'query_words', 'has_digits',
     'reciprocal_rank:title', 'score:title', 'score_ratio:title']
    """
    if "listings" not in groups:
        raise ConfigError(
            "a ranker without the feature `fusion`",
            which="ranker_groups",
            expected="listings among the groups: without a model, pages are in the order of fusion",
            got=", ".join(groups) or "none",
        )
    columns = declared_columns(chosen_groups(RANKER_GROUPS, groups, "ranker_groups"), space.strategies)
    return tuple(Feature(name, "r", unit, "draws", "drawn") for name, unit in columns)


def ranker_matrix(
    space: PlanSpace,
    drawn: Iterable[Block],
    key: str,
    groups: tuple[str, ...] = DEFAULT_RANKER_GROUPS,
    overlap_of: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> tuple[tuple[str, ...], Floats]:
    """The entities of the drawn blocks, sorted, and the values of `ranker_features`, [E, F].

    The result depends on the *set* of blocks: neither the order of the draws nor that of the
    argument affects the page.

    Args:
        space: The plans.
        drawn: Blocks that the strategies answered, in any order.
        key: The query_key.
        groups: As for `ranker_features`.
        overlap_of: `core.text_overlap` by entity_id, for entities whose fields are known.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> title = Block("title", 1, "ok", ("e2", "e1"), (4.0, 2.0))
    >>> drawn = [title, Block("memory", 1, "ok", ("e1",), (0.5,))]
    >>> entity_ids, matrix = ranker_matrix(space, drawn, "matrix")
    >>> entity_ids, matrix[0].tolist()
    (('e1', 'e2'), [1.983871, 2.0, 1.0, 0.0, 0.5, 2.0, 0.5, 1.0, 0.5, 1.0])
    """
    union = _union_of(space, drawn, key, overlap_of)
    chosen = [RANKER_GROUPS[name] for name in groups]
    return union.entity_ids, np.round(entity_matrix(chosen, union), PLACES)


def _union_of(
    space: PlanSpace, drawn: Iterable[Block], key: str, overlap_of: Mapping[str, Sequence[float]]
) -> EntityUnion:
    listings_of: dict[str, dict[int, tuple[int, float]]] = {}
    tops, listed = [0.0] * len(space.strategies), [nan] * len(space.strategies)
    for block in drawn:
        s = space.strategy_index[block.strategy]
        top = tops[s]
        rank = block.first_rank(space.block_size)
        for entity_id, score in zip(block.entity_ids, block.scores, strict=True):
            found = listings_of.setdefault(entity_id, {})
            if s not in found or rank < found[s][0]:
                found[s] = (rank, score)
            if score > top:
                top = score
            rank += 1
        tops[s] = top
        count = listed[s]
        listed[s] = float(len(block.entity_ids)) if isnan(count) else count + len(block.entity_ids)
    return EntityUnion.of(space.strategies, key, listings_of, [top or nan for top in tops], listed, overlap_of)
