"""Values of candidates and of plans for every query of a world; learned values are out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.learned_retrieval.log import Log, Pairs
from benchmarks.learned_retrieval.visibility import Blocks, Library
from ltrr.arrays import Bools, Floats, Floats32, Integers8, Longs
from ltrr.bandit.values import ValueSettings, fit_candidate_value, fit_unseen_value
from ltrr.core.candidate_features import candidate_features, candidate_matrix
from ltrr.core.coverage import look_vector, visible_coverage, with_evidence
from ltrr.core.hashing import query_fold
from ltrr.core.plan_profiles import PLAN_PROFILES, PlanProfiles
from ltrr.core.planning import PRIOR_HIT_AT_RANK_ONE
from ltrr.serving.booster import load_booster, predictions

CandidateValues = list[dict[str, float]]
"""For each view: entity_id -> value."""


@dataclass(frozen=True, eq=False)
class Views:
    """N queries with their visible blocks; a query may occur several times.

    Attributes:
        library: Library that contains the blocks.
        queries: Query numbers, [N].
        depths: Depth of the deepest visible block of each strategy, [N, S].
        drawn: Number of visible blocks of each strategy that were drawn and so belong to the plan,
            [N, S]; None if none was drawn.
    """

    library: Library
    queries: Longs
    depths: Longs
    drawn: Longs | None = None

    @cached_property
    def blocks(self) -> list[Blocks]:
        """Visible blocks of each view."""
        return self.library.visible(self.queries, self.depths)

    @cached_property
    def candidates(self) -> list[tuple[tuple[str, ...], Floats32]]:
        """`candidate_matrix` of each view."""
        library = self.library
        return [
            candidate_matrix(library.space, blocks, library.keys[query], library.overlaps(query, blocks))
            for query, blocks in zip(self.queries.tolist(), self.blocks, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Learner:
    """Data and settings that every mode learns from.

    Attributes:
        log: Log of the uniform policy.
        pairs: (query, entity) pairs of the world.
        entity_ids: entity_ids by number.
        keys: query_keys, [Q].
        is_train: Whether each query is a training query, [Q].
        settings: Settings of the models.
        has_values: Whether candidates have learned values; if not, their reciprocal ranks are the
            prediction.
    """

    log: Log
    pairs: Pairs
    entity_ids: tuple[str, ...]
    keys: tuple[str, ...]
    is_train: Bools
    settings: ValueSettings
    has_values: bool = True

    @cached_property
    def folds(self) -> Longs:
        """Fold of each query, [Q]; its values come from models trained without its fold."""
        return np.array([query_fold(key, self.settings.folds) for key in self.keys])

    @cached_property
    def evidence(self) -> list[dict[str, tuple[float, float]]]:
        """For each query: entity_id -> (clicks, examinations) of the pairs that were shown."""
        found: list[dict[str, tuple[float, float]]] = [{} for _ in self.keys]
        for query, column in zip(*np.nonzero(self.log.examinations), strict=True):
            entity = self.entity_ids[self.pairs.entities[query, column]]
            found[query][entity] = (
                float(self.log.clicks[query, column]),
                float(self.log.examinations[query, column]),
            )
        return found

    @cached_property
    def exposure(self) -> Floats:
        """Examinations of all pairs of each query, [Q]."""
        return np.asarray(self.log.examinations.sum(axis=1))


def learn_candidates(learner: Learner, views: Views) -> list[bytes]:
    """Train one model of candidate values for each fold, on the views of the other folds' queries.

    The list is empty where candidates have no learned values.
    """
    if not learner.has_values:
        return []
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
    models = []
    for fold in range(learner.settings.folds):
        rows = (learner.folds[query] != fold) & learner.is_train[query] & (seen[:, 1] > 0.0)
        exposure = learner.exposure[query[rows]]
        models.append(fit_candidate_value(features[rows], seen[rows, 0], seen[rows, 1], exposure, learner.settings))
    return models


def candidate_values(learner: Learner, models: Sequence[bytes], views: Views, *, with_clicks: bool) -> CandidateValues:
    """Value of every visible candidate of every view.

    Args:
        learner: Folds and evidence of the queries.
        models: Models of `learn_candidates`.
        views: Queries with their visible blocks.
        with_clicks: Whether the query's own clicks count, as the evidence of the memory does for
            logged queries.
    """
    sizes = [len(entity_ids) for entity_ids, _ in views.candidates]
    features = np.concatenate([matrix for _, matrix in views.candidates])
    names = [feature.name for feature in candidate_features(views.library.space)]
    fold = np.repeat(learner.folds[views.queries], sizes)
    values = np.minimum(PRIOR_HIT_AT_RANK_ONE * features[:, names.index("reciprocal_ranks")].astype(np.float64), 0.99)
    for one, model in enumerate(models):
        values[fold == one] = _predict(model, features[fold == one])
    by_view = []
    parts = np.split(values, np.cumsum(sizes)[:-1])
    for query, (entity_ids, _), part in zip(views.queries.tolist(), views.candidates, parts, strict=True):
        known: Mapping[str, tuple[float, float]] = learner.evidence[query] if with_clicks else {}
        seen = np.array([known.get(entity, (0.0, 0.0)) for entity in entity_ids]).reshape(-1, 2)
        after = with_evidence(part, seen[:, 0], seen[:, 1], learner.settings.strength)
        by_view.append(dict(zip(entity_ids, after.tolist(), strict=True)))
    return by_view


@dataclass(frozen=True, eq=False)
class Looks:
    """Views with features and visible coverage.

    Attributes:
        views: N queries with their visible blocks.
        vectors: `look_vector` of each view, [N, G].
        coverage: `visible_coverage` of every plan in each view, [N, P].
    """

    views: Views
    vectors: Floats32
    coverage: Floats

    @staticmethod
    def of(views: Views, by_view: CandidateValues) -> Looks:
        """Looks of views whose candidates have the given values."""
        space, keys = views.library.space, views.library.keys
        seen = list(zip(views.blocks, by_view, views.queries.tolist(), views.candidates, strict=True))
        vectors = [
            look_vector(space, blocks, values, keys[query], matrix) for blocks, values, query, (_, matrix) in seen
        ]
        return Looks(views, np.array(vectors), coverages(views, by_view))


def coverages(views: Views, by_view: CandidateValues) -> Floats:
    """`visible_coverage` of every view, [N, P]."""
    space = views.library.space
    return np.array(
        [visible_coverage(space, blocks, values) for blocks, values in zip(views.blocks, by_view, strict=True)]
    )


@dataclass(frozen=True, eq=False)
class Labels:
    """Values of plans, from which the unseen value is learned.

    Attributes:
        whole: Value of the union of every plan, [Q, P].
        bare: Value without memory, [Q, P].
        is_known: Whether the value of a plan is known, [Q, P].
        weights: Weights of the queries, [Q].
    """

    whole: Floats
    bare: Floats
    is_known: Bools
    weights: Floats


def learn_unseen(learner: Learner, looks: Sequence[Looks], labels: Labels) -> list[bytes]:
    """Train one model of the unseen value for each fold, on looks with and without the memory."""
    vectors, added, known, fold, weights = [], [], [], [], []
    for look in looks:
        label = labels.bare if look.views.library.is_bare else labels.whole
        rows = np.flatnonzero(learner.is_train[look.views.queries])
        queries = look.views.queries[rows]
        vectors.append(look.vectors[rows])
        added.append(label[queries] - look.coverage[rows])
        known.append(labels.is_known[queries])
        fold.append(learner.folds[queries])
        weights.append(labels.weights[queries])
    features, values, is_known, of_fold, weight = map(np.concatenate, (vectors, added, known, fold, weights))
    return [
        fit_unseen_value(features[others], values[others], is_known[others], learner.settings, weight[others])
        for others in (of_fold != one for one in range(learner.settings.folds))
    ]


def extends(plans: Integers8, drawn: Longs) -> Bools:
    """Whether each plan is still possible after the draws so far, [P]."""
    return np.asarray((plans >= drawn).all(axis=1))


def plan_values(learner: Learner, looks: Looks, models: Sequence[bytes]) -> Floats:
    """Visible coverage plus the expected gain of unseen blocks, [N, P]."""
    values = looks.coverage.copy()
    fold = learner.folds[looks.views.queries]
    for one, model in enumerate(models):
        rows = np.flatnonzero(fold == one)
        profiles = PlanProfiles.of_text(load_booster(model, looks.vectors.shape[1], "unseen").attr(PLAN_PROFILES))
        shares = _predict(model, looks.vectors[rows]).reshape(len(rows), -1)
        values[rows] += profiles.values(shares)
    return values


def _predict(model: bytes, rows: Floats32) -> Floats:
    return predictions(load_booster(model, rows.shape[1], "a model of values"), rows)
