"""Features of the visible candidates of a query, for learned values.

Learned values predict P(click | examined) from these features, which depend on the *set* of visible
blocks. The rank in the memory is not a feature: it follows from clicks on the pairs whose value is
learned, so a model would learn to copy it. The memory's evidence is added after the prediction
(`core.coverage.with_evidence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan

import numpy as np

from ltrr.arrays import Floats32
from ltrr.core.entity_groups import (
    CANDIDATE_GROUPS,
    DEFAULT_CANDIDATE_GROUPS,
    chosen_groups,
    declared_columns,
    entity_matrix,
)
from ltrr.core.entity_union import EntityUnion
from ltrr.core.feature_groups import MEMORY
from ltrr.core.features import PLACES, Feature
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.errors import ConfigError


def candidate_features(space: PlanSpace, groups: tuple[str, ...] = DEFAULT_CANDIDATE_GROUPS) -> tuple[Feature, ...]:
    """Declarations of the columns of `candidate_matrix`; all are known as soon as the candidate is.

    Args:
        space: The plans.
        groups: Names in `core.entity_groups.CANDIDATE_GROUPS`, in the order of the columns. The
            default groups come first, because `core.coverage.look_vector` reads their columns.

    Raises:
        ConfigError: a group is unknown or repeated, or the default groups do not come first.

    >>> [feature.name for feature in candidate_features(PlanSpace(("title", "memory"), 2, 4))][:6]
    ['fusion', 'reciprocal_ranks', 'strategies_listing', 'best_rank', 'candidates', 'query_words']
    """
    if groups[: len(DEFAULT_CANDIDATE_GROUPS)] != DEFAULT_CANDIDATE_GROUPS:
        raise ConfigError(
            "candidate features without the default groups",
            which="candidate_groups",
            expected="first " + ", ".join(DEFAULT_CANDIDATE_GROUPS),
            got=", ".join(groups) or "none",
            todo="add groups after the default ones",
        )
    columns = declared_columns(chosen_groups(CANDIDATE_GROUPS, groups, "candidate_groups"), _searching(space))
    return tuple(Feature(name, "c", unit, "looks", "drawn") for name, unit in columns)


def candidate_matrix(
    space: PlanSpace,
    visible: Sequence[Block],
    key: str,
    overlaps: Mapping[str, Sequence[float]],
    groups: tuple[str, ...] = DEFAULT_CANDIDATE_GROUPS,
) -> tuple[tuple[str, ...], Floats32]:
    """The visible candidates, sorted by id, and their features, [E, F].

    Args:
        space: The plans.
        visible: Visible blocks, in any order.
        key: The query_key.
        overlaps: `text_overlap` of the query and the entities, where the service knows their
            fields.
        groups: As for `candidate_features`.

    >>> from ltrr.core.text_overlap import EntityFields, text_overlap
    >>> title = Block("title", 1, "ok", ("e2", "e1"), (4.0, 2.0))
    >>> looks = [title, Block("memory", 1, "ok", ("e1",), (0.5,))]
    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> overlaps = {"e2": text_overlap("matrix", EntityFields("The Matrix"))}
    >>> entity_ids, matrix = candidate_matrix(space, looks, "matrix", overlaps)
    >>> entity_ids, matrix.shape == (2, len(candidate_features(space))), matrix[:, 1].tolist()
    (('e1', 'e2'), True, [0.5, 1.0])
    """
    union = _union_of(space, visible, key, overlaps)
    chosen = [CANDIDATE_GROUPS[name] for name in groups]
    return union.entity_ids, np.round(entity_matrix(chosen, union), PLACES).astype(np.float32)


def _searching(space: PlanSpace) -> tuple[str, ...]:
    return tuple(name for name in space.strategies if name != MEMORY)


def _union_of(
    space: PlanSpace, visible: Sequence[Block], key: str, overlaps: Mapping[str, Sequence[float]]
) -> EntityUnion:
    """The union of all visible blocks, with ranks and scores of all strategies but the memory."""
    strategies = _searching(space)
    place = {name: position for position, name in enumerate(strategies)}
    listings_of: dict[str, dict[int, tuple[int, float]]] = {}
    listed, top = [nan] * len(place), [nan] * len(place)
    for block in visible:
        s = place.get(block.strategy)
        if s is not None:
            listed[s] = len(block.entity_ids) + (0.0 if isnan(listed[s]) else listed[s])
        for rank, (entity_id, score) in enumerate(
            zip(block.entity_ids, block.scores, strict=True), block.first_rank(space.block_size)
        ):
            found = listings_of.setdefault(entity_id, {})
            if s is not None:
                if s not in found or rank < found[s][0]:
                    found[s] = (rank, score)
                if not top[s] >= score:
                    top[s] = score
    top_scores = [score if score > 0.0 else nan for score in top]
    return EntityUnion.of(strategies, key, listings_of, top_scores, listed, overlaps)
