"""Learning what candidates and unseen blocks are worth: gradient-boosted trees on what people clicked.

Two models. The *candidate value* is P(click | examined, query, entity): one row a pair that was shown, label clicks
over examinations, weighted by how much it was examined, damped by how much the whole query was, so that a handful of
hot queries do not decide for all. The *unseen value* is what a plan's blocks that are not visible will add: one row a
query and plan whose blocks are all known from the log, label the summed value of its union less what is visible.

What another model learns from must be out of fold by query_key: a value that has seen a query's clicks is too sure of
them, and a second model would trust it as nothing deserves on a query it has never seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.errors import ConfigError, DataQualityError


@dataclass(frozen=True)
class ValueSettings:
    """How values are learned.

    Attributes:
        damping: exponent of the query's exposure that a pair's weight is divided by; 0 counts examinations, 1 queries.
        candidate_rounds: trees of the candidate value.
        unseen_rounds: trees of the unseen value.
        strength: examinations that a predicted value counts for beside what was observed.
        folds: of query_keys; a query is valued by models that were trained without its fold.
        queries: that are learned from at most, chosen by hash. One task holds them all: 6,000 take some 500 MB with
            their rows, whatever the size of the log.
        query_looks: logged looks of one query at most, the newest.
        look_plans: rows of the unseen value that one look gives at most.
        fewest_queries: with something examined in every fold; below it nothing is learned.
        threads: of XGBoost in one process.
        seed: of row and column sampling.
    """

    damping: float = 0.5
    candidate_rounds: int = 300
    unseen_rounds: int = 400
    strength: float = 3.0
    folds: int = 2
    queries: int = 6_000
    query_looks: int = 1
    look_plans: int = 20
    fewest_queries: int = 100
    threads: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        sizes = (self.queries, self.query_looks, self.look_plans, self.fewest_queries)
        counts = min(self.candidate_rounds, self.unseen_rounds, self.threads, *sizes)
        if not (0.0 <= self.damping <= 1.0 and counts >= 1 and self.strength > 0.0 and self.folds >= 2):
            raise ConfigError(
                "value settings out of range",
                which="values",
                expected="damping 0..1, strength > 0, folds >= 2, all other counts >= 1",
                got=", ".join(f"{name} {value}" for name, value in vars(self).items()),
            )


def fit_candidate_value(
    features: NDArray[np.float32],
    clicks: NDArray[np.float64],
    examinations: NDArray[np.float64],
    query_examinations: NDArray[np.float64],
    settings: ValueSettings,
) -> bytes:
    """A model of P(click | examined), as XGBoost's `ubj`.

    Args:
        features: of `core.candidate_features`, [N, F].
        clicks: of the pair, [N].
        examinations: expected of the pair, above 0, [N].
        query_examinations: of all pairs of its query, [N].
        settings: how.

    Raises:
        DataQualityError: a pair was never examined.
    """
    if not len(features) or not (examinations > 0.0).all():
        raise DataQualityError(
            "values cannot be learned",
            which="examinations",
            expected="pairs, all examined",
            got=f"{len(features)} pairs",
        )
    label = np.clip(clicks / examinations, 0.0, 1.0)
    weight = examinations / query_examinations**settings.damping
    trees = {
        "objective": "binary:logistic",
        "max_depth": 6,
        "eta": 0.05,
        "min_child_weight": 2.0,
        "colsample_bytree": 0.5,
    }
    return _fit(features, label, weight, trees, settings.candidate_rounds, settings)


def fit_unseen_value(features: NDArray[np.float32], added: NDArray[np.float64], settings: ValueSettings) -> bytes:
    """A model of what a plan's unseen blocks add, as XGBoost's `ubj`.

    Args:
        features: of `core.coverage.plan_matrix`, [N, F].
        added: value of the union less what was visible, [N].
        settings: how.
    """
    trees = {
        "objective": "reg:squarederror",
        "max_depth": 7,
        "eta": 0.06,
        "min_child_weight": 20.0,
        "colsample_bytree": 0.6,
    }
    return _fit(features, added, None, trees, settings.unseen_rounds, settings)


def _fit(
    features: NDArray[np.float32],
    label: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    trees: dict[str, Any],
    rounds: int,
    settings: ValueSettings,
) -> bytes:
    import xgboost

    shared = {
        "subsample": 0.7,
        "tree_method": "hist",
        "max_bin": 64,
        "nthread": settings.threads,
        "seed": settings.seed,
    }
    rows = xgboost.QuantileDMatrix(features, label=label, weight=weight, max_bin=64, nthread=settings.threads)
    booster = xgboost.train(trees | shared, rows, rounds)
    return bytes(booster.save_raw("ubj"))
