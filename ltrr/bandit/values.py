"""Learning what candidates and unseen blocks are worth: gradient-boosted trees on what people clicked.

Two models. The *candidate value* is P(click | examined, query, entity): one row a pair that was
shown, label clicks over examinations, weighted by how much it was examined, damped by how much the
whole query was, so that a handful of hot queries do not decide for all. The *unseen value* is what
each plan's blocks that are not visible will add: one row a look at a query, label the summed value
of every plan's union less what is visible, as shares of a few patterns over all plans
(`core.plan_profiles`), from the plans whose blocks are all known.

What another model learns from must be out of fold by query_key: a value that has seen a query's
clicks is too sure of them, and a second model would trust it as nothing deserves on a query it has
never seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.core.plan_profiles import PLAN_PROFILES, PlanProfiles
from ltrr.errors import DataQualityError, check_ranges


@dataclass(frozen=True)
class ValueSettings:
    """Training of the value models.

    Attributes:
        damping: Exponent of the query's exposure by which the weight of a pair is divided; 0 weighs
            by examinations, 1 by queries.
        candidate_rounds: Number of trees of the model of candidate values.
        unseen_rounds: Number of trees of the model of unseen values, per pattern.
        patterns: Number of patterns by which the unseen parts of plans differ in value.
        fewest_known_plans: Minimum share of plans with a known value, for a look to be used in
            training.
        strength: Weight of a predicted value, in examinations, relative to observed evidence.
        folds: Number of folds of query_keys. The models that value a query were trained without its
            fold.
        queries: Maximum number of queries in the training sample, chosen by hash. One task holds
            the whole sample: 6,000 queries take about 500 MB, whatever the size of the log.
        query_looks: Maximum number of logged looks per query; the newest are used.
        fewest_queries: Minimum number of queries with examined results per fold. With fewer, no
            value model is trained.
        threads: Number of XGBoost threads per process.
        seed: Seed of row and column sampling.
    """

    damping: float = 0.5
    candidate_rounds: int = 300
    unseen_rounds: int = 100
    patterns: int = 16
    fewest_known_plans: float = 0.3
    strength: float = 3.0
    folds: int = 2
    queries: int = 6_000
    query_looks: int = 1
    fewest_queries: int = 100
    threads: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        counts = (
            "queries",
            "query_looks",
            "patterns",
            "fewest_queries",
            "candidate_rounds",
            "unseen_rounds",
            "threads",
        )
        rules = (
            *((name, getattr(self, name) >= 1, ">= 1") for name in counts),
            *((name, 0.0 <= getattr(self, name) <= 1.0, "0..1") for name in ("damping", "fewest_known_plans")),
            ("strength", self.strength > 0.0, "> 0"),
            ("folds", self.folds >= 2, ">= 2"),
        )
        check_ranges("values", self, rules)


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


def fit_unseen_value(
    looks: NDArray[np.float32],
    added: NDArray[np.float64],
    is_known: NDArray[np.bool_],
    settings: ValueSettings,
    weights: NDArray[np.float64] | None = None,
) -> bytes:
    """A model of what the unseen blocks of every plan add, as XGBoost's `ubj`; its patterns are an attribute of it.

    Args:
        looks: of `core.coverage.look_vector`, [N, G].
        added: value of each plan's union less what was visible, [N, P].
        is_known: plans whose blocks are all known, [N, P].
        settings: how.
        weights: of the looks, [N]; alike where there are none.

    Raises:
        DataQualityError: too few looks know enough plans.
    """
    enough = is_known.mean(axis=1) >= settings.fewest_known_plans
    weight = None if weights is None else weights[enough]
    profiles = PlanProfiles.of(added[enough], is_known[enough], settings.patterns, weight)
    trees = {
        "objective": "reg:squarederror",
        "max_depth": 6,
        "eta": 0.1,
        "min_child_weight": 10.0,
        "colsample_bytree": 0.3,
    }
    shares = profiles.shares(added[enough], is_known[enough])
    return _fit(looks[enough], shares, weight, trees, settings.unseen_rounds, settings, profiles)


def knows_enough(is_known: NDArray[np.bool_], settings: ValueSettings) -> bool:
    """Whether an unseen value can be learned from looks that know these plans, [N, P]: several, and each plan of one.

    >>> knows_enough(np.ones((2, 3), dtype=bool), ValueSettings()), knows_enough(np.eye(3) > 0, ValueSettings())
    (True, True)
    >>> knows_enough(np.array([[1, 1, 0], [1, 1, 0]]) > 0, ValueSettings())
    False
    """
    enough = is_known[is_known.mean(axis=1) >= settings.fewest_known_plans]
    return len(enough) > 1 and bool(enough.any(axis=0).all())


def _fit(
    features: NDArray[np.float32],
    label: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    trees: dict[str, Any],
    rounds: int,
    settings: ValueSettings,
    profiles: PlanProfiles | None = None,
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
    if profiles is not None:
        booster.set_attr(**{PLAN_PROFILES: profiles.to_text()})
    return bytes(booster.save_raw("ubj"))
