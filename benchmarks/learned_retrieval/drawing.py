"""Planning block by block: each draw sees the blocks drawn before it, and the draws end with a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Floats, Longs
from benchmarks.learned_retrieval.study import Aim, Planned, Study, valued_looks
from benchmarks.learned_retrieval.values import Looks, Views, extends, learn_candidates, learn_unseen, plan_values
from benchmarks.learned_retrieval.visibility import Library
from ltrr.core.plan_profiles import PlanProfiles

COMMITMENT = 0.05
"""Of the blocks of the plan believed best, the next drawn is the one that plans within about this of it want."""


Valuing = Callable[[Library, Longs], Floats]
"""Values of every plan for every query, [Q, P], after the draws so far, [Q, S]."""


def drawn_plans(study: Study, valuing: Valuing) -> tuple[Longs, Longs]:
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

    It does not value the gain of unseen blocks, which depends on the set of seen blocks. A few
    patterns cannot describe that gain for every set. The features of what is seen are the shares of
    each pattern in its coverage.

    Attributes:
        study: of one log.
        aim: target of the values.
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
        looks = valued_looks(
            self.study, self.candidates, Views(library, queries, self.study.with_memory(drawn)), self.aim
        )
        shares = self.patterns.shares(
            looks.coverage + self.patterns.mean, np.ones(looks.coverage.shape, dtype=np.bool_)
        )
        vectors = np.hstack((looks.vectors, shares.astype(np.float32)))
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
