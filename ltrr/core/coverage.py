"""Value of a plan from learned values of candidates: the sum over its union, each entity once.

    value(p) = sum of v[e] over the entities e that some visible block of p lists
             + expected addition of the blocks of p that are not visible yet

The first part is exact (`visible_coverage`); a model over `look_vector` predicts the second. The
second part cannot be a sum over blocks: what one unseen block adds depends on what the others
bring. On real films with the first blocks visible (one log of a trial), predicting it block by
block closed .24 of the gap from the best static plan to the oracle. Predicting it plan by plan
closed .32, and predicting patterns over all plans (`core.plan_profiles`) .40. Even the true content
of every block, summed block by block, closed only .40.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from ltrr.arrays import Floats, Floats32, Longs
from ltrr.core.candidate_features import candidate_features
from ltrr.core.features import PLACES, Feature
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace

_BEST = 6
"""Number of best visible candidates whose values are features of a look."""

_DESCRIBING = (
    "fusion",
    "title_query_share",
    "title_share",
    "trigram_jaccard",
    "description_share",
    "people_share",
    "topics_share",
    "query_share",
    "log_popularity",
)
"""Candidate features whose maximum and mean over the visible candidates are features of a look."""


def with_evidence(predicted: ArrayLike, clicks: ArrayLike, examinations: ArrayLike, strength: float) -> Floats:
    """Value after evidence: (clicks + strength x predicted) / (examinations + strength), any shape.

    The prediction counts as `strength` examinations. Without examinations, the value is the
    prediction.

    >>> with_evidence([0.5, 0.5], [0.0, 5.0], [0.0, 6.0], strength=2.0).tolist()
    [0.5, 0.75]
    """
    prior = strength * np.asarray(predicted, dtype=np.float64)
    return np.asarray((np.asarray(clicks) + prior) / (np.asarray(examinations) + strength))


def visible_coverage(space: PlanSpace, visible: Sequence[Block], worth: Mapping[str, float]) -> Floats:
    """Sum of the values of the entities that each plan draws from visible blocks, each once, [P].

    >>> space = PlanSpace(("title", "memory"), block_size=1, budget=2)
    >>> looks = [Block(name, 1, "ok", ("e1",), (9.0,)) for name in space.strategies]
    >>> dict(zip(space.texts, visible_coverage(space, looks, {"e1": 0.5}).tolist()))
    {'memory:2': 0.5, 'title:1,memory:1': 0.5, 'title:2': 0.5}
    """
    columns: dict[str, list[int]] = {}
    for block in visible:
        column = space.strategy_index[block.strategy] * space.budget + block.depth - 1
        for entity_id in block.entity_ids:
            columns.setdefault(entity_id, []).append(column)
    if not columns:
        return np.zeros(len(space))
    listing = np.zeros((space.draws.shape[1], len(columns)))
    for position, listed in enumerate(columns.values()):
        listing[listed, position] = 1.0
    values = np.array([worth[entity_id] for entity_id in columns])
    return np.asarray(np.minimum(space.draws @ listing, 1.0) @ values)


def reachable_depths(space: PlanSpace, visible: Sequence[Block]) -> Longs:
    """Depth of the deepest block of each strategy that may contain candidates, [S].

    A visible block that is short or empty is the last one with candidates. A block that timed out
    or failed says nothing about the next one.

    >>> space = PlanSpace(("title", "people", "memory"), block_size=2, budget=4)
    >>> looks = [Block("title", 1, "ok", ("e1",), (1.0,)), Block("people", 1, "empty")]
    >>> reachable_depths(space, [*looks, Block("memory", 1, "timeout")]).tolist()
    [1, 0, 4]
    """
    reach = np.full(len(space.strategies), space.budget)
    for block in visible:
        if block.status in ("ok", "empty") and len(block.entity_ids) < space.block_size:
            s = space.strategy_index[block.strategy]
            reach[s] = min(reach[s], block.depth if block.entity_ids else block.depth - 1)
    return reach


@lru_cache(maxsize=64)
def look_features(space: PlanSpace) -> tuple[Feature, ...]:
    """Declarations of `look_vector`: features of a query, its visible blocks and their values."""
    declared = [
        ("query_words", "words"),
        ("query_characters", "characters"),
        ("query_has_digits", "0 or 1"),
        ("candidates", "visible candidates"),
        ("summed_value", "summed value of the visible candidates"),
        *((f"value_of_best:{place}", "value of the n-th best visible candidate, 0 beyond") for place in range(1, 7)),
    ]
    for name in _DESCRIBING:
        declared += ((f"best:{name}", "highest of the visible candidates"), (f"mean:{name}", "mean of them"))
    for name in space.strategies:
        declared += (
            (f"visible_blocks:{name}", "blocks"),
            (f"listed:{name}", "visible candidates"),
            (f"top_score:{name}", "the strategy's own"),
            (f"score_fall:{name}", "first visible score less the last"),
            (f"last_value:{name}", "mean value of the candidates of its deepest visible block"),
            *((f"value_at:{name}:{rank}", "value of its n-th candidate") for rank in range(1, space.block_size + 1)),
            *(
                (f"listings_at:{name}:{rank}", "strategies that visibly list its n-th candidate")
                for rank in range(1, space.block_size + 1)
            ),
        )
    declared += [
        (f"overlap:{one}:{other}", "visible candidates that both list")
        for one, other in combinations(space.strategies, 2)
    ]
    return tuple(Feature(name, "l", unit, "looks", "first_look") for name, unit in declared)


def look_vector(
    space: PlanSpace,
    visible: Sequence[Block],
    worth: Mapping[str, float],
    key: str,
    candidates: Floats32,
) -> Floats32:
    """Values of `look_features`, [G]; NaN for values of a strategy without visible blocks.

    Args:
        space: The plans.
        visible: Visible blocks, in any order.
        worth: Value of every visible candidate.
        key: The query_key.
        candidates: `candidate_matrix` of the visible candidates.
    """
    lists: dict[str, list[Block]] = {}
    for block in visible:
        lists.setdefault(block.strategy, []).append(block)
    held = {name: {e for block in blocks for e in block.entity_ids} for name, blocks in lists.items()}
    listings: dict[str, int] = {}
    for entities in held.values():
        for entity_id in entities:
            listings[entity_id] = listings.get(entity_id, 0) + 1
    values = sorted((worth[entity_id] for entity_id in listings), reverse=True)
    row = [
        float(len(key.split())),
        float(len(key)),
        float(any(character.isdigit() for character in key)),
        float(len(values)),
        sum(values),
        *values[:_BEST],
        *[0.0] * (_BEST - len(values)),
    ]
    row += _describe(space, candidates)
    for name in space.strategies:
        row += _strategy_values(lists.get(name, ()), worth, listings, space.block_size)
    for one, other in combinations(space.strategies, 2):
        row.append(float(len(held[one] & held[other])) if one in held and other in held else nan)
    return np.round(np.array(row), PLACES).astype(np.float32)


def _strategy_values(
    blocks: Sequence[Block], worth: Mapping[str, float], listings: Mapping[str, int], block_size: int
) -> list[float]:
    """Values of one strategy's visible blocks; 0 blocks and NaN if none is visible."""
    if not blocks:
        return [0.0, *[nan] * (4 + 2 * block_size)]
    by_depth = sorted(blocks, key=lambda block: block.depth)
    scores = [score for block in by_depth for score in block.scores]
    deepest = [worth[entity_id] for entity_id in by_depth[-1].entity_ids]
    first = by_depth[0].entity_ids
    none = [0.0] * (block_size - len(first))
    return [
        float(len(by_depth)),
        float(len({entity_id for block in by_depth for entity_id in block.entity_ids})),
        scores[0] if scores else nan,
        scores[0] - scores[-1] if scores else nan,
        sum(deepest) / len(deepest) if deepest else 0.0,
        *(worth[entity_id] for entity_id in first),
        *none,
        *(float(listings[entity_id]) for entity_id in first),
        *none,
    ]


def _describe(space: PlanSpace, candidates: Floats32) -> list[float]:
    columns = candidates[:, _describing_columns(space)].astype(np.float64)
    known = ~np.isnan(columns)
    counts = known.sum(axis=0)
    best = np.where(counts > 0, np.where(known, columns, -np.inf).max(axis=0, initial=-np.inf), nan)
    mean = np.where(counts > 0, np.where(known, columns, 0.0).sum(axis=0) / np.maximum(counts, 1), nan)
    return list(np.column_stack((best, mean)).ravel().tolist())


@lru_cache(maxsize=64)
def _describing_columns(space: PlanSpace) -> list[int]:
    names = [feature.name for feature in candidate_features(space)]
    return [names.index(name) for name in _DESCRIBING]
