"""One log with what every mode shares: candidate values, aims, and labels of plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.arrays import Floats, Longs
from benchmarks.learned_retrieval.values import (
    Labels,
    Learner,
    Looks,
    Views,
    Worth,
    candidate_worth,
    coverages,
    learn_candidates,
)
from benchmarks.learned_retrieval.visibility import Library


@dataclass(frozen=True, eq=False)
class Aim:
    """Target of the values of plans.

    Attributes:
        name: of the planner in the table.
        unwanted: part of the value of every candidate that irrelevant candidates have, too.
        weights: of the queries, [Q].
    """

    name: str
    unwanted: float
    weights: Floats

    def of(self, worth: Worth) -> Worth:
        """Values of candidates minus `unwanted`, at least 0."""
        if not self.unwanted:
            return worth
        return [{entity: max(value - self.unwanted, 0.0) for entity, value in values.items()} for values in worth]


@dataclass(frozen=True, eq=False)
class Planned:
    """Values of plans in one way of looking.

    Attributes:
        whole: visible blocks of every query.
        bare: the same as if no user had searched any query.
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
        learner: data and settings that the study learns from.
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
    def reward(self) -> Aim:
        """The found reward: a query counts by the reward that it offers."""
        return Aim("value_planner", 0.0, np.ones(len(self.library.keys)))

    @cached_property
    def share(self) -> Aim:
        """The found share of the findable reward: every query has the same weight, as in recall.

        An irrelevant candidate has the median value of all candidates. One that all users want has
        the 99th percentile. Both come from clicks alone, and so does the findable reward: the sum
        of the values that remain, at most a page of the best.
        """
        with_clicks, _ = self.full_worth
        learned = np.flatnonzero(self.learner.is_train)
        values = np.concatenate([list(with_clicks[query].values()) for query in learned.tolist()])
        unwanted, best = (float(q) for q in np.quantile(values, (0.5, 0.99)))
        aim = Aim("share_planner", unwanted, np.ones(len(with_clicks)))
        sums = np.array([sum(values.values()) for values in aim.of(with_clicks)])
        limit = self.library.space.block_size * self.library.space.budget
        findable = np.clip(sums, (best - unwanted) / 2.0, limit * (best - unwanted))
        return Aim(aim.name, unwanted, 1.0 / findable)

    def labels(self, aim: Aim) -> Labels:
        """Value of every plan: blocks of logged queries are fetched once, offline, as for plans made offline."""
        full = self.depths(self.library.space.budget)
        worth = aim.of(self.full_worth[0])
        whole, bare = (
            coverages(self.views(library, full), worth) for library in (self.library, self.library.without_memory())
        )
        return Labels(whole, bare, np.ones(whole.shape, dtype=np.bool_), aim.weights)

    @cached_property
    def estimated_recall(self) -> Floats:
        """Share of the findable reward that every plan finds without a memory, from clicks alone, [Q, P]."""
        return self.labels(self.share).bare * self.share.weights[:, None]


def valued_looks(study: Study, models: Sequence[bytes], views: Views, aim: Aim) -> Looks:
    """With the queries' own clicks where the memory is there."""
    worth = candidate_worth(study.learner, models, views, with_clicks=not views.library.is_bare)
    return Looks.of(views, aim.of(worth))
