"""Vowpal Wabbit over the shortlist of plans: its gain over the planner, learned from the decisions of the log.

For learning, every query looks as if no user had searched it: the evidence of the memory consists
of the same clicks that are the reward.
"""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Floats, Longs
from benchmarks.learned_retrieval.log import Log
from benchmarks.learned_retrieval.study import Planned, Study
from benchmarks.learned_retrieval.visibility import Library
from ltrr.bandit.examples import Decisions, write_examples
from ltrr.bandit.learning import list_vw_arguments, train_on_file
from ltrr.bandit.settings import BanditSettings
from ltrr.core.exploration import ExplorationSettings, shortlist_of
from ltrr.core.features import action_matrix, shared_vector
from ltrr.serving.bandit import PlanChooser

SHORTLIST = 8
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of Vowpal Wabbit's score in its mean with the planner's value; 0 is the planner alone."""

SETTINGS = BanditSettings(learning_rate=0.1, hash_bits=18, interactions=("qb", "qv"))
_AT_ONCE = 20_000


class Bandit:
    """Vowpal Wabbit for one value of `observe`.

    Args:
        study: the log that it learns from.
        planned: values of the planner, out of fold.
        observe: the features that the policy uses.
    """

    def __init__(self, study: Study, planned: Planned, observe: str) -> None:
        self._study, self._planned = study, planned
        self._seen_as = "blind" if observe == "blind" else "first_look"
        self._space = study.library.space
        self._shared, self._bare_shared = (
            np.array(
                [
                    shared_vector(self._space, blocks, key, self._seen_as)
                    for blocks, key in zip(views.blocks, study.library.keys, strict=True)
                ]
            )
            for views in (planned.whole, planned.bare)
        )

    def scores(self) -> tuple[Floats, Floats]:
        """Plan values corrected by a bandit trained on all training queries: [Q, P], and as if never searched, [Q, P].

        Plans off the shortlist are minus infinity.
        """
        everywhere = np.arange(len(self._shared))
        return (
            self._scored(self._everywhere, self._shared, self._planned.values, everywhere),
            self._scored(self._everywhere, self._bare_shared, self._planned.bare_values, everywhere),
        )

    def alpha(self) -> float:
        """The weight of highest recall on training queries, each scored by a bandit trained without it."""
        learner, estimates = self._study.learner, self._study.estimated_recall
        values = self._planned.bare_values
        scores = np.full_like(values, -np.inf)
        for fold in range(learner.settings.folds):
            of_fold = learner.folds == fold
            chooser = self._learn(learner.is_train & ~of_fold)
            queries = np.flatnonzero(learner.is_train & of_fold)
            scores[queries] = self._scored(chooser, self._bare_shared, values, queries)[queries]
        train = np.flatnonzero(learner.is_train)
        found = [estimates[train, mixed(values[train], scores[train], alpha).argmax(axis=1)].mean() for alpha in ALPHAS]
        return ALPHAS[int(np.argmax(found))]

    def scores_after(self, library: Library, so_far: Longs, values: Floats) -> Floats:
        """Corrected values of the plans that the draws so far, [Q, S], still allow, [Q, P]."""
        views = self._study.views(library, self._study.with_memory(so_far))
        keys = self._study.library.keys
        shared = [shared_vector(self._space, blocks, key) for blocks, key in zip(views.blocks, keys, strict=True)]
        possible = (self._space.plans[None] >= so_far[:, None, :]).all(axis=2)
        open_values = np.where(possible, values, values.min(axis=1, keepdims=True) - 1.0)
        scores = self._scored(self._everywhere, np.array(shared), open_values, np.arange(len(values)))
        return np.where(possible, scores, -np.inf)

    @cached_property
    def _everywhere(self) -> PlanChooser:
        return self._learn(self._study.learner.is_train)

    def _learn(self, is_used: NDArray[np.bool_]) -> PlanChooser:
        log = self._study.learner.log
        rows = np.flatnonzero(is_used[log.queries])
        with tempfile.TemporaryDirectory() as folder:
            examples = Path(folder) / "examples.vw"
            with examples.open("wb") as file:
                for start in range(0, len(rows), _AT_ONCE):
                    decisions = self._decisions(log, rows[start : start + _AT_ONCE])
                    file.write(write_examples(decisions, self._space, self._seen_as))
            model, _ = train_on_file(examples, list_vw_arguments(SETTINGS))
            exploration = ExplorationSettings(temperature=0.0, floor_share=0.0, shortlist_size=SHORTLIST)
            return PlanChooser(self._space, exploration, model, self._seen_as)

    def _decisions(self, log: Log, rows: Longs) -> Decisions:
        """Logged decisions with the shortlist of this planner and the plan taken."""
        values = self._planned.bare_values
        queries, of_row = np.unique(log.queries[rows], return_inverse=True)
        listed = np.array([shortlist_of(values[query], SHORTLIST) for query in queries.tolist()])[of_row]
        features = np.array([action_matrix(self._space, values[query]) for query in queries.tolist()])
        taken = log.plans[rows]
        actions = np.column_stack((listed, taken))
        is_there = np.ones(actions.shape, dtype=np.bool_)
        is_there[:, -1] = ~(listed == taken[:, None]).any(axis=1)
        row, column = np.nonzero(is_there)
        flat = actions[row, column]
        return Decisions(
            shared=self._bare_shared[log.queries[rows]],
            actions=flat,
            ends=is_there.sum(axis=1).cumsum(),
            features=features[of_row[row], flat],
            taken=taken,
            rewards=log.found[rows] - values[log.queries[rows]].max(axis=1),
            propensities=np.full(len(rows), 1.0 / len(self._space)),
        )

    def _scored(self, chooser: PlanChooser, shared: Floats, values: Floats, queries: Longs) -> Floats:
        scores, keys = np.full(values.shape, -np.inf), self._study.library.keys
        for query in queries.tolist():
            listed = shortlist_of(values[query], SHORTLIST)
            scores[query, listed] = (
                values[query].max() + chooser.weigh(keys[query], shared[query], values[query]).scores
            )
        return scores


def mixed(values: Floats, scores: Floats, alpha: float) -> Floats:
    """Planner and bandit together, [N, P]."""
    return values if alpha == 0.0 else (1.0 - alpha) * values + alpha * scores
