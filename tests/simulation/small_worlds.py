"""Small random worlds and policies that serve them, for comparisons with brute force."""

from datetime import date

import numpy as np

from ltrr.artifacts.bundle import uniform_bundle
from ltrr.artifacts.memory_part import memory_part_bytes
from ltrr.serving.policy import Policy
from ltrr.simulation.rankings import Ranking, Rankings
from ltrr.simulation.users import UserModel
from ltrr.simulation.world import Entity, Query, World

FIRST_DAY = date(2026, 3, 1)


def chance_world(*, queries=40, entities=30, strategies=("title", "fields"), limit=8, seed=3, users=None):
    """Random rankings and relevance, with short and empty lists and entities on several lists."""
    generator = np.random.default_rng(seed)
    shape = (queries, limit)
    answers = {}
    for strategy in strategies:
        numbers = np.full(shape, -1, dtype=np.int32)
        scores = np.zeros(shape)
        for query in range(queries):
            length = int(generator.choice([0, 1, 3, limit, limit, limit]))
            numbers[query, :length] = generator.choice(entities, size=length, replace=False)
            scores[query, :length] = np.sort(generator.random(length))[::-1].round(4)
        answers[strategy] = Ranking(numbers, scores)
    asked = []
    for query in range(queries):
        relevant = generator.choice(entities, size=int(generator.integers(1, 14)), replace=False).tolist()
        grades = generator.choice([0.5, 1.0], size=len(relevant)).tolist()
        wanted = dict(zip(relevant, grades, strict=True))
        asked.append(Query(f"query {query}", "labelled", wanted, demand=float(generator.random())))
    return World(
        name="chance",
        entities=tuple(Entity(f"e{n}", f"Title {n}", "", {}, 1.0) for n in range(entities)),
        queries=tuple(asked),
        rankings=Rankings.of(answers),
        users=users or UserModel(users=200),
        block_size=2,
        budget=limit // 2,
    )


def uniform_policy(world, memory=()):
    """The first champion of a world; `memory` has (query_key, [(entity_id, score), ...])."""
    manifest, files = uniform_bundle(world.policy_settings(), FIRST_DAY)
    if memory:
        files = {**files, "memory-000.npz": memory_part_bytes(memory)}
    return Policy.of(manifest, files)
