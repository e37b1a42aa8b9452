"""Training of cross-fitted values in one Spark task; the models go to the payload store.

Each fold has two models, trained on the queries of the other folds:

1. The *candidate value* is trained on all examined pairs of query and entity. Each pair is used
   twice: with the blocks of the query's look visible, and with all known blocks visible. So the
   model can value candidates at any visibility, including the deeper candidates in the labels of
   the second model.
2. The *unseen value* is trained on looks as logged, and as if the query had never been searched.
   The label is the value of a plan's union minus the value of its visible part. The first is
   computed from candidate values and the query's clicks, the second from candidate values and the
   memory's evidence. Candidate values are those with which the query is served: of the model of its
   own fold.

So the labels of fold f's second model come from models that were trained on clicks of fold f, but
only of queries other than the valued one. Avoiding this would take another split, with half the
queries per model.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from ltrr.arrays import Longs
from ltrr.artifacts.learned_values import LearnedValues, StoredValues, block_value_file, unseen_value_file
from ltrr.artifacts.payloads import put_payload
from ltrr.bandit.value_rows import to_known_queries
from ltrr.bandit.value_views import KnownQuery, View, find_known_plans
from ltrr.bandit.values import ValueSettings, fit_candidate_value, fit_unseen_value, has_enough_plans
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
    """Train the value models and put them into the payload store; None with too little data.

    Args:
        rows: Rows of `bandit_rows` in the window, of training users and this plan space.
        space: The plans.
        observe: Blocks that the policy sees before the choice.
        settings: Settings of the training.
        policy_url: `<policies>/<name>`, reachable from the executors.
    """
    queries = to_known_queries(rows, settings).repartition(1)
    # One order for any partitions, because trees sample rows by position.
    ordered = queries.sortWithinPartitions(salted_hash(HashUse.VALUE_ORDER, "query_key"), "query_key")
    learning = _make_learning_task(space, observe, settings, os.fspath(policy_url))
    found = ordered.mapInArrow(learning, "note string, queries bigint").collect()
    stored = StoredValues.of_note("".join(row["note"] for row in found))
    log.info("values=%s queries=%d", "learned" if stored else "none", sum(row["queries"] for row in found))
    return stored


def _make_learning_task(
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
    """The models by their name in a bundle; empty if a fold has too few queries.

    Args:
        known: Queries, in a fixed order.
        observe: Blocks that the policy sees before the choice; with `all_blocks` there is no unseen
            value.
        settings: Settings of the training.
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


def _fit_candidates(known: Sequence[KnownQuery], folds: Longs, settings: ValueSettings) -> list[bytes]:
    features, evidence, exposure, of_fold = [], [], [], []
    for query, fold in zip(known, folds.tolist(), strict=True):
        # Without the memory, because a pair is in it only if it was clicked.
        for view in (query.looks[0].without_searches(), query.whole.without_searches()):
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
    known: Sequence[KnownQuery], folds: Longs, candidate_values: Sequence[bytes], settings: ValueSettings
) -> list[bytes]:
    columns = len(candidate_features(known[0].whole.space, tuple(CANDIDATE_GROUPS)))
    boosters = [load_booster(model, columns, block_value_file(f)) for f, model in enumerate(candidate_values)]
    looks, added, is_known, of_fold = [], [], [], []
    for query, fold in zip(known, folds.tolist(), strict=True):
        for look, union in _pair_looks_with_unions(query):
            worth, whole = (_value_candidates(boosters[fold], view, settings.strength) for view in (look, union))
            looks.append(look.look(worth))
            added.append(union.coverage(whole) - look.coverage(worth))
            is_known.append(find_known_plans(union))
            of_fold.append(fold)
    rows, values, plans, fold_of_row = map(np.array, (looks, added, is_known, of_fold))
    training = [fold_of_row != fold for fold in range(settings.folds)]
    if not all(has_enough_plans(plans[others], settings) for others in training):
        return []
    return [fit_unseen_value(rows[others], values[others], plans[others], settings) for others in training]


def _pair_looks_with_unions(query: KnownQuery) -> Iterator[tuple[View, View]]:
    """Every look with the union of its labels: as logged, and as if never searched before."""
    for look in query.looks:
        union = query.union_of(look)
        yield look, union
        if not look.is_without_searches:
            # The label still uses the clicks: they are the value of the union, also if the policy
            # does not know them.
            yield look.without_searches(), union.without_memory()


def _value_candidates(booster: Any, view: View, strength: float) -> dict[str, float]:
    _, features = view.candidates
    return view.worth(predictions(booster, features), strength)
