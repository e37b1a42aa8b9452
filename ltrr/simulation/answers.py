"""Answers of a world's strategies to one query, as blocks that the serving code accepts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Longs
from ltrr.core.feature_groups import MEMORY
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.errors import ConfigError
from ltrr.serving.policy import Policy
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.world import World

Answers = tuple[tuple[Block, ...], ...]
"""Every block of one query, [S][D]."""


def answers_of(world: World, policy: Policy, query: int) -> Answers:
    """Every block that a plan of this policy could draw for a query.

    The blocks of the memory come from the policy.

    Raises:
        ConfigError: The policy draws from a strategy that the world lacks, or deeper than its
            rankings.
    """
    space = policy.space
    return tuple(
        tuple(_block(space, strategy, depth, entity_ids, scores) for depth in range(1, space.budget + 1))
        for strategy, (entity_ids, scores) in zip(space.strategies, _lists(world, policy, query), strict=True)
    )


def looks_of(answers: Answers, observe: str) -> tuple[Block, ...]:
    """Blocks that a policy with this `observe` sees before it chooses.

    All blocks of the memory are among them, because they cost no call.
    """
    seen = {"blind": 0, "first_look": 1}.get(observe)
    return tuple(
        block
        for blocks in answers
        for block in blocks
        if seen is None or block.depth <= seen or block.strategy == MEMORY
    )


def plan_blocks(answers: Answers, depths: Sequence[int]) -> tuple[Block, ...]:
    """Blocks that a plan draws; the plan is given by its depth per strategy."""
    return tuple(block for blocks, depth in zip(answers, depths, strict=True) for block in blocks[:depth])


def recall_entities(world: World, policy: Policy, queries: Longs) -> NDArray[np.int32]:
    """Entity numbers that the policy's memory recalls for each query, [n, L].

    Places beyond the last entity have `NO_ENTITY`. An entity that the world does not have is
    `NO_ENTITY`: it takes up a position and is not relevant.
    """
    numbers = np.full((len(queries), world.limit), NO_ENTITY, dtype=np.int32)
    for row, query in enumerate(queries.tolist()):
        for rank, (entity_id, _) in enumerate(policy.recall(world.queries[query].query_text, world.limit)):
            numbers[row, rank] = world.entity_numbers.get(entity_id, NO_ENTITY)
    return numbers


def strategy_places(world: World, space: PlanSpace) -> list[int | None]:
    """Index of each strategy of a plan space in the world's rankings; None for the memory.

    Raises:
        ConfigError: The world lacks a strategy, or its rankings are less deep.
    """
    unknown = [name for name in space.strategies if name not in world.strategies]
    if unknown or space.block_size * space.budget > world.limit:
        raise ConfigError(
            "the simulated world cannot serve this policy",
            which=world.name,
            expected=f"strategies of {', '.join(world.strategies)}; block_size x budget up to {world.limit}",
            got=f"{', '.join(unknown or space.strategies)}; {space.block_size} x {space.budget}",
        )
    return [None if name == MEMORY else world.rankings.strategies.index(name) for name in space.strategies]


def _lists(world: World, policy: Policy, query: int) -> list[tuple[tuple[str, ...], tuple[float, ...]]]:
    lists: list[tuple[tuple[str, ...], tuple[float, ...]]] = []
    limit = policy.space.block_size * policy.space.budget
    for place in strategy_places(world, policy.space):
        if place is None:
            recall = policy.recall(world.queries[query].query_text, limit)
            lists.append((tuple(name for name, _ in recall), tuple(round(score, 6) for _, score in recall)))
            continue
        numbers = world.rankings.entities[query, place, :limit].tolist()
        scores = world.rankings.scores[query, place, :limit].tolist()
        length = numbers.index(NO_ENTITY) if NO_ENTITY in numbers else limit
        lists.append((tuple(world.entity_ids[number] for number in numbers[:length]), tuple(scores[:length])))
    return lists


def _block(
    space: PlanSpace, strategy: str, depth: int, entity_ids: tuple[str, ...], scores: tuple[float, ...]
) -> Block:
    ranks = slice((depth - 1) * space.block_size, depth * space.block_size)
    return Block(strategy, depth, "ok" if entity_ids[ranks] else "empty", entity_ids[ranks], scores[ranks])
