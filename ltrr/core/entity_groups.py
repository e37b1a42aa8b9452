"""Groups of entity features, for the ranker and for learned values.

An entity feature describes one entity of a union. A group declares the names and units of its
features and computes their values for all entities of a union. `RANKER_GROUPS` and
`CANDIDATE_GROUPS` register the groups that exist. A policy names the groups of its ranker
(`PolicySettings.ranker_groups`), and learned values name theirs (`LearnedValues.groups`), so a
published bundle keeps its features when a group is added.

The same code runs in the service, in the night and in a replay. A group uses only what an
`EntityUnion` contains: ranks and scores by strategy, the query and the overlaps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isnan, nan

import numpy as np

from ltrr.arrays import Floats
from ltrr.core.entity_union import EntityUnion
from ltrr.core.queries import query_class
from ltrr.core.ranking_metrics import reciprocal_rank
from ltrr.core.text_overlap import OVERLAPS
from ltrr.errors import ConfigError

COMPARED = ("fusion", "trigram_jaccard", "query_share", "log_popularity")
"""Candidate features that are also given relative to the best visible candidate of the query."""

Rows = Sequence[Sequence[float]]
"""Values of features, one row per entity of a union."""


@dataclass(frozen=True)
class EntityGroup:
    """One group of features.

    Attributes:
        declared: (name, unit) of its features, in the order of the values, from the strategies.
        values: Values of the declared features of each entity.
    """

    declared: Callable[[tuple[str, ...]], Sequence[tuple[str, str]]]
    values: Callable[[EntityUnion], Rows]


def chosen_groups(registered: Mapping[str, EntityGroup], names: Sequence[str], setting: str) -> tuple[EntityGroup, ...]:
    """The groups of these names.

    Args:
        registered: `RANKER_GROUPS` or `CANDIDATE_GROUPS`.
        names: Names of the groups.
        setting: Where the names come from, for the error.

    Raises:
        ConfigError: a name is not registered or is repeated.
    """
    unknown = [name for name in names if name not in registered]
    if unknown or len(set(names)) < len(names):
        raise ConfigError(
            "unknown value of a setting",
            which=setting,
            expected="some of " + ", ".join(registered) + ", each at most once",
            got=", ".join(names),
        )
    return tuple(registered[name] for name in names)


def declared_columns(groups: Sequence[EntityGroup], strategies: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(name, unit) of every feature of some groups, in the order of their columns."""
    return tuple(column for group in groups for column in group.declared(strategies))


def entity_matrix(groups: Sequence[EntityGroup], union: EntityUnion) -> Floats:
    """Values of `declared_columns`, one row per entity, [E, F]."""
    parts = [group.values(union) for group in groups]
    rows = [list(chain.from_iterable(values)) for values in zip(*parts, strict=True)]
    if not rows:
        return np.empty((0, len(declared_columns(groups, union.strategies))))
    return np.array(rows, dtype=np.float64)


def _ranker_listings_declared(_: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        ("fusion", "sum of 61 / (60 + rank) over the strategies that list it"),
        ("strategies_listing", "drawn strategies that list it"),
    ]


def _ranker_listings_values(union: EntityUnion) -> Rows:
    return [(fusion, float(len(listings))) for fusion, listings in zip(union.fusion, union.listings, strict=True)]


def _ranker_query_declared(_: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("query_words", "words"), ("has_digits", "0 or 1")]


def ranker_query_values(key: str) -> tuple[float, float]:
    """Values of the ranker's group `query` for a query_key.

    >>> ranker_query_values("blade runner 2049")
    (3.0, 1.0)
    """
    return float(len(key.split())), float(query_class(key) == "digits")


def _ranker_query_values(union: EntityUnion) -> Rows:
    return [ranker_query_values(union.key)] * len(union.entity_ids)


def _ranker_strategies_declared(strategies: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        column
        for name in strategies
        for column in (
            (f"reciprocal_rank:{name}", "1 / rank, 0 where the strategy did not list it or was not drawn"),
            (f"score:{name}", "the strategy's own, NaN where it did not list it or was not drawn"),
            (f"score_ratio:{name}", "score / highest drawn score of the strategy, NaN likewise or where that is <= 0"),
        )
    ]


def _ranker_strategies_values(union: EntityUnion) -> Rows:
    top_scores = union.top_scores
    unlisted = [0.0, nan, nan] * len(union.strategies)
    rows = []
    for listings in union.listings:
        row = unlisted.copy()
        for s, (rank, score) in listings.items():
            place = 3 * s
            row[place] = reciprocal_rank(rank)
            row[place + 1] = score
            row[place + 2] = score / top_scores[s]
        rows.append(row)
    return rows


def _candidate_listings_declared(_: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        ("fusion", "sum of 61 / (60 + rank) over the visible listings"),
        ("reciprocal_ranks", "sum of 1 / rank over the visible listings"),
        ("strategies_listing", "visible strategies that list it"),
        ("best_rank", "smallest rank of a visible listing"),
        ("candidates", "visible candidates of the query"),
    ]


def _candidate_listings_values(union: EntityUnion) -> Rows:
    candidates = float(len(union.entity_ids))
    return [
        (fusion, sum(map(reciprocal_rank, ranks)), float(len(ranks)), float(ranks[0]) if ranks else nan, candidates)
        for fusion, ranks in zip(union.fusion, union.sorted_ranks, strict=True)
    ]


def _candidate_query_declared(_: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("query_words", "words"), ("query_characters", "characters"), ("query_has_digits", "0 or 1")]


def _candidate_query_values(union: EntityUnion) -> Rows:
    key = union.key
    has_digits = any(character.isdigit() for character in key)
    return [(float(len(key.split())), float(len(key)), float(has_digits))] * len(union.entity_ids)


def _candidate_strategies_declared(strategies: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        column
        for name in strategies
        for column in (
            (
                f"reciprocal_rank:{name}",
                "1 / rank; 0 where a visible block does not list it, NaN where none is visible",
            ),
            (f"score_ratio:{name}", "score / highest visible score of the strategy; NaN where it is not listed"),
            (f"listed:{name}", "visible candidates of the strategy"),
        )
    ]


def _candidate_strategies_values(union: EntityUnion) -> Rows:
    top_scores = union.top_scores
    unlisted = [value for count in union.listed for value in (nan if isnan(count) else 0.0, nan, count)]
    rows = []
    for listings in union.listings:
        row = unlisted.copy()
        for s, (rank, score) in listings.items():
            place = 3 * s
            row[place] = reciprocal_rank(rank)
            row[place + 1] = score / top_scores[s]
        rows.append(row)
    return rows


def _relative_declared(_: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        column
        for name in COMPARED
        for column in (
            (f"best:{name}", "highest of the query"),
            (f"below_best:{name}", "less the highest of the query"),
        )
    ]


def _relative_values(union: EntityUnion) -> Rows:
    columns = [union.fusion, *([row[place] for row in union.overlaps] for place in _COMPARED_OVERLAPS)]
    pairs = []
    for column in columns:
        best = max([value for value in column if value == value], default=nan)
        pairs += [[best] * len(column), [value - best for value in column]]
    return list(zip(*pairs, strict=True))


_OVERLAP_NAMES = [name for name, _ in OVERLAPS]
_COMPARED_OVERLAPS = [_OVERLAP_NAMES.index(name) for name in COMPARED if name in _OVERLAP_NAMES]

DEFAULT_RANKER_GROUPS = ("listings", "query", "strategies")
"""Groups of a ranker whose policy names none."""

DEFAULT_CANDIDATE_GROUPS = ("listings", "query", "strategies", "overlaps", "relative")
"""Groups of learned values that name none."""

RANKER_GROUPS = {
    "listings": EntityGroup(_ranker_listings_declared, _ranker_listings_values),
    "query": EntityGroup(_ranker_query_declared, _ranker_query_values),
    "strategies": EntityGroup(_ranker_strategies_declared, _ranker_strategies_values),
    "overlaps": EntityGroup(lambda _: OVERLAPS, lambda union: union.overlaps),
}
"""Every group of ranker features by its name. The blocks of a union are the drawn ones.

`overlaps` needs the fields of the entities, which the service gives to `Policy.rank`.
"""

CANDIDATE_GROUPS = {
    "listings": EntityGroup(_candidate_listings_declared, _candidate_listings_values),
    "query": EntityGroup(_candidate_query_declared, _candidate_query_values),
    "strategies": EntityGroup(_candidate_strategies_declared, _candidate_strategies_values),
    "overlaps": EntityGroup(lambda _: OVERLAPS, lambda union: union.overlaps),
    "relative": EntityGroup(_relative_declared, _relative_values),
}
"""Every group of candidate features by its name. A union has the entities of all visible blocks,
but no ranks and scores of the memory.
"""
