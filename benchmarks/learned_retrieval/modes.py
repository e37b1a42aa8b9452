"""What each `observe` makes of the log: the value of every plan for every query, or the plan it ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learned_retrieval.values import (
    Labels,
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
class Planned:
    """Values of plans in one way of looking.

    Attributes:
        whole: what is visible of every query.
        bare: the same as if no query had ever been searched.
        values: of every plan, [Q, P].
        bare_values: likewise, [Q, P]: how a query that was never searched is planned.
    """

    whole: Views
    bare: Views
    values: Floats
    bare_values: Floats


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

    @cached_property
    def full_worth(self) -> tuple[Worth, Worth]:
        """Value of every candidate of all blocks: with the query's own clicks, and as predicted without them."""
        full = self.depths(self.library.space.budget)
        seen = self.views(self.bare, full)
        models = learn_candidates(self.learner, seen)
        whole = self.views(self.library, full)
        return (
            candidate_worth(self.learner, models, whole, with_clicks=True),
            candidate_worth(self.learner, models, seen, with_clicks=False),
        )

    @cached_property
    def labels(self) -> Labels:
        """What every plan brings: blocks of logged queries are fetched once, offline, as for plans made offline."""
        full = self.depths(self.library.space.budget)
        with_clicks, _ = self.full_worth
        whole, bare = (
            coverages(self.views(library, full), with_clicks)
            for library in (self.library, self.library.without_memory())
        )
        return Labels(whole, bare, np.ones(whole.shape, dtype=np.bool_))


def all_blocks(study: Study) -> Planned:
    """Every block visible: nothing is left to predict but the candidates' values."""
    full = study.depths(study.library.space.budget)
    whole, bare = (study.views(library, full) for library in (study.library, study.bare))
    with_clicks, predicted = study.full_worth
    return Planned(whole, bare, coverages(whole, with_clicks), coverages(bare, predicted))


def logged_labels(study: Study, looked: int) -> Labels:
    """Labels from the log alone, `looked` blocks of every strategy always fetched: plans whose blocks are all known."""
    known = study.with_memory(np.maximum(study.learner.log.drawn, looked))
    models = learn_candidates(study.learner, study.views(study.bare, known))
    whole, bare = study.views(study.library, known), study.views(study.bare, known)
    return Labels(
        coverages(whole, candidate_worth(study.learner, models, whole, with_clicks=True)),
        coverages(bare, candidate_worth(study.learner, models, bare, with_clicks=True)),
        (study.library.space.plans[None] <= known[:, None, :]).all(axis=2),
    )


def at_once(study: Study, labels: Labels, depth: int) -> Planned:
    """Planned from the first `depth` blocks of every strategy: 1 is first_look, 0 is blind."""
    visible = study.depths(depth)
    # Without a look the only candidates are the memory's, and their values come from deeper looks at other queries.
    models = learn_candidates(study.learner, study.views(study.bare, np.maximum(visible, 1)))
    views = [study.views(library, visible) for library in (study.library, study.bare)]
    looks = [_valued(study, models, one) for one in views]
    unseen = learn_unseen(study.learner, looks, labels)
    return Planned(*views, *(plan_values(study.learner, look, unseen) for look in looks))


def drawn(study: Study, labels: Labels) -> tuple[Longs, Longs]:
    """The plans that drawing block by block ends with, [Q], and for queries as if never searched, [Q].

    Each choice sees the blocks before it.
    """
    queries, draws = _partial_plans(study)
    models = learn_candidates(study.learner, Views(study.bare, queries, study.with_memory(draws)))
    looks = [_looks(study, models, library, queries, draws) for library in (study.library, study.bare)]
    unseen = learn_unseen(study.learner, looks, labels)
    return _draw(study, models, unseen, study.library), _draw(study, models, unseen, study.bare)


def _draw(study: Study, models: Sequence[bytes], unseen: Sequence[bytes], library: Library) -> Longs:
    space = study.library.space
    so_far = np.zeros_like(study.learner.log.drawn)
    for _ in range(space.budget):
        looks = _looks(study, models, library, study.all_queries, so_far)
        values = plan_values(study.learner, looks, unseen)
        so_far = so_far + np.array([_next_block(space.plans, row, at) for row, at in zip(values, so_far, strict=True)])
    place = {tuple(depths): index for index, depths in enumerate(space.plans.tolist())}
    return np.array([place[tuple(row)] for row in so_far.tolist()])


def _looks(study: Study, models: Sequence[bytes], library: Library, queries: Longs, drawn: Longs) -> Looks:
    """Looks at these queries after these draws [N, S]."""
    return _valued(study, models, Views(library, queries, study.with_memory(drawn)))


def _valued(study: Study, models: Sequence[bytes], views: Views) -> Looks:
    """With the queries' own clicks where the memory is there."""
    return Looks.of(views, candidate_worth(study.learner, models, views, with_clicks=not views.library.is_bare))


def _partial_plans(study: Study) -> tuple[Longs, Longs]:
    """Each training query after two of none, one, two and three random draws: queries [N] and depths [N, S]."""
    rng = np.random.default_rng(study.seed)
    train = np.flatnonzero(study.learner.is_train)
    budget = study.library.space.budget
    first = rng.integers(0, budget, len(train))
    queries, depths = [], []
    for draws in (first, (first + budget // 2) % budget):
        so_far = np.zeros((len(train), len(study.library.space.strategies)), dtype=np.int64)
        for draw in range(budget - 1):
            chosen = rng.integers(0, so_far.shape[1], len(train))
            so_far[np.arange(len(train)), chosen] += draw < draws
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
