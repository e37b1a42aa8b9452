"""What each `observe` makes of the log: the value of every plan for every query, or the plan it ends with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Floats, Longs
from benchmarks.learned_retrieval.values import (
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
from benchmarks.learned_retrieval.visibility import Library
from ltrr.core.plan_profiles import PlanProfiles

COMMITMENT = 0.05
"""Of the blocks of the plan believed best, the next drawn is the one that plans within about this of it want."""


@dataclass(frozen=True, eq=False)
class Aim:
    """What plans are valued for.

    Attributes:
        name: of the planner in the table.
        unwanted: part of every candidate's value that also those have that nobody wants.
        weights: of the queries, [Q].
    """

    name: str
    unwanted: float
    weights: Floats

    def of(self, worth: Worth) -> Worth:
        """Values of candidates less what is unwanted, at least 0."""
        if not self.unwanted:
            return worth
        return [{entity: max(value - self.unwanted, 0.0) for entity, value in values.items()} for values in worth]


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
    def reward(self) -> Aim:
        """The sum of what is found: a query counts by how much there is to find."""
        return Aim("value_planner", 0.0, np.ones(len(self.library.keys)))

    @cached_property
    def share(self) -> Aim:
        """The share found of what can be found: every query counts alike, as recall has it.

        What nobody wants has the median value of all candidates; what everybody wants the highest but for one in a
        hundred. Both come from clicks alone, and so does what can be found: the sum of what is left, at most a page of
        the best.
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
        """What every plan brings: blocks of logged queries are fetched once, offline, as for plans made offline."""
        full = self.depths(self.library.space.budget)
        worth = aim.of(self.full_worth[0])
        whole, bare = (
            coverages(self.views(library, full), worth) for library in (self.library, self.library.without_memory())
        )
        return Labels(whole, bare, np.ones(whole.shape, dtype=np.bool_), aim.weights)

    @cached_property
    def estimated_recall(self) -> Floats:
        """Share found by every plan of what can be found, from clicks alone, if there were no memory, [Q, P]."""
        return self.labels(self.share).bare * self.share.weights[:, None]


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
        np.ones(len(known)),
    )


def at_once(study: Study, labels: Labels, depth: int, aim: Aim) -> Planned:
    """Planned from the first `depth` blocks of every strategy: 1 is first_look, 0 is blind."""
    visible = study.depths(depth)
    # Without a look the only candidates are the memory's, and their values come from deeper looks at other queries.
    models = learn_candidates(study.learner, study.views(study.bare, np.maximum(visible, 1)))
    views = [study.views(library, visible) for library in (study.library, study.bare)]
    looks = [_valued(study, models, one, aim) for one in views]
    unseen = learn_unseen(study.learner, looks, labels)
    return Planned(*views, *(plan_values(study.learner, look, unseen) for look in looks))


Valuing = Callable[[Library, Longs], Floats]
"""Values of every plan for every query, [Q, P], after the draws so far, [Q, S]."""


def drawn(study: Study, valuing: Valuing) -> tuple[Longs, Longs]:
    """The plans that drawing block by block ends with, [Q], and for queries as if never searched, [Q].

    Each choice sees the blocks before it.
    """
    return _draw(study, valuing, study.library), _draw(study, valuing, study.bare)


def both_aims(drawers: Sequence[Drawer]) -> Valuing:
    """The sum over aims, each in units of the spread between plans."""

    def valuing(library: Library, so_far: Longs) -> Floats:
        values = [drawer.values(library, so_far) for drawer in drawers]
        return np.sum([one / one.std(axis=1).mean() for one in values], axis=0)

    return valuing


@dataclass(frozen=True, eq=False)
class Drawer:
    """Values of whole plans after some draws.

    Not of what unseen blocks add: that depends on which blocks are seen, and no few patterns hold it for every set of
    them. What is seen is told by how much of each pattern its coverage has.

    Attributes:
        study: of one log.
        aim: what for.
        candidates: models of candidate values.
        whole: models of the value of whole plans.
        patterns: of plans' values.
    """

    study: Study
    aim: Aim
    candidates: Sequence[bytes]
    whole: Sequence[bytes]
    patterns: PlanProfiles

    @staticmethod
    def learn(study: Study, aim: Aim) -> Drawer:
        """From training queries after random draws."""
        queries, draws = _partial_plans(study)
        labels, learned = study.labels(aim), study.learner.is_train
        patterns = PlanProfiles.of(labels.bare[learned], labels.is_known[learned], study.learner.settings.patterns)
        candidates = learn_candidates(study.learner, Views(study.bare, queries, study.with_memory(draws)))
        drawer = Drawer(study, aim, candidates, (), patterns)
        looks = [drawer.looks(library, queries, draws) for library in (study.library, study.bare)]
        return replace(drawer, whole=learn_unseen(study.learner, looks, labels))

    def looks(self, library: Library, queries: Longs, drawn: Longs) -> Looks:
        """Looks at these queries after these draws [N, S]."""
        looks = _valued(self.study, self.candidates, Views(library, queries, self.study.with_memory(drawn)), self.aim)
        told = self.patterns.shares(looks.coverage + self.patterns.mean, np.ones(looks.coverage.shape, dtype=np.bool_))
        vectors = np.hstack((looks.vectors, told.astype(np.float32)))
        return replace(looks, vectors=vectors, coverage=np.zeros_like(looks.coverage))

    def values(self, library: Library, drawn: Longs) -> Floats:
        """Of every plan for every query, [Q, P]."""
        return plan_values(self.study.learner, self.looks(library, self.study.all_queries, drawn), self.whole)

    def midway(self) -> Planned:
        """Every query after some random draws of its own."""
        draws = np.random.default_rng(self.study.seed).integers(
            0, self.study.library.space.budget, len(self.study.all_queries)
        )
        so_far = random_draws(self.study, draws, salt=2)
        views = [self.study.views(lib, self.study.with_memory(so_far)) for lib in (self.study.library, self.study.bare)]
        return Planned(*views, *(self.values(view.library, so_far) for view in views))


def _draw(study: Study, valuing: Valuing, library: Library) -> Longs:
    space = study.library.space
    so_far = np.zeros_like(study.learner.log.drawn)
    for _ in range(space.budget):
        values = valuing(library, so_far)
        so_far = so_far + np.array([next_block(space.plans, row, at) for row, at in zip(values, so_far, strict=True)])
    place = {tuple(depths): index for index, depths in enumerate(space.plans.tolist())}
    return np.array([place[tuple(row)] for row in so_far.tolist()])


def _valued(study: Study, models: Sequence[bytes], views: Views, aim: Aim) -> Looks:
    """With the queries' own clicks where the memory is there."""
    worth = candidate_worth(study.learner, models, views, with_clicks=not views.library.is_bare)
    return Looks.of(views, aim.of(worth))


def _partial_plans(study: Study) -> tuple[Longs, Longs]:
    """Each training query after two of none, one, two and three random draws: queries [N] and depths [N, S]."""
    budget = study.library.space.budget
    train = np.flatnonzero(study.learner.is_train)
    first = np.random.default_rng(study.seed).integers(0, budget, len(study.all_queries))
    depths = [random_draws(study, draws, salt)[train] for salt, draws in enumerate((first, (first + 2) % budget))]
    return np.tile(train, 2), np.concatenate(depths)


def random_draws(study: Study, draws: Longs, salt: int = 0) -> Longs:
    """Depths after so many draws of each query, [Q] below the budget, each of a strategy by chance: [Q, S]."""
    rng = np.random.default_rng((study.seed, salt))
    so_far = np.zeros((len(draws), len(study.library.space.strategies)), dtype=np.int64)
    for draw in range(study.library.space.budget - 1):
        chosen = rng.integers(0, so_far.shape[1], len(draws))
        so_far[np.arange(len(draws)), chosen] += draw < draws
    return so_far


def next_block(plans: NDArray[np.int8], values: Floats, so_far: Longs) -> Longs:
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
