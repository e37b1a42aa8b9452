"""Values of candidates and of plans for every query of a world, out of fold where they were learned from its clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
PLANS_A_QUERY = 20
"""Rows of the unseen value that one query gives at most, for each way of seeing it."""

Worth = list[dict[str, float]]


@dataclass(frozen=True, eq=False)
class Learner:
    """What every mode learns from.

    Attributes:
        library: of all queries, the memory as of the log's last night.
        log: of the uniform policy.
        pairs: of the world.
        is_train: which queries may be learned from, [Q].
        settings: of the models.
    """

    library: Library
    log: Log
    pairs: Pairs
    is_train: NDArray[np.bool_]
    settings: ValueSettings
    entity_ids: tuple[str, ...]

    @property
    def folds(self) -> NDArray[np.int64]:
        """Fold of each query; `FOLDS` for those that nothing is learned from: they get the mean of all models."""
        by_key = np.array([int(unit_interval("fold", key) * FOLDS) for key in self.library.keys])
        return np.where(self.is_train, by_key, FOLDS)

    def evidence(self) -> list[dict[str, tuple[float, float]]]:
        """Clicks and examinations of every pair that was shown, by query."""
        found: list[dict[str, tuple[float, float]]] = [{} for _ in self.library.keys]
        for q, column in zip(*np.nonzero(self.log.examinations), strict=True):
            entity = self.entity_ids[self.pairs.entities[q, column]]
            found[q][entity] = (float(self.log.clicks[q, column]), float(self.log.examinations[q, column]))
        return found


def learn_worth(
    learner: Learner, visible: Sequence[Blocks], evidence: Sequence[Mapping[str, tuple[float, float]]]
) -> Worth:
    """Predicted value of every visible candidate of every query, without its own evidence."""
    space, library = learner.library.space, learner.library
    looked = [
        candidate_matrix(space, blocks, key, library.fields) for blocks, key in zip(visible, library.keys, strict=True)
    ]
    sizes = np.array([len(entity_ids) for entity_ids, _ in looked])
    features = np.concatenate([matrix for _, matrix in looked])
    query = np.repeat(np.arange(len(looked)), sizes)
    seen = np.array(
        [evidence[q].get(entity, (0.0, 0.0)) for q, (entity_ids, _) in enumerate(looked) for entity in entity_ids]
    ).reshape(-1, 2)
    exposure = np.bincount(query, seen[:, 1], len(looked))[query]
    fold = learner.folds[query]
    values = np.zeros(len(features))
    for one in range(FOLDS):
        rows = (fold != one) & (fold != FOLDS) & (seen[:, 1] > 0.0)
        model = fit_candidate_value(features[rows], seen[rows, 0], seen[rows, 1], exposure[rows], learner.settings)
        # A query that nothing was learned from has the mean of all models.
        for asked, share in ((fold == one, 1.0), (fold == FOLDS, 1.0 / FOLDS)):
            values[asked] += share * _predict(model, features[asked], len(candidate_features(space)), learner.settings)
    ends = np.cumsum(sizes)[:-1]
    return [
        dict(zip(entity_ids, part.tolist(), strict=True))
        for (entity_ids, _), part in zip(looked, np.split(values, ends), strict=True)
    ]


def after_evidence(worth: Worth, evidence: Sequence[Mapping[str, tuple[float, float]]], strength: float) -> Worth:
    """The same values with what was clicked and examined of each pair."""
    return [
        {
            entity: float(with_evidence(value, *known.get(entity, (0.0, 0.0)), strength))
            for entity, value in values.items()
        }
        for values, known in zip(worth, evidence, strict=True)
    ]


def coverages(library: Library, visible: Sequence[Blocks], worth: Worth) -> NDArray[np.float64]:
    """`visible_coverage` of every query, [Q, P]."""
    return np.array(
        [visible_coverage(library.space, blocks, values) for blocks, values in zip(visible, worth, strict=True)]
    )


@dataclass(frozen=True, eq=False)
class Look:
    """All queries in one way of seeing them.

    Attributes:
        vectors: `look_vector` of each, [Q, G].
        coverage: visible, [Q, P].
        reach: [Q, S].
    """

    vectors: NDArray[np.float32]
    coverage: NDArray[np.float64]
    reach: NDArray[np.int64]

    @staticmethod
    def of(library: Library, visible: Sequence[Blocks], worth: Worth) -> Look:
        """Seen through these blocks, with these values."""
        seen = list(zip(visible, worth, library.keys, strict=True))
        space, fields = library.space, library.fields
        return Look(
            np.array(
                [
                    look_vector(space, blocks, values, key, candidate_matrix(space, blocks, key, fields)[1])
                    for blocks, values, key in seen
                ]
            ),
            coverages(library, visible, worth),
            np.array([reachable_depths(library.space, blocks) for blocks in visible]),
        )

    def rows(self, library: Library, query: int) -> NDArray[np.float32]:
        """`plan_matrix` of one query."""
        return plan_matrix(library.space, self.vectors[query], self.coverage[query], self.reach[query])


def learn_unseen(
    learner: Learner,
    looks: Sequence[tuple[Look, NDArray[np.float64], NDArray[np.bool_]]],
    seed: int,
) -> bytes:
    """The unseen value from several ways of seeing the training queries.

    Args:
        learner: whose training queries.
        looks: each with the label, value of every plan's whole union, and which plans may be learned from, [Q, P].
        seed: of the choice of plans.
    """
    rng = np.random.default_rng(seed)
    rows, added = [], []
    for look, label, is_known in looks:
        for query in np.flatnonzero(learner.is_train).tolist():
            plans = np.flatnonzero(is_known[query])
            if len(plans) > PLANS_A_QUERY:
                plans = rng.choice(plans, PLANS_A_QUERY, replace=False)
            rows.append(look.rows(learner.library, query)[plans])
            added.append(label[query, plans] - look.coverage[query, plans])
    return fit_unseen_value(np.concatenate(rows), np.concatenate(added), learner.settings)


def plan_values(learner: Learner, look: Look, model: bytes, at_once: int = 500) -> NDArray[np.float64]:
    """Visible coverage and what unseen blocks are expected to add, [Q, P]."""
    values = np.empty(look.coverage.shape)
    plans = look.coverage.shape[1]
    for start in range(0, len(values), at_once):
        queries = range(start, min(start + at_once, len(values)))
        rows = np.concatenate([look.rows(learner.library, query) for query in queries])
        added = _predict(model, rows, rows.shape[1], learner.settings).reshape(-1, plans)
        values[start : start + at_once] = look.coverage[start : start + at_once] + added
    return values


def _predict(model: bytes, rows: NDArray[np.float32], features: int, settings: ValueSettings) -> NDArray[np.float64]:
    booster: Any = load_booster(model, features, "a model of values")
    booster.set_param({"nthread": settings.threads})
    return np.asarray(booster.inplace_predict(rows), dtype=np.float64)
