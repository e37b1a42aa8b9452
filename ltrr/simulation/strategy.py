"""Declaration of a strategy of simulated worlds, and its input.

`ltrr.simulation.strategies` is the registry and says how to add a strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ltrr.arrays import Floats
from ltrr.simulation.rankings import Ranking
from ltrr.simulation.world import Entity

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SearchPlan:
    """Strategies that search a world, and the texts that they search.

    Attributes:
        all_text: Name of BM25 over title, description and every attribute.
        structured: Attributes that structured search looks into.
        title: Whether BM25 over titles alone is a strategy (`title`).
        hybrid: Whether the fusion of `all_text` and the semantic strategy is a strategy.
        semantic: Whether sentence vectors are used. Otherwise trigrams of letters (`ngrams`) take
            their place.
    """

    all_text: str
    structured: tuple[str, ...]
    title: bool = False
    hybrid: bool = True
    semantic: bool = True


@dataclass(frozen=True, eq=False)
class SearchTask:
    """Everything that a strategy may use to rank the catalogue for every query.

    Attributes:
        entities: Catalogue.
        queries: Query texts.
        plan: Search plan of the world.
        depth: Maximum number of candidates per query.
        cache_folder: Folder of arrays that are kept by content; None keeps nothing.
        progress: Called with (texts done, all texts) by slow strategies.
        rankings: Rankings of the strategies that stand earlier in the registry, by name in this
            world.
    """

    entities: Sequence[Entity]
    queries: Sequence[str]
    plan: SearchPlan
    depth: int
    cache_folder: Path | None = None
    progress: Progress | None = None
    rankings: dict[str, Ranking] = field(default_factory=dict)

    @cached_property
    def titles(self) -> list[str]:
        """Title of each entity."""
        return [entity.title for entity in self.entities]

    @cached_property
    def prose(self) -> list[str]:
        """Title and description of each entity."""
        return [f"{entity.title}. {entity.description}" for entity in self.entities]

    @cached_property
    def facts(self) -> list[str]:
        """Values of the attributes that structured search looks into, for each entity."""
        return [_values_of(entity, self.plan.structured) for entity in self.entities]

    @cached_property
    def everything(self) -> list[str]:
        """Title, description and values of all attributes of each entity."""
        values = (_values_of(entity, tuple(entity.attributes)) for entity in self.entities)
        return [f"{prose} {text}" for prose, text in zip(self.prose, values, strict=True)]

    @cached_property
    def popularity(self) -> Floats:
        """Popularity of each entity."""
        return np.array([entity.popularity for entity in self.entities], dtype=np.float64)


def _always(_: SearchPlan) -> bool:
    return True


@dataclass(frozen=True)
class WorldStrategy:
    """One strategy of simulated worlds.

    Attributes:
        search: Ranking of the catalogue for every query, at most `depth` deep, best first. It must
            follow from the task alone: no clock and no randomness without a fixed seed.
        made_from: Texts that the ranking depends on, in addition to queries and depth. The cache
            stores the ranking under a hash of them. None computes the ranking anew each time.
        is_used: Whether a world with this plan has the strategy.
        name: Name in a world with this plan; None for the name in the registry.
    """

    search: Callable[[SearchTask], Ranking]
    made_from: Callable[[SearchTask], Sequence[str]] | None = None
    is_used: Callable[[SearchPlan], bool] = _always
    name: Callable[[SearchPlan], str] | None = None


def _values_of(entity: Entity, names: Sequence[str]) -> str:
    attributes: Mapping[str, tuple[str, ...]] = entity.attributes
    return " ".join(value for name in names for value in attributes.get(name, ()))
