"""What each `observe` makes of the log: which plan it takes for every query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learned_retrieval.values import (
    Learner,
    Looks,
    Views,
    Worth,
    candidate_worth,
    coverages,
    extends,
    learn_candidates,
    learn_unseen,
    plan_values,
)
from learned_retrieval.visibility import Library

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

COMMITMENT = 0.05
"""Reward: of the blocks of the plan believed best, the next drawn is the one that plans within about this share."""


@dataclass(frozen=True, eq=False)
class Study:
    """One log and all that modes share.

    Attributes:
        learner: what is learned from.
        library: with the memory of the log.
        bare: the same without memory, as an unseen query is met.
        seed: of every choice.
    """

    learner: Learner
    library: Library
    bare: Library
    seed: int

    @property
    def all_queries(self) -> Longs:
        """Every query once."""
        return np.arange(len(self.library.keys))

    def views(self, library: Library, depths: Longs) -> Views:
        """Every query once, seen down to `depths` [Q, S]."""
        return Views(library, self.all_queries, depths)

    def depths(self, depth: int) -> Longs:
        """The same visible depth of every strategy for every query, [Q, S]."""
        return self.with_memory(np.full((len(self.library.keys), len(self.library.space.strategies)), depth))

    def with_memory(self, depths: Longs) -> Longs:
        """Visible depths where the memory, the service's own and last of the strategies, is always seen whole."""
        seen = depths.copy()
        seen[:, -1] = self.library.space.budget
        return seen


def all_blocks(study: Study) -> tuple[Views, Worth]:
    """Every block visible: nothing is left to predict but the candidates' values."""
    full = study.depths(study.library.space.budget)
    models = learn_candidates(study.learner, study.views(study.bare, full))
    views = study.views(study.library, full)
    return views, candidate_worth(study.learner, models, views, with_clicks=True)


@dataclass(frozen=True, eq=False)
class Labels:
    """What plans brought, as far as the log shows: labels of the unseen value.

    Attributes:
        whole: value of every plan's union, [Q, P].
        bare: the same without memory.
        is_known: whether all blocks of the plan were drawn for the query at some time, [Q, P].
    """

    whole: Floats
    bare: Floats
    is_known: NDArray[np.bool_]


def labels_of(study: Study, looked: int) -> Labels:
    """Labels where `looked` blocks of every strategy are always fetched (1 with first looks, else 0)."""
    known = study.with_memory(np.maximum(study.learner.log.drawn, looked))
    models = learn_candidates(study.learner, study.views(study.bare, known))
    whole, bare = study.views(study.library, known), study.views(study.bare, known)
    return Labels(
        coverages(whole, candidate_worth(study.learner, models, whole, with_clicks=True)),
        coverages(bare, candidate_worth(study.learner, models, bare, with_clicks=True)),
        (study.library.space.plans[None] <= known[:, None, :]).all(axis=2),
    )


def looks_of(study: Study, models: Sequence[bytes], library: Library, queries: Longs, drawn: Longs) -> Looks:
    """Looks at these queries after these draws [N, S]; with their own clicks where the memory is there."""
    return _valued(study, models, Views(library, queries, study.with_memory(drawn), drawn))


def _valued(study: Study, models: Sequence[bytes], views: Views) -> Looks:
    return Looks.of(views, candidate_worth(study.learner, models, views, with_clicks=views.library is study.library))


def at_once(study: Study, labels: Labels, depth: int) -> Floats:
    """Value of every plan from the first `depth` blocks of every strategy, [Q, P]: 1 is first_look, 0 is blind."""
    visible = study.depths(depth)
    # Without a look the only candidates are the memory's, and their values come from deeper looks at other queries.
    models = learn_candidates(study.learner, study.views(study.bare, np.maximum(visible, 1)))
    whole, bare = (_valued(study, models, study.views(library, visible)) for library in (study.library, study.bare))
    samples = [(whole, labels.whole, labels.is_known), (bare, labels.bare, labels.is_known)]
    return plan_values(study.learner, whole, learn_unseen(study.learner, samples, study.seed))


def drawn(study: Study, labels: Labels) -> Longs:
    """The plan that drawing block by block ends with, [Q]; each choice sees the blocks before it."""
    space = study.library.space
    queries, draws = _partial_plans(study)
    models = learn_candidates(study.learner, Views(study.bare, queries, study.with_memory(draws)))
    samples = [
        (looks_of(study, models, study.library, queries, draws), labels.whole, labels.is_known),
        (looks_of(study, models, study.bare, queries, draws), labels.bare, labels.is_known),
    ]
    model = learn_unseen(study.learner, samples, study.seed)
    so_far = np.zeros_like(study.learner.log.drawn)
    for _ in range(space.budget):
        looks = looks_of(study, models, study.library, study.all_queries, so_far)
        values = plan_values(study.learner, looks, model)
        so_far = so_far + np.array([_next_block(space.plans, row, at) for row, at in zip(values, so_far, strict=True)])
    place = {tuple(depths): index for index, depths in enumerate(space.plans.tolist())}
    return np.array([place[tuple(row)] for row in so_far.tolist()])


def _partial_plans(study: Study) -> tuple[Longs, Longs]:
    """Each training query after none, one, two and three random draws: queries [N] and depths [N, S]."""
    rng = np.random.default_rng(study.seed)
    train = np.flatnonzero(study.learner.is_train)
    known = study.learner.log.drawn
    queries, depths = [], []
    for draws in range(study.library.space.budget):
        so_far = np.zeros((len(train), known.shape[1]), dtype=np.int64)
        for _ in range(draws):
            # Only what some impression of the query drew is in the log.
            weights = rng.random(so_far.shape) * (so_far < known[train])
            chosen = weights.argmax(axis=1)
            can = weights.max(axis=1) > 0.0
            so_far[np.flatnonzero(can), chosen[can]] += 1
        queries.append(train)
        depths.append(so_far)
    return np.concatenate(queries), np.concatenate(depths)


def _next_block(plans: NDArray[np.int8], values: Floats, so_far: Longs) -> Longs:
    """One more draw, [S]: of the blocks of the best plan still possible, the one that most good plans want too."""
    possible = extends(plans, so_far)
    best = int(np.argmax(np.where(possible, values, -np.inf)))
    weight = np.where(possible, np.exp(np.minimum((values - values[best]) / COMMITMENT, 0.0)), 0.0)
    wanted = plans > so_far
    support = np.where(wanted[best], weight @ wanted, -1.0)
    return np.eye(1, plans.shape[1], int(np.argmax(support)), dtype=np.int64)[0]


def best_candidates(study: Study, worth: Worth) -> Longs:
    """Numbers of the most valuable candidates of all blocks, as many as a plan brings, [Q, block_size x budget]."""
    numbers = {entity_id: number for number, entity_id in enumerate(study.learner.entity_ids)}
    limit = study.library.space.block_size * study.library.space.budget
    best = np.full((len(worth), limit), -1)
    for query, values in enumerate(worth):
        ordered = sorted(values, key=lambda entity: (-values[entity], entity))[:limit]
        best[query, : len(ordered)] = [numbers[entity] for entity in ordered]
    return best
