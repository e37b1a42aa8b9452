"""What describes one visible candidate, for its learned value. Declared as data, computed by the same code everywhere.

A function of the *set* of visible blocks. The memory's rank is left out: it follows from clicks on
the very pairs that the value is learned from, so a model would learn to copy it; what the memory
knows is added after the prediction, by weight of evidence (`core.values.with_evidence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isnan, nan

import numpy as np

from ltrr.core.arrays import Floats32
from ltrr.core.feature_groups import MEMORY
from ltrr.core.features import PLACES, Feature
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.core.ranking_metrics import FUSION_CONSTANT
from ltrr.core.text_overlap import NO_OVERLAP, OVERLAPS

_COMPARED = ("fusion", "trigram_jaccard", "query_share", "log_popularity")
"""Features that are also given relative to the best visible candidate of the query."""


@lru_cache(maxsize=64)
def candidate_features(space: PlanSpace) -> tuple[Feature, ...]:
    """Declarations of the columns of `candidate_matrix`; all are known as soon as the candidate is.

    >>> [feature.name for feature in candidate_features(PlanSpace(("title", "memory"), 2, 4))][:6]
    ['fusion', 'reciprocal_ranks', 'strategies_listing', 'best_rank', 'candidates', 'query_words']
    """
    declared = [
        ("fusion", "sum of 61 / (60 + rank) over the visible listings"),
        ("reciprocal_ranks", "sum of 1 / rank over the visible listings"),
        ("strategies_listing", "visible strategies that list it"),
        ("best_rank", "smallest rank of a visible listing"),
        ("candidates", "visible candidates of the query"),
        ("query_words", "words"),
        ("query_characters", "characters"),
        ("query_has_digits", "0 or 1"),
    ]
    for name in _searching(space):
        declared += (
            (
                f"reciprocal_rank:{name}",
                "1 / rank; 0 where a visible block does not list it, NaN where none is visible",
            ),
            (f"score_ratio:{name}", "score / highest visible score of the strategy; NaN where it is not listed"),
            (f"listed:{name}", "visible candidates of the strategy"),
        )
    declared += OVERLAPS
    for name in _COMPARED:
        declared += ((f"best:{name}", "highest of the query"), (f"below_best:{name}", "less the highest of the query"))
    return tuple(Feature(name, "c", unit, "looks", "drawn") for name, unit in declared)


def candidate_matrix(
    space: PlanSpace, visible: Sequence[Block], key: str, overlaps: Mapping[str, Sequence[float]]
) -> tuple[tuple[str, ...], Floats32]:
    """The visible candidates, sorted by id, and their features, [E, F].

    Args:
        space: the plans.
        visible: blocks seen, in any order.
        key: the query_key.
        overlaps: `text_overlap` of the query and the entities, where the service knows their
            fields.

    >>> from ltrr.core.text_overlap import EntityFields, text_overlap
    >>> looks = [Block("title", 1, "ok", ("e2", "e1"), (4.0, 2.0)), Block("memory", 1, "ok", ("e1",), (0.5,))]
    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> overlaps = {"e2": text_overlap("matrix", EntityFields("The Matrix"))}
    >>> entity_ids, matrix = candidate_matrix(space, looks, "matrix", overlaps)
    >>> entity_ids, matrix.shape == (2, len(candidate_features(space))), matrix[:, 1].tolist()
    (('e1', 'e2'), True, [0.5, 1.0])
    """
    ranks, listed, top = _read_blocks(space, visible)
    entity_ids = tuple(sorted(ranks))
    query = (float(len(key.split())), float(len(key)), float(any(character.isdigit() for character in key)))
    rows = []
    for entity_id in entity_ids:
        listings = ranks[entity_id]
        places = [rank for rank, _ in listings.values()]
        row = [
            sum((FUSION_CONSTANT + 1) / (FUSION_CONSTANT + rank) for rank in sorted(places)),
            sum(1.0 / rank for rank in sorted(places)),
            float(len(places)),
            float(min(places, default=0)) or nan,
            float(len(entity_ids)),
            *query,
        ]
        for s, count in enumerate(listed):
            if s in listings:
                rank, score = listings[s]
                row += (1.0 / rank, score / top[s] if top[s] > 0.0 else nan, count)
            else:
                row += (nan if isnan(count) else 0.0, nan, count)
        row += overlaps.get(entity_id, NO_OVERLAP)
        rows.append(row)
    plain = np.array(rows, dtype=np.float64).reshape(len(rows), _plain_columns(space))
    compared = plain[:, _compared_columns(space)]
    best = np.fmax.reduce(compared, axis=0) if len(rows) else compared
    relative = np.stack((np.broadcast_to(best, compared.shape), compared - best), axis=2).reshape(
        len(rows), 2 * len(_COMPARED)
    )
    return entity_ids, np.round(np.hstack((plain, relative)), PLACES).astype(np.float32)


def _searching(space: PlanSpace) -> tuple[str, ...]:
    return tuple(name for name in space.strategies if name != MEMORY)


def _plain_columns(space: PlanSpace) -> int:
    return len(candidate_features(space)) - 2 * len(_COMPARED)


@lru_cache(maxsize=64)
def _compared_columns(space: PlanSpace) -> list[int]:
    names = [feature.name for feature in candidate_features(space)]
    return [names.index(name) for name in _COMPARED]


def _read_blocks(
    space: PlanSpace, visible: Sequence[Block]
) -> tuple[dict[str, dict[int, tuple[int, float]]], list[float], list[float]]:
    """Entity -> strategy -> (best rank, score); and of each strategy its listed entities and highest score.

    Strategies are numbered as in `_searching`. A strategy without visible blocks has NaN entities.
    """
    place = {name: position for position, name in enumerate(_searching(space))}
    ranks: dict[str, dict[int, tuple[int, float]]] = {}
    listed, top = [nan] * len(place), [nan] * len(place)
    for block in visible:
        s = place.get(block.strategy)
        if s is not None:
            listed[s] = len(block.entity_ids) + (0.0 if isnan(listed[s]) else listed[s])
        for rank, (entity_id, score) in enumerate(
            zip(block.entity_ids, block.scores, strict=True), block.first_rank(space.block_size)
        ):
            listings = ranks.setdefault(entity_id, {})
            if s is not None:
                if s not in listings or rank < listings[s][0]:
                    listings[s] = (rank, score)
                if not top[s] >= score:
                    top[s] = score
    return ranks, listed, top
