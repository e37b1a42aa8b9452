"""Training of the values of candidates and unseen blocks: gradient-boosted trees on clicks.

There are two models.

The *candidate value* is P(click | examined, query, entity). A row is a shown pair of query and
entity, with the label clicks over examinations. Its weight is its examinations, divided by a power
of the query's examinations, so that a few hot queries do not dominate.

The *unseen value* is the value that the blocks of a plan that are not visible will add. A row is a
look at a query. The label is the summed value of every plan's union minus that of its visible part,
as shares of a few patterns over all plans (`core.plan_profiles`). Only plans whose blocks are all
known are used.

Values in the training data of another model must be out of fold by query_key. A value that was
trained on a query's clicks is too precise for this query. A second model would then rely too much
on the values of queries without clicks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltrr.arrays import Bools, Floats, Floats32
from ltrr.core.plan_profiles import PLAN_PROFILES, PlanProfiles
from ltrr.errors import DataQualityError, check_ranges


@dataclass(frozen=True)
class ValueSettings:
    """Training of the value models.

    Attributes:
        damping: Exponent d, 0..1: the weight of a query and entity is divided by the query's
            exposure to the power d. With 0 each examination counts the same, with 1 each query.
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
    features: Floats32,
    clicks: Floats,
    examinations: Floats,
    query_examinations: Floats,
    settings: ValueSettings,
) -> bytes:
    """A model of P(click | examined), as XGBoost's `ubj`.

    Args:
        features: Features of `core.candidate_features`, [N, F].
        clicks: Clicks of each pair, [N].
        examinations: Expected examinations of each pair, above 0, [N].
        query_examinations: Examinations of all pairs of its query, [N].
        settings: Settings of the training.

    Raises:
        DataQualityError: There is no pair, or a pair was never examined.
    """
    if not len(features) or not (examinations > 0.0).all():
        raise DataQualityError(
            "the model of candidate values cannot be trained",
            which="examinations",
            expected="at least one pair, and examinations above 0 for all pairs",
            got=f"{len(features)} pairs, {int((examinations <= 0.0).sum())} of them without examinations",
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
    looks: Floats32,
    added: Floats,
    is_known: Bools,
    settings: ValueSettings,
    weights: Floats | None = None,
) -> bytes:
    """A model of the value that the unseen blocks of every plan add, as XGBoost's `ubj`.

    The patterns are an attribute of the model.

    Args:
        looks: Vectors of `core.coverage.look_vector`, [N, G].
        added: Value of each plan's union minus that of its visible part, [N, P].
        is_known: Whether all blocks of each plan are known, [N, P].
        settings: Settings of the training.
        weights: Weights of the looks, [N]; by default all are equal.

    Raises:
        DataQualityError: Too few looks have enough known plans.
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


def has_enough_plans(is_known: Bools, settings: ValueSettings) -> bool:
    """Whether looks with these known plans, [N, P], are enough to train an unseen value.

    At least two looks must have enough known plans, and each plan must be known in one of them.

    >>> settings = ValueSettings()
    >>> [has_enough_plans(is_known, settings) for is_known in (np.ones((2, 3)) > 0, np.eye(3) > 0)]
    [True, True]
    >>> has_enough_plans(np.array([[1, 1, 0], [1, 1, 0]]) > 0, settings)
    False
    """
    enough = is_known[is_known.mean(axis=1) >= settings.fewest_known_plans]
    return len(enough) > 1 and bool(enough.any(axis=0).all())


def _fit(
    features: Floats32,
    label: Floats,
    weight: Floats | None,
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
