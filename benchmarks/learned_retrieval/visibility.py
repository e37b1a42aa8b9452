"""Blocks that are visible to a policy before it chooses, as the serving code represents them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from benchmarks.learned_retrieval.log import Log, Pairs
from ltrr.arrays import Longs
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.core.text_overlap import EntityFields, text_overlap
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.world import World

Blocks = tuple[Block, ...]


@dataclass(frozen=True, eq=False)
class Library:
    """Every block of every query, and the stored fields of every entity.

    Attributes:
        space: Plan space.
        keys: query_keys, [Q].
        blocks: Blocks of each query, strategy and depth, [Q][S][D]; the memory comes from a log or
            is empty.
        fields: entity_id -> stored fields; empty if texts are not compared.
        is_bare: Whether the memory is empty.
    """

    space: PlanSpace
    keys: tuple[str, ...]
    blocks: tuple[tuple[Blocks, ...], ...]
    fields: Mapping[str, EntityFields]
    is_bare: bool = False

    def without_memory(self) -> Library:
        """The library with an empty memory, as if no user had searched any query."""
        nothing = tuple(Block("memory", depth, "empty") for depth in range(1, self.space.budget + 1))
        return replace(self, blocks=tuple((*blocks[:-1], nothing) for blocks in self.blocks), is_bare=True)

    def overlaps(self, query: int, blocks: Blocks) -> dict[str, tuple[float, ...]]:
        """entity_id -> `text_overlap` with the query, for the candidates of the blocks."""
        entity_ids = {entity_id for block in blocks for entity_id in block.entity_ids}
        return {e: text_overlap(self.keys[query], self.fields[e]) for e in sorted(entity_ids) if e in self.fields}

    def without_fields(self) -> Library:
        """The library without the stored fields of entities."""
        return replace(self, fields={})

    def without_scores(self) -> Library:
        """The library without scores: all scores are NaN."""
        blocks = tuple(
            tuple(tuple(replace(b, scores=(nan,) * len(b.scores)) for b in depths) for depths in strategies)
            for strategies in self.blocks
        )
        return replace(self, blocks=blocks)

    def visible(self, queries: Longs, depths: Longs) -> list[Blocks]:
        """Blocks of the queries, [N], down to `depths`, [N, S]."""
        return [
            tuple(block for strategy, depth in zip(self.blocks[query], row, strict=True) for block in strategy[:depth])
            for query, row in zip(queries.tolist(), depths.tolist(), strict=True)
        ]


def library_of(world: World, space: PlanSpace, pairs: Pairs, log: Log) -> Library:
    """All blocks of a world; the blocks of the memory come from the log."""
    names = world.entity_ids
    world_lists = [
        [
            _blocks(space, name, *_name_entities(names, entities, scores))
            for name, entities, scores in zip(
                space.strategies, world.rankings.entities[q].tolist(), world.rankings.scores[q].tolist(), strict=False
            )
        ]
        for q in range(len(world.queries))
    ]
    blocks = []
    for q, strategies in enumerate(world_lists):
        recalled = np.flatnonzero(log.memory[q])
        recalled = recalled[np.argsort(log.memory[q, recalled])]
        entities = tuple(names[entity] for entity in pairs.entities[q, recalled].tolist())
        scores = tuple(1.0 / rank for rank in range(1, len(entities) + 1))
        blocks.append((*strategies, _blocks(space, "memory", entities, scores)))
    return Library(space, world.keys, tuple(blocks), world.fields)


def _name_entities(
    names: Sequence[str], entities: list[int], scores: list[float]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    length = entities.index(NO_ENTITY) if NO_ENTITY in entities else len(entities)
    return tuple(names[entity] for entity in entities[:length]), tuple(scores[:length])


def _blocks(space: PlanSpace, name: str, entities: tuple[str, ...], scores: tuple[float, ...]) -> Blocks:
    size = space.block_size
    return tuple(
        Block(
            name,
            depth + 1,
            "ok" if entities[depth * size :][:1] else "empty",
            entities[depth * size : (depth + 1) * size],
            scores[depth * size : (depth + 1) * size],
        )
        for depth in range(space.budget)
    )
