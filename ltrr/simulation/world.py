"""A simulated world: entities, queries with known relevance, rankings, and a model of users.

The rankings come from strategies that really search. The recall of any plan and the expected reward
of any page follow exactly from its arrays. Numbers of queries and entities are their indices in
`queries` and `entities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ltrr.arrays import Bools, Floats, Longs
from ltrr.artifacts.manifest import PolicySettings
from ltrr.core.feature_groups import MEMORY
from ltrr.core.hashing import unit_interval
from ltrr.core.queries import query_key
from ltrr.core.text_overlap import EntityFields
from ltrr.errors import ConfigError
from ltrr.simulation.rankings import Rankings
from ltrr.simulation.users import UserModel, zipf

UNSEEN_SHARE = 0.25
HEAD_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class Entity:
    """One item that a search can retrieve.

    Attributes:
        entity_id: Id in logs.
        title: Title.
        description: Description of a sentence or more; may be empty.
        attributes: Structured facts by name, such as genre, year, people.
        popularity: Overall demand, in any unit, >= 0.
    """

    entity_id: str
    title: str
    description: str
    attributes: Mapping[str, tuple[str, ...]]
    popularity: float


@dataclass(frozen=True, slots=True)
class Query:
    """One query_key and its relevant entities.

    Attributes:
        query_text: Text as typed.
        kind: `navigational`, `broad`, ...; `labelled` for human judgments without a kind.
        relevance: Entity number -> relevance in (0, 1]; 0 for all others.
        demand: Frequency of the query; only the order counts.
    """

    query_text: str
    kind: str
    relevance: Mapping[int, float]
    demand: float


@dataclass(frozen=True, eq=False)
class World:
    """A simulated service with known true values.

    Attributes:
        name: `music`, `msrd`, ...
        entities: Catalogue.
        queries: Queries, each query_key once.
        rankings: Ranking of each strategy, except the memory, for each query.
        users: User model.
        block_size: Number of candidates in one block.
        budget: Number of blocks in one plan.
        notes: Remarks for readers of its figures, such as a replaced strategy.

    Raises:
        ConfigError: Two queries have one query_key, or the rankings do not fit.
    """

    name: str
    entities: tuple[Entity, ...]
    queries: tuple[Query, ...]
    rankings: Rankings
    users: UserModel
    block_size: int = 2
    budget: int = 4
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.queries), len(self.rankings.strategies), self.limit)
        keys = len(set(self.keys))
        if keys < len(self.queries) or self.rankings.entities.shape != expected:
            raise ConfigError(
                "the parts of a world do not fit",
                which=self.name,
                expected=f"{len(self.queries)} query_keys and rankings of shape {expected}",
                got=f"{keys} query_keys and rankings of shape {self.rankings.entities.shape}",
            )

    @property
    def limit(self) -> int:
        """Maximum number of candidates of a plan: block_size x budget."""
        return self.block_size * self.budget

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names of all strategies, the memory last."""
        return (*self.rankings.strategies, MEMORY)

    def policy_settings(self, name: str = "search") -> PolicySettings:
        """Settings of a policy over every strategy of this world."""
        return PolicySettings(name, self.strategies, block_size=self.block_size, budget=self.budget)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """query_key of every query."""
        return tuple(query_key(query.query_text) for query in self.queries)

    @cached_property
    def entity_ids(self) -> tuple[str, ...]:
        """Id of every entity."""
        return tuple(entity.entity_id for entity in self.entities)

    @cached_property
    def entity_numbers(self) -> Mapping[str, int]:
        """entity_id -> number."""
        return {entity_id: number for number, entity_id in enumerate(self.entity_ids)}

    @cached_property
    def unseen(self) -> Bools:
        """Whether a query is never searched in the logs, [Q]: a quarter of all, by a hash."""
        return np.array([unit_interval("unseen", key) < UNSEEN_SHARE for key in self.keys], dtype=np.bool_)

    @cached_property
    def traffic(self) -> Floats:
        """Share of the searches that each query has, [Q]; adds up to one, 0 for the unseen."""
        seen = np.flatnonzero(~self.unseen)
        # Ties in demand are ordered by key, so that the order of the file does not matter.
        order = sorted(seen.tolist(), key=lambda number: (-self.queries[number].demand, self.keys[number]))
        traffic = np.zeros(len(self.queries))
        traffic[order] = zipf(len(order), self.users.query_exponent)
        return traffic

    @cached_property
    def slices(self) -> Mapping[str, Longs]:
        """Query numbers of `unseen`, `head` (the thousand most frequent) and `tail` (others)."""
        by_traffic = np.argsort(-self.traffic, kind="stable")[: int((~self.unseen).sum())]
        return {
            "unseen": np.flatnonzero(self.unseen),
            "head": np.sort(by_traffic[:HEAD_KEYS]),
            "tail": np.sort(by_traffic[HEAD_KEYS:]),
        }

    @cached_property
    def fields(self) -> Mapping[str, EntityFields]:
        """Fields that a service of this world gets with its hits, by entity_id."""
        return {entity.entity_id: fields_of(entity) for entity in self.entities}

    @cached_property
    def relevant_counts(self) -> Longs:
        """Relevant entities of each query, [Q]."""
        return np.array([len(query.relevance) for query in self.queries], dtype=np.int64)

    @cached_property
    def _relevance(self) -> tuple[Longs, Floats]:
        """Sorted codes of the relevant pairs, and their relevance.

        The code is query number * number of entities + entity number.
        """
        pairs = [
            (number * len(self.entities) + entity, relevance)
            for number, query in enumerate(self.queries)
            for entity, relevance in query.relevance.items()
        ]
        codes = np.array([code for code, _ in pairs], dtype=np.int64)
        order = np.argsort(codes)
        return codes[order], np.array([relevance for _, relevance in pairs], dtype=np.float64)[order]

    def relevance(self, queries: Longs, entities: Longs) -> Floats:
        """Relevance of pairs; both arrays are broadcast, and an entity of -1 has relevance 0."""
        codes, values = self._relevance
        wanted, entity = np.broadcast_arrays(queries, entities)
        if not len(codes):
            return np.zeros(wanted.shape)
        searched = wanted * len(self.entities) + entity
        place = np.minimum(np.searchsorted(codes, searched), len(codes) - 1)
        return np.where((codes[place] == searched) & (entity >= 0), values[place], 0.0)


def fields_of(entity: Entity) -> EntityFields:
    """Attributes of an entity as a service has them, whatever their names in its world."""

    def joined(*names: str) -> str:
        return " ".join(value for name in names for value in entity.attributes.get(name, ()))

    return EntityFields(
        entity.title,
        entity.description,
        joined("people", "characters", "artist"),
        joined("genres", "tags", "genre", "mood"),
        float(joined("year") or "nan"),
        entity.popularity,
    )
