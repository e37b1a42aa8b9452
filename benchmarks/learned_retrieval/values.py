"""Values of candidates and of plans for every query of a world, out of fold where they were learned from its clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learned_retrieval.log import Log, Pairs
from learned_retrieval.visibility import Blocks, Library
from ltrr.bandit.values import ValueSettings, fit_candidate_value, fit_unseen_value
from ltrr.core.candidate_features import candidate_features, candidate_matrix
from ltrr.core.coverage import look_vector, plan_matrix, reachable_depths, visible_coverage, with_evidence
from ltrr.core.hashing import unit_interval
from ltrr.serving.booster import load_booster

FOLDS = 2
PLANS_A_VIEW = 20
"""Rows of the unseen value that one view gives at most."""

_VIEWS_AT_ONCE = 500

Worth = list[dict[str, float]]


@dataclass(frozen=True, eq=False)
class Views:
    """Queries and what is visible of each; a query may come several times.

    Attributes:
        library: whose blocks.
        queries: numbers, [N].
        depths: deepest visible block of each strategy, [N, S].
        drawn: of what is visible, blocks that were drawn and so belong to the plan, [N, S]; None: none was.
    """

    library: Library
    queries: NDArray[np.int64]
    depths: NDArray[np.int64]
    drawn: NDArray[np.int64] | None = None

    @cached_property
    def blocks(self) -> list[Blocks]:
        """Visible blocks of each view."""
        return self.library.visible(self.queries, self.depths)

    @cached_property
    def candidates(self) -> list[tuple[tuple[str, ...], NDArray[np.float32]]]:
        """`candidate_matrix` of each view."""
        library = self.library
        return [
            candidate_matrix(library.space, blocks, library.keys[query], library.overlaps(query, blocks))
            for query, blocks in zip(self.queries.tolist(), self.blocks, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Learner:
    """What every mode learns from.

    Attributes:
        log: of the uniform policy.
        pairs: of the world.
        entity_ids: by number.
        keys: query_keys.
        is_train: which queries may be learned from, [Q].
        settings: of the models.
    """

    log: Log
    pairs: Pairs
    entity_ids: tuple[str, ...]
    keys: tuple[str, ...]
    is_train: NDArray[np.bool_]
    settings: ValueSettings

    @cached_property
    def folds(self) -> NDArray[np.int64]:
        """Fold of each query; `FOLDS` for those that nothing is learned from: they get the mean of all models."""
        by_key = np.array([int(unit_interval("fold", key) * FOLDS) for key in self.keys])
        return np.where(self.is_train, by_key, FOLDS)

    @cached_property
    def evidence(self) -> list[dict[str, tuple[float, float]]]:
        """Clicks and examinations of every pair that was shown, by query."""
        found: list[dict[str, tuple[float, float]]] = [{} for _ in self.keys]
        for query, column in zip(*np.nonzero(self.log.examinations), strict=True):
            entity = self.entity_ids[self.pairs.entities[query, column]]
            found[query][entity] = (
                float(self.log.clicks[query, column]),
                float(self.log.examinations[query, column]),
            )
        return found

    @cached_property
    def exposure(self) -> NDArray[np.float64]:
        """Examinations of all pairs of each query, [Q]."""
        return np.asarray(self.log.examinations.sum(axis=1))


def learn_candidates(learner: Learner, views: Views) -> list[bytes]:
    """One candidate value for each fold, learned from the views of the other folds' queries."""
    sizes = [len(entity_ids) for entity_ids, _ in views.candidates]
    query = np.repeat(views.queries, sizes)
    features = np.concatenate([matrix for _, matrix in views.candidates])
    seen = np.array(
        [
            learner.evidence[q].get(entity, (0.0, 0.0))
            for q, (entity_ids, _) in zip(views.queries.tolist(), views.candidates, strict=True)
            for entity in entity_ids
        ]
    )
    fold, models = learner.folds[query], []
    for one in range(FOLDS):
        rows = (fold != one) & (fold != FOLDS) & (seen[:, 1] > 0.0)
        exposure = learner.exposure[query[rows]]
        models.append(fit_candidate_value(features[rows], seen[rows, 0], seen[rows, 1], exposure, learner.settings))
    return models


def candidate_worth(learner: Learner, models: Sequence[bytes], views: Views, *, with_clicks: bool) -> Worth:
    """Value of every visible candidate of every view.

    Args:
        learner: whose folds and evidence.
        models: of `learn_candidates`.
        views: any.
        with_clicks: whether the query's own clicks count, as the memory's evidence does for queries that were logged.
    """
    sizes = [len(entity_ids) for entity_ids, _ in views.candidates]
    features = np.concatenate([matrix for _, matrix in views.candidates])
    fold = np.repeat(learner.folds[views.queries], sizes)
    values = np.zeros(len(features))
    columns = len(candidate_features(views.library.space))
    for one, model in enumerate(models):
        for asked, share in ((fold == one, 1.0), (fold == FOLDS, 1.0 / FOLDS)):
            values[asked] += share * _predict(model, features[asked], columns, learner.settings)
    worth = []
    parts = np.split(values, np.cumsum(sizes)[:-1])
    for query, (entity_ids, _), part in zip(views.queries.tolist(), views.candidates, parts, strict=True):
        known: Mapping[str, tuple[float, float]] = learner.evidence[query] if with_clicks else {}
        seen = np.array([known.get(entity, (0.0, 0.0)) for entity in entity_ids]).reshape(-1, 2)
        after = with_evidence(part, seen[:, 0], seen[:, 1], learner.settings.strength)
        worth.append(dict(zip(entity_ids, after.tolist(), strict=True)))
    return worth


@dataclass(frozen=True, eq=False)
class Looks:
    """Views with the values of what is visible.

    Attributes:
        views: what is visible.
        vectors: `look_vector` of each, [N, G].
        coverage: visible, [N, P].
        reach: [N, S].
    """

    views: Views
    vectors: NDArray[np.float32]
    coverage: NDArray[np.float64]
    reach: NDArray[np.int64]

    @staticmethod
    def of(views: Views, worth: Worth) -> Looks:
        """Views with these values."""
        space, keys = views.library.space, views.library.keys
        seen = list(zip(views.blocks, worth, views.queries.tolist(), views.candidates, strict=True))
        return Looks(
            views,
            np.array(
                [look_vector(space, blocks, values, keys[query], matrix) for blocks, values, query, (_, matrix) in seen]
            ),
            coverages(views, worth),
            np.array([reachable_depths(space, blocks) for blocks in views.blocks]),
        )

    def rows(self, view: int) -> NDArray[np.float32]:
        """`plan_matrix` of one view."""
        return plan_matrix(self.views.library.space, self.vectors[view], self.coverage[view], self.reach[view])


def coverages(views: Views, worth: Worth) -> NDArray[np.float64]:
    """`visible_coverage` of every view, [N, P]."""
    space = views.library.space
    return np.array(
        [visible_coverage(space, blocks, values) for blocks, values in zip(views.blocks, worth, strict=True)]
    )


def learn_unseen(
    learner: Learner, samples: Sequence[tuple[Looks, NDArray[np.float64], NDArray[np.bool_]]], seed: int
) -> bytes:
    """The unseen value from several ways of seeing the training queries.

    Args:
        learner: whose training queries.
        samples: looks with the label, value of every plan's whole union, and which plans may be learned from, [Q, P].
        seed: of the choice of plans.
    """
    rng = np.random.default_rng(seed)
    rows, added = [], []
    for looks, label, is_known in samples:
        plans = looks.views.library.space.plans
        for view, query in enumerate(looks.views.queries.tolist()):
            if not learner.is_train[query]:
                continue
            usable = is_known[query]
            if looks.views.drawn is not None:
                usable = usable & extends(plans, looks.views.drawn[view])
            chosen = np.flatnonzero(usable)
            if len(chosen) > PLANS_A_VIEW:
                chosen = rng.choice(chosen, PLANS_A_VIEW, replace=False)
            rows.append(looks.rows(view)[chosen])
            added.append(label[query, chosen] - looks.coverage[view, chosen])
    return fit_unseen_value(np.concatenate(rows), np.concatenate(added), learner.settings)


def extends(plans: NDArray[np.int8], drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each plan could still come of the draws so far, [P]."""
    return np.asarray((plans >= drawn).all(axis=1))


def plan_values(learner: Learner, looks: Looks, model: bytes) -> NDArray[np.float64]:
    """Visible coverage and what unseen blocks are expected to add, [N, P]."""
    values = np.empty(looks.coverage.shape)
    for start in range(0, len(values), _VIEWS_AT_ONCE):
        end = min(start + _VIEWS_AT_ONCE, len(values))
        rows = np.concatenate([looks.rows(view) for view in range(start, end)])
        added = _predict(model, rows, rows.shape[1], learner.settings).reshape(end - start, -1)
        values[start:end] = looks.coverage[start:end] + added
    return values


def _predict(model: bytes, rows: NDArray[np.float32], features: int, settings: ValueSettings) -> NDArray[np.float64]:
    booster: Any = load_booster(model, features, "a model of values")
    booster.set_param({"nthread": settings.threads})
    return np.asarray(booster.inplace_predict(rows), dtype=np.float64)
