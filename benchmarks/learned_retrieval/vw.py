"""Vowpal Wabbit over the shortlist of plans: it learns corrections of the planner from the log.

The bandit learns on looks without memory, because the evidence of the memory consists of the same
clicks that are the reward.
"""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.learned_retrieval.log import Log
from benchmarks.learned_retrieval.study import PlanValues, Study
from benchmarks.learned_retrieval.visibility import Library
from ltrr.arrays import Bools, Floats, Longs
from ltrr.bandit.examples import Decisions, write_examples
from ltrr.bandit.learning import list_vw_arguments, train_on_file
from ltrr.bandit.settings import BanditSettings
from ltrr.core.exploration import ExplorationSettings, shortlist_of
from ltrr.core.features import action_matrix, shared_vector
from ltrr.serving.bandit import PlanChooser

SHORTLIST = 8
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of Vowpal Wabbit's score in the mean with the planner's value; 0 is the planner alone."""

SETTINGS = BanditSettings(learning_rate=0.1, hash_bits=18, interactions=("qb", "qv"))
_AT_ONCE = 20_000


class Bandit:
    """Vowpal Wabbit for one value of `observe`.

    Args:
        study: Study of the log that the bandit learns from.
        planned: Values of the planner, out of fold.
        observe: Value of `observe`; it determines the features.
    """

    def __init__(self, study: Study, planned: PlanValues, observe: str) -> None:
        self._study, self._planned = study, planned
        self._observe = "blind" if observe == "blind" else "first_look"
        self._space = study.library.space
        self._shared, self._bare_shared = (
            np.array(
                [
                    shared_vector(self._space, blocks, key, self._observe)
                    for blocks, key in zip(views.blocks, study.library.keys, strict=True)
                ]
            )
            for views in (planned.whole, planned.bare)
        )

    def scores(self) -> tuple[Floats, Floats]:
        """Plan values corrected by a bandit that is trained on all training queries.

        Returns the scores with the memory, [Q, P], and as if no query had been searched, [Q, P].
        Plans off the shortlist are minus infinity.
        """
        all_queries = np.arange(len(self._shared))
        return (
            self._score(self._full_chooser, self._shared, self._planned.values, all_queries),
            self._score(self._full_chooser, self._bare_shared, self._planned.bare_values, all_queries),
        )

    def alpha(self) -> float:
        """Weight with the highest recall on training queries, scored by bandits of other folds."""
        learner, estimates = self._study.learner, self._study.estimated_recall
        values = self._planned.bare_values
        scores = np.full_like(values, -np.inf)
        for fold in range(learner.settings.folds):
            of_fold = learner.folds == fold
            chooser = self._learn(learner.is_train & ~of_fold)
            queries = np.flatnonzero(learner.is_train & of_fold)
            scores[queries] = self._score(chooser, self._bare_shared, values, queries)[queries]
        train = np.flatnonzero(learner.is_train)
        found = [
            estimates[train, mix_scores(values[train], scores[train], alpha).argmax(axis=1)].mean() for alpha in ALPHAS
        ]
        return ALPHAS[int(np.argmax(found))]

    def scores_after(self, library: Library, so_far: Longs, values: Floats) -> Floats:
        """Corrected values of plans after the draws so far, [Q, P].

        Impossible plans are minus infinity.

        Args:
            library: Blocks of the queries.
            so_far: Number of draws from each strategy, [Q, S].
            values: Values of the planner, [Q, P].
        """
        views = self._study.views(library, self._study.with_memory(so_far))
        keys = self._study.library.keys
        shared = [shared_vector(self._space, blocks, key) for blocks, key in zip(views.blocks, keys, strict=True)]
        possible = (self._space.plans[None] >= so_far[:, None, :]).all(axis=2)
        open_values = np.where(possible, values, values.min(axis=1, keepdims=True) - 1.0)
        scores = self._score(self._full_chooser, np.array(shared), open_values, np.arange(len(values)))
        return np.where(possible, scores, -np.inf)

    @cached_property
    def _full_chooser(self) -> PlanChooser:
        return self._learn(self._study.learner.is_train)

    def _learn(self, is_used: Bools) -> PlanChooser:
        log = self._study.learner.log
        rows = np.flatnonzero(is_used[log.queries])
        with tempfile.TemporaryDirectory() as folder:
            examples = Path(folder) / "examples.vw"
            with examples.open("wb") as file:
                for start in range(0, len(rows), _AT_ONCE):
                    decisions = self._decisions(log, rows[start : start + _AT_ONCE])
                    file.write(write_examples(decisions, self._space, self._observe))
            model, _ = train_on_file(examples, list_vw_arguments(SETTINGS))
            exploration = ExplorationSettings(temperature=0.0, floor_share=0.0, shortlist_size=SHORTLIST)
            return PlanChooser(self._space, exploration, model, self._observe)

    def _decisions(self, log: Log, rows: Longs) -> Decisions:
        """Logged decisions; the actions are the shortlist of the planner and the plan taken."""
        values = self._planned.bare_values
        queries, row_queries = np.unique(log.queries[rows], return_inverse=True)
        listed = np.array([shortlist_of(values[query], SHORTLIST) for query in queries.tolist()])[row_queries]
        features = np.array([action_matrix(self._space, values[query]) for query in queries.tolist()])
        taken = log.plans[rows]
        actions = np.column_stack((listed, taken))
        is_listed = np.ones(actions.shape, dtype=np.bool_)
        is_listed[:, -1] = ~(listed == taken[:, None]).any(axis=1)
        row, column = np.nonzero(is_listed)
        flat = actions[row, column]
        return Decisions(
            shared=self._bare_shared[log.queries[rows]],
            actions=flat,
            ends=is_listed.sum(axis=1).cumsum(),
            features=features[row_queries[row], flat],
            taken=taken,
            rewards=log.found[rows] - values[log.queries[rows]].max(axis=1),
            propensities=np.full(len(rows), 1.0 / len(self._space)),
        )

    def _score(self, chooser: PlanChooser, shared: Floats, values: Floats, queries: Longs) -> Floats:
        scores, keys = np.full(values.shape, -np.inf), self._study.library.keys
        for query in queries.tolist():
            listed = shortlist_of(values[query], SHORTLIST)
            scores[query, listed] = (
                values[query].max() + chooser.weigh(keys[query], shared[query], values[query]).scores
            )
        return scores


def mix_scores(values: Floats, scores: Floats, alpha: float) -> Floats:
    """Mean of the planner's values and the bandit's scores with weight `alpha`, [N, P]."""
    return values if alpha == 0.0 else (1.0 - alpha) * values + alpha * scores
