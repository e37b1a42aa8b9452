"""Learns cross-fitted values in one Spark task, and keeps them where the bundle will find them.

For each fold two models, trained on the queries of the other folds:

1. The *candidate value*, from every pair that was examined, once as its query's look shows it and
   once with all known blocks visible: so it can value a candidate whatever is visible, deeper ones
   for the labels of the second included.
2. The *unseen value*, from looks as logged and as if the query had never been searched; label: what
   the union of a plan is worth by candidate values and the query's clicks, less what is visible by
   candidate values and the memory's evidence. The candidate values are those that the query is
   served with: of the model of its own fold.

So the second model of fold f is trained on values of models that have seen clicks of fold f, if
only as those of other queries than the one they value. Only a further split would avoid that, at
half the queries a model.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from ltrr.artifacts.learned_values import LearnedValues, StoredValues, block_value_file, unseen_value_file
from ltrr.artifacts.payloads import put_payload
from ltrr.bandit.value_rows import to_known_queries
from ltrr.bandit.value_views import KnownQuery, View, known_plans
from ltrr.bandit.values import ValueSettings, fit_candidate_value, fit_unseen_value, knows_enough
from ltrr.core.candidate_features import candidate_features
from ltrr.core.entity_groups import CANDIDATE_GROUPS
from ltrr.core.hashing import query_fold
from ltrr.core.plans import PlanSpace
from ltrr.serving.booster import load_booster, predictions
from ltrr.spark.hashing import HashUse, salted_hash

log = logging.getLogger(__name__)


def learn_values(
    rows: DataFrame, space: PlanSpace, observe: str, settings: ValueSettings, policy_url: str | os.PathLike[str]
) -> StoredValues | None:
    """Models of values from rows of `bandit_rows`, put into the payload store; None where there is too little.

    Args:
        rows: of the window, of training users alone, of this plan space.
        space: the plans.
        observe: what the policy sees before choosing.
        settings: how.
        policy_url: `<policies>/<name>`, reachable from the executors.
    """
    queries = to_known_queries(rows, settings).repartition(1)
    # One order, whatever the partitions were: trees sample rows by their place.
    ordered = queries.sortWithinPartitions(salted_hash(HashUse.VALUE_ORDER, "query_key"), "query_key")
    learning = _learning(space, observe, settings, os.fspath(policy_url))
    found = ordered.mapInArrow(learning, "note string, queries bigint").collect()
    stored = StoredValues.of_note("".join(row["note"] for row in found))
    log.info("values=%s queries=%d", "learned" if stored else "none", sum(row["queries"] for row in found))
    return stored


def _learning(
    space: PlanSpace, observe: str, settings: ValueSettings, policy_url: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def learn(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = [KnownQuery.of_row(row, space) for batch in batches for row in batch.to_pylist()]
        models = fit_values(known, observe, settings)
        files = {name: put_payload(policy_url, model).sha256 for name, model in models.items()}
        learned = LearnedValues(settings.folds, settings.strength, tuple(CANDIDATE_GROUPS))
        note = StoredValues(learned, files).to_note() if files else ""
        yield pa.RecordBatch.from_pydict({"note": [note], "queries": [len(known)]})

    return learn


def fit_values(known: Sequence[KnownQuery], observe: str, settings: ValueSettings) -> dict[str, bytes]:
    """The models by their name in a bundle; none where a fold has too few queries.

    Args:
        known: queries, in one order.
        observe: what the policy sees before choosing; with `all_blocks` nothing is unseen.
        settings: how.
    """
    examined = [query for query in known if query.looks and query.exposure > 0.0]
    folds = np.array([query_fold(query.whole.key, settings.folds) for query in examined], dtype=np.int64)
    if min(np.bincount(folds, minlength=settings.folds)) < settings.fewest_queries:
        return {}
    candidate_values = _fit_candidates(examined, folds, settings)
    models = {block_value_file(fold): model for fold, model in enumerate(candidate_values)}
    if observe != "all_blocks":
        unseen_values = _fit_unseen(examined, folds, candidate_values, settings)
        if not unseen_values:
            log.warning("values=none: too few plans whose blocks are all known")
            return {}
        models |= {unseen_value_file(fold): model for fold, model in enumerate(unseen_values)}
    return models


def _fit_candidates(known: Sequence[KnownQuery], folds: NDArray[np.int64], settings: ValueSettings) -> list[bytes]:
    features, evidence, exposure, of_fold = [], [], [], []
    for query, fold in zip(known, folds.tolist(), strict=True):
        # Without the memory: that a pair is in it says that it was clicked.
        for view in (query.looks[0].unsearched(), query.whole.unsearched()):
            entity_ids, matrix = view.candidates
            pairs = np.array([query.pairs.get(entity_id, (0.0, 0.0)) for entity_id in entity_ids]).reshape(-1, 2)
            seen = pairs[:, 1] > 0.0
            features.append(matrix[seen])
            evidence.append(pairs[seen])
            exposure.append(np.full(int(seen.sum()), query.exposure))
            of_fold.append(np.full(int(seen.sum()), fold))
    rows, pairs, exposures, fold_of_row = map(np.concatenate, (features, evidence, exposure, of_fold))
    return [
        fit_candidate_value(rows[others], pairs[others, 0], pairs[others, 1], exposures[others], settings)
        for others in (fold_of_row != fold for fold in range(settings.folds))
    ]


def _fit_unseen(
    known: Sequence[KnownQuery], folds: NDArray[np.int64], candidate_values: Sequence[bytes], settings: ValueSettings
) -> list[bytes]:
    columns = len(candidate_features(known[0].whole.space, tuple(CANDIDATE_GROUPS)))
    boosters = [load_booster(model, columns, block_value_file(f)) for f, model in enumerate(candidate_values)]
    looks, added, is_known, of_fold = [], [], [], []
    for query, fold in zip(known, folds.tolist(), strict=True):
        for look, union in _looks_and_unions(query):
            worth, whole = (_worth(boosters[fold], view, settings.strength) for view in (look, union))
            looks.append(look.look(worth))
            added.append(union.coverage(whole) - look.coverage(worth))
            is_known.append(known_plans(union))
            of_fold.append(fold)
    rows, values, plans, fold_of_row = map(np.array, (looks, added, is_known, of_fold))
    training = [fold_of_row != fold for fold in range(settings.folds)]
    if not all(knows_enough(plans[others], settings) for others in training):
        return []
    return [fit_unseen_value(rows[others], values[others], plans[others], settings) for others in training]


def _looks_and_unions(query: KnownQuery) -> Iterator[tuple[View, View]]:
    """Every look with the union that its labels are of: as logged, and as a query is met that was never searched."""
    for look in query.looks:
        union = query.union_of(look)
        yield look, union
        if not look.is_unsearched:
            # Its label keeps the clicks: they are what the union is worth, whether or not the
            # policy knows of them.
            yield look.unsearched(), union.without_memory()


def _worth(booster: Any, view: View, strength: float) -> dict[str, float]:
    _, features = view.candidates
    return view.worth(predictions(booster, features), strength)
