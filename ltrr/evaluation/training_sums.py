"""Sums of training users' decisions for the reward model and the best static plan, in one pass.

A task reads each decision once and keeps a few thousand integers, whatever the number of rows.
Executors merge the results in a tree, so the driver's work does not grow with the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from ltrr.core.plans import PlanSpace
from ltrr.estimation.fixed_point import exact_products, to_fixed
from ltrr.evaluation.logged_decision import COLUMNS, LoggedDecision, logged_decisions
from ltrr.evaluation.reward_model import context_features, plan_features
from ltrr.spark.merging import merge

_ROWS_AT_ONCE = 1_024
"""Number of decisions whose products are computed together: 1,024 x 210 doubles are 2 MB."""


@dataclass(frozen=True, eq=False)
class TrainingSums:
    """Exact sums over decisions; `+` joins disjoint sets.

    With z = [context features, plan features of the plan taken, reward] and p the logging
    propensity of the plan taken:

    Attributes:
        decisions: Number of decisions, n.
        products: Sum of z z', unit 2^-48.
        values: Sum of the planner's values, [P], unit 2^-24.
        taken: Sums of z / p, 1 / p and 1 / p^2 over the decisions that took each plan, [P, K + 2],
            unit 2^-24.
    """

    decisions: int
    products: NDArray[np.object_]
    values: NDArray[np.object_]
    taken: NDArray[np.object_]

    @classmethod
    def of(cls, space: PlanSpace, decisions: list[LoggedDecision]) -> TrainingSums:
        """Sums over a non-empty list of decisions."""
        z = np.array(
            [
                np.concatenate(
                    (
                        context_features(d.shared, d.values, d.query_mean),
                        plan_features(space, d.values, d.plan),
                        [d.reward],
                    )
                )
                for d in decisions
            ]
        )
        inverse = 1.0 / np.array([[d.propensity] for d in decisions])
        taken = np.zeros((len(space), z.shape[1] + 2), dtype=np.int64)
        np.add.at(taken, [d.plan for d in decisions], to_fixed(np.hstack((z * inverse, inverse, inverse**2))))
        return cls(
            len(decisions),
            _objects(exact_products(to_fixed(z))),
            to_fixed(np.array([d.values for d in decisions])).sum(axis=0).astype(object),
            taken.astype(object),
        )

    def __add__(self, other: TrainingSums) -> TrainingSums:
        return TrainingSums(
            self.decisions + other.decisions,
            self.products + other.products,
            self.values + other.values,
            self.taken + other.taken,
        )

    def to_json(self) -> str:
        """As text, to cross a process; integers keep every digit."""
        arrays = [self.products.tolist(), self.values.tolist(), self.taken.tolist()]
        return json.dumps([self.decisions, *arrays], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> TrainingSums:
        """Back from `to_json`."""
        decisions, products, values, taken = json.loads(text)
        return cls(decisions, _objects(products), _objects(values), _objects(taken))


def sum_training_decisions(impressions: DataFrame, space: PlanSpace) -> TrainingSums | None:
    """Sums over all impressions of `judged_impressions`; None without impressions."""

    def to_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total: TrainingSums | None = None
        waiting: list[LoggedDecision] = []
        for batch in batches:
            for decision in logged_decisions(batch, space):
                waiting.append(decision)
                if len(waiting) == _ROWS_AT_ONCE:
                    part, waiting = TrainingSums.of(space, waiting), []
                    total = part if total is None else total + part
        if waiting:
            part = TrainingSums.of(space, waiting)
            total = part if total is None else total + part
        if total is not None:
            yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})

    parts = impressions.select(*COLUMNS).mapInArrow(to_sums, "sums string")
    return merge(parts, TrainingSums.from_json)


def _objects(values: list[list[int]] | list[int]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)
