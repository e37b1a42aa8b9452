"""Planning block by block: each draw is chosen after looking at the blocks drawn before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.learned_retrieval.study import Aim, PlanValues, Study, value_looks
from benchmarks.learned_retrieval.values import Looks, Views, extends, learn_candidates, learn_unseen, plan_values
from benchmarks.learned_retrieval.visibility import Library
from ltrr.arrays import Floats, Integers8, Longs
from ltrr.core.plan_profiles import PlanProfiles

COMMITMENT = 0.05
"""Scale of the difference in value to the best plan, in the weights of `next_block`."""


Valuing = Callable[[Library, Longs], Floats]
"""(library, draws so far [Q, S]) -> value of every plan for every query, [Q, P]."""


def draw_plans(study: Study, valuing: Valuing) -> tuple[Longs, Longs]:
    """Plans drawn block by block, [Q], and the same as if no query had been searched, [Q]."""
    return _draw(study, valuing, study.library), _draw(study, valuing, study.bare)


def sum_aims(planners: Sequence[BlockPlanner]) -> Valuing:
    """Values that are the sum over aims, each divided by its standard deviation over plans."""

    def valuing(library: Library, so_far: Longs) -> Floats:
        values = [planner.values(library, so_far) for planner in planners]
        return np.sum([one / one.std(axis=1).mean() for one in values], axis=0)

    return valuing


@dataclass(frozen=True, eq=False)
class BlockPlanner:
    """Predicts the values of whole plans after some draws.

    It does not predict the gain of unseen blocks. That gain depends on the set of visible blocks,
    and a few patterns cannot describe it for every set. The features are the looks and the share of
    each pattern in the visible coverage.

    Attributes:
        study: Study of one log.
        aim: Target of the values.
        candidates: Models of candidate values, one for each fold.
        whole: Models of the value of whole plans, one for each fold.
        patterns: Patterns of the values of plans.
    """

    study: Study
    aim: Aim
    candidates: Sequence[bytes]
    whole: Sequence[bytes]
    patterns: PlanProfiles

    @staticmethod
    def learn(study: Study, aim: Aim) -> BlockPlanner:
        """Train on the training queries after random draws."""
        queries, draws = _partial_plans(study)
        labels, learned = study.labels(aim), study.learner.is_train
        patterns = PlanProfiles.of(labels.bare[learned], labels.is_known[learned], study.learner.settings.patterns)
        candidates = learn_candidates(study.learner, Views(study.bare, queries, study.with_memory(draws)))
        planner = BlockPlanner(study, aim, candidates, (), patterns)
        looks = [planner.looks(library, queries, draws) for library in (study.library, study.bare)]
        return replace(planner, whole=learn_unseen(study.learner, looks, labels))

    def looks(self, library: Library, queries: Longs, drawn: Longs) -> Looks:
        """Looks at the queries, [N], after the draws, [N, S]."""
        looks = value_looks(
            self.study, self.candidates, Views(library, queries, self.study.with_memory(drawn)), self.aim
        )
        shares = self.patterns.shares(
            looks.coverage + self.patterns.mean, np.ones(looks.coverage.shape, dtype=np.bool_)
        )
        vectors = np.hstack((looks.vectors, shares.astype(np.float32)))
        return replace(looks, vectors=vectors, coverage=np.zeros_like(looks.coverage))

    def values(self, library: Library, drawn: Longs) -> Floats:
        """Value of every plan for every query after the draws, [Q, P]."""
        return plan_values(self.study.learner, self.looks(library, self.study.all_queries, drawn), self.whole)

    def values_after_random_draws(self) -> PlanValues:
        """Values of plans for every query after a random number of random draws."""
        draws = np.random.default_rng(self.study.seed).integers(
            0, self.study.library.space.budget, len(self.study.all_queries)
        )
        so_far = random_draws(self.study, draws, salt=2)
        views = [self.study.views(lib, self.study.with_memory(so_far)) for lib in (self.study.library, self.study.bare)]
        return PlanValues(*views, *(self.values(view.library, so_far) for view in views))


def _draw(study: Study, valuing: Valuing, library: Library) -> Longs:
    space = study.library.space
    so_far = np.zeros_like(study.learner.log.drawn)
    for _ in range(space.budget):
        values = valuing(library, so_far)
        so_far = so_far + np.array([next_block(space.plans, row, at) for row, at in zip(values, so_far, strict=True)])
    place = {tuple(depths): index for index, depths in enumerate(space.plans.tolist())}
    return np.array([place[tuple(row)] for row in so_far.tolist()])


def _partial_plans(study: Study) -> tuple[Longs, Longs]:
    """Training queries, [N], and their depths after random draws, [N, S].

    Each query occurs twice, with numbers of draws that differ by two.
    """
    budget = study.library.space.budget
    train = np.flatnonzero(study.learner.is_train)
    first = np.random.default_rng(study.seed).integers(0, budget, len(study.all_queries))
    depths = [random_draws(study, draws, salt)[train] for salt, draws in enumerate((first, (first + 2) % budget))]
    return np.tile(train, 2), np.concatenate(depths)


def random_draws(study: Study, draws: Longs, salt: int = 0) -> Longs:
    """Depths of each query after draws of uniformly random strategies, [Q, S].

    Args:
        study: Study of one log.
        draws: Number of draws of each query, below the budget, [Q].
        salt: Part of the random seed.
    """
    rng = np.random.default_rng((study.seed, salt))
    so_far = np.zeros((len(draws), len(study.library.space.strategies)), dtype=np.int64)
    for draw in range(study.library.space.budget - 1):
        chosen = rng.integers(0, so_far.shape[1], len(draws))
        so_far[np.arange(len(draws)), chosen] += draw < draws
    return so_far


def next_block(plans: Integers8, values: Floats, so_far: Longs) -> Longs:
    """Next draw, one-hot over strategies, [S].

    It is a block of the best plan that is still possible. Among these blocks it has the largest
    total weight of the plans that contain it; plans weigh exp(difference to the best / COMMITMENT).
    """
    possible = extends(plans, so_far)
    best = int(np.argmax(np.where(possible, values, -np.inf)))
    weight = np.where(possible, np.exp(np.minimum((values - values[best]) / COMMITMENT, 0.0)), 0.0)
    wanted = plans > so_far
    support = np.where(wanted[best], weight @ wanted, -1.0)
    return np.eye(1, plans.shape[1], int(np.argmax(support)), dtype=np.int64)[0]
