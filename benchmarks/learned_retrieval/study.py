"""One log with the parts that all modes share: candidate values, aims, and labels of plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.learned_retrieval.values import (
    CandidateValues,
    Labels,
    Learner,
    Looks,
    Views,
    candidate_values,
    coverages,
    learn_candidates,
)
from benchmarks.learned_retrieval.visibility import Library
from ltrr.arrays import Floats, Longs


@dataclass(frozen=True, eq=False)
class Aim:
    """Target of the values of plans.

    Attributes:
        name: Name of the planner in the table.
        unwanted: Value of an irrelevant candidate; it is subtracted from all values.
        weights: Weights of the queries, [Q].
    """

    name: str
    unwanted: float
    weights: Floats

    def of(self, by_view: CandidateValues) -> CandidateValues:
        """Values of candidates minus `unwanted`, at least 0."""
        if not self.unwanted:
            return by_view
        return [{entity: max(value - self.unwanted, 0.0) for entity, value in values.items()} for values in by_view]


@dataclass(frozen=True, eq=False)
class PlanValues:
    """Values of plans for one value of `observe`.

    Attributes:
        whole: Visible blocks of every query.
        bare: Visible blocks as if no user had searched any query.
        values: Value of every plan, [Q, P].
        bare_values: Value of every plan as if no user had searched any query, [Q, P].
    """

    whole: Views
    bare: Views
    values: Floats
    bare_values: Floats


@dataclass(frozen=True, eq=False)
class Study:
    """One log with the parts that all modes share.

    Attributes:
        learner: Data and settings that the study learns from.
        library: Blocks with the memory of the log.
        bare: Blocks without memory, as for an unseen query.
        seed: Seed of every random choice.
    """

    learner: Learner
    library: Library
    bare: Library
    seed: int

    @property
    def all_queries(self) -> Longs:
        """Numbers of all queries, [Q]."""
        return np.arange(len(self.library.keys))

    def views(self, library: Library, depths: Longs) -> Views:
        """Views of every query once, with blocks down to `depths`, [Q, S], visible."""
        return Views(library, self.all_queries, depths)

    def depths(self, depth: int) -> Longs:
        """Visible depths, [Q, S]: `depth` for every strategy, and the whole memory."""
        return self.with_memory(np.full((len(self.library.keys), len(self.library.space.strategies)), depth))

    def with_memory(self, depths: Longs) -> Longs:
        """Depths in which the memory, the last strategy, is wholly visible.

        The memory belongs to the service, so a look at it costs nothing.
        """
        seen = depths.copy()
        seen[:, -1] = self.library.space.budget
        return seen

    @cached_property
    def full_values(self) -> tuple[CandidateValues, CandidateValues]:
        """Values of all candidates of all blocks: with the query's own clicks, and without them."""
        full = self.depths(self.library.space.budget)
        seen = self.views(self.bare, full)
        models = learn_candidates(self.learner, seen)
        whole = self.views(self.library, full)
        return (
            candidate_values(self.learner, models, whole, with_clicks=True),
            candidate_values(self.learner, models, seen, with_clicks=False),
        )

    @cached_property
    def reward(self) -> Aim:
        """Aim at the found reward: a query weighs as much as the reward that it offers."""
        return Aim("value_planner", 0.0, np.ones(len(self.library.keys)))

    @cached_property
    def share(self) -> Aim:
        """Aim at the found share of the findable reward: every query has the same weight.

        The median value of all candidates stands for an irrelevant candidate. The 99th percentile
        stands for a candidate that all users want. The findable reward is the sum of the values
        minus the median, at most that of a page of the best candidates. All of them come from
        clicks alone.
        """
        with_clicks, _ = self.full_values
        learned = np.flatnonzero(self.learner.is_train)
        values = np.concatenate([list(with_clicks[query].values()) for query in learned.tolist()])
        unwanted, best = (float(q) for q in np.quantile(values, (0.5, 0.99)))
        aim = Aim("share_planner", unwanted, np.ones(len(with_clicks)))
        sums = np.array([sum(values.values()) for values in aim.of(with_clicks)])
        limit = self.library.space.block_size * self.library.space.budget
        findable = np.clip(sums, (best - unwanted) / 2.0, limit * (best - unwanted))
        return Aim(aim.name, unwanted, 1.0 / findable)

    def labels(self, aim: Aim) -> Labels:
        """Value of every plan; the blocks of logged queries are fetched once, offline."""
        full = self.depths(self.library.space.budget)
        by_view = aim.of(self.full_values[0])
        whole, bare = (
            coverages(self.views(library, full), by_view) for library in (self.library, self.library.without_memory())
        )
        return Labels(whole, bare, np.ones(whole.shape, dtype=np.bool_), aim.weights)

    @cached_property
    def estimated_recall(self) -> Floats:
        """Estimated share of the findable reward that every plan finds without a memory, [Q, P].

        The estimate is from clicks alone.
        """
        return self.labels(self.share).bare * self.share.weights[:, None]


def value_looks(study: Study, models: Sequence[bytes], views: Views, aim: Aim) -> Looks:
    """Looks with candidate values; the query's own clicks count unless the library is bare."""
    by_view = candidate_values(study.learner, models, views, with_clicks=not views.library.is_bare)
    return Looks.of(views, aim.of(by_view))
