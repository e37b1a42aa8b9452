"""q-hat of any log: cross-fitted penalised regression on the log's features and the action.

    score(x, a) = c0 + c . x + theta[a]
    q(x, a)     = logistic(score) if all rewards are in [0, 1], else the score

Fold k's model is fitted on all other folds and predicts only fold k. Executors add up the sums of a
Newton step; a step of all folds is one pass. A logistic model takes about a dozen passes, a linear
one two. Doubly robust estimates are unbiased for any q-hat; a better q-hat narrows their intervals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from math import inf

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from ltrr.arrays import Floats
from ltrr.errors import SupportError
from ltrr.estimation.estimators import list_names_without_model
from ltrr.estimation.keyed_sums import join_by_key
from ltrr.estimation.reward_regression import LARGEST_LAST_STEP, MAX_STEPS, StepSums, expected_reward
from ltrr.ope.batches import LogBatch, read_batch
from ltrr.spark.merging import merge

WIDEST = 512
"""Maximum number of coefficients of a model; the sums of a step grow with its square."""


@dataclass(frozen=True)
class LogShape:
    """Properties of a log, found in a first pass; `+` joins disjoint parts.

    Attributes:
        decisions: Number of good rows.
        rewards: Smallest and largest reward.
        actions: Smallest and largest number of probabilities in a row.
        features: Number of features.
        faulty: Number of faulty rows.
        without_fold: Number of good rows that belong to no fold.
    """

    decisions: int = 0
    rewards: tuple[float, float] = (inf, -inf)
    actions: tuple[float, float] = (inf, 0)
    features: int = 0
    faulty: int = 0
    without_fold: int = 0

    @classmethod
    def of(cls, rows: LogBatch) -> LogShape:
        """The shape of one batch."""
        faulty = sum(count for count, _ in rows.faults.values())
        if not len(rows):
            return cls(faulty=faulty)
        return cls(
            len(rows),
            (float(rows.rewards.min()), float(rows.rewards.max())),
            (float(rows.widths.min()), float(rows.widths.max())),
            rows.features.shape[1],
            faulty,
            int((rows.folds < 0).sum()),
        )

    def __add__(self, other: LogShape) -> LogShape:
        return LogShape(
            self.decisions + other.decisions,
            (min(self.rewards[0], other.rewards[0]), max(self.rewards[1], other.rewards[1])),
            (min(self.actions[0], other.actions[0]), max(self.actions[1], other.actions[1])),
            max(self.features, other.features),
            self.faulty + other.faulty,
            self.without_fold + other.without_fold,
        )

    def find_objection(self) -> str:
        """The reason why no q-hat of a fixed action set can be fitted; empty if it can."""
        least, most = self.actions
        if most == 0:
            return "the target's probability of every action is needed, and the log has that of the action taken alone"
        if self.without_fold:
            return f"{self.without_fold:,} rows have no value in the column to fold by, and cross-fitting needs one"
        if least != most:
            return f"rows have {least:.0f} to {most:.0f} actions, and the reward model needs a fixed action set"
        if 1 + self.features + most > WIDEST:
            return f"{self.features} features and {most:.0f} actions are more than the {WIDEST} coefficients allowed"
        return ""


@dataclass(frozen=True, eq=False)
class FoldModels:
    """q-hat, one model for each fold: a `RewardModel` small enough to send to every executor.

    Attributes:
        coefficients: Coefficients of each fold, [K, 1 + D + A].
        actions: Number of actions, A.
        is_logistic: Whether the model is logistic; otherwise it is linear.
    """

    coefficients: Floats
    actions: int
    is_logistic: bool

    def predict(self, rows: LogBatch) -> Floats:
        """q(x, a) of every action, [N, A], by the model that was fitted without the row's fold."""
        mine = self.coefficients[rows.folds]
        split = mine.shape[1] - self.actions
        # Row sums instead of a matrix product: a row's result must not depend on its batch.
        scores = (mine[:, 1:split] * rows.features).sum(axis=1) + mine[:, 0]
        return expected_reward(scores[:, None] + mine[:, split:], is_logistic=self.is_logistic)


@dataclass(frozen=True)
class FoldSteps:
    """Newton sums by fold; `+` joins disjoint rows."""

    folds: Mapping[int, StepSums] = field(default_factory=dict)

    def __add__(self, other: FoldSteps) -> FoldSteps:
        return FoldSteps(join_by_key(self.folds, other.folds))

    @classmethod
    def of(cls, rows: LogBatch, models: FoldModels) -> FoldSteps:
        """Sums of one batch; those of a fold's model are over the rows of all *other* folds."""
        if not len(rows):
            return cls()
        z = np.hstack([np.ones((len(rows), 1)), rows.features, np.eye(models.actions)[rows.action]])
        sums = {}
        for fold, coefficients in enumerate(models.coefficients):
            others = rows.folds != fold
            sums[fold] = StepSums.of(
                z[others],
                rows.rewards[others],
                coefficients,
                is_logistic=models.is_logistic,
                sampling=None if rows.sampling is None else rows.sampling[others],
            )
        return cls(sums)

    def to_json(self) -> str:
        """As text, to cross a process; integers keep every digit."""
        return json.dumps([[fold, sums.curvature, sums.gradient] for fold, sums in self.folds.items()])

    @classmethod
    def from_json(cls, text: str) -> FoldSteps:
        """Back from `to_json`."""
        return cls({fold: StepSums(tuple(map(tuple, c)), tuple(g)) for fold, c, g in json.loads(text)})


def find_log_shape(decisions: DataFrame) -> LogShape:
    """Shape of the log, from one pass over the rows of `to_decision_rows`."""

    def to_shape(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = LogShape()
        for batch in batches:
            total += LogShape.of(read_batch(batch))
        yield pa.RecordBatch.from_pydict({"shape": [json.dumps(astuple(total))]})

    def of_text(text: str) -> LogShape:
        decisions, rewards, actions, *counts = json.loads(text)
        return LogShape(decisions, tuple(rewards), tuple(actions), *counts)

    return merge(decisions.mapInArrow(to_shape, "shape string"), of_text) or LogShape()


def fit_fold_models(decisions: DataFrame, shape: LogShape, folds: int, ridge: float) -> FoldModels:
    """Cross-fitted q-hat of rows of `to_decision_rows`, with one pass per Newton step.

    Raises:
        SupportError: `shape.find_objection()`.
    """
    if shape.find_objection():
        raise SupportError(
            "no reward model can be fitted",
            got=shape.find_objection(),
            todo="ask for " + ", ".join(list_names_without_model()),
        )
    actions = int(shape.actions[1])
    is_logistic = shape.rewards[0] >= 0.0 and shape.rewards[1] <= 1.0
    models = FoldModels(np.zeros((folds, 1 + shape.features + actions)), actions, is_logistic)
    is_moving = np.ones((folds, 1), dtype=bool)
    for _ in range(MAX_STEPS):
        # A converged model stays as it is; its result must not depend on the other models.
        moves = np.where(is_moving, _compute_steps(decisions, models, ridge), 0.0)
        models = FoldModels(models.coefficients + moves, actions, is_logistic)
        is_moving = np.abs(moves).max(axis=1, keepdims=True) >= LARGEST_LAST_STEP
        if not is_moving.any():
            break
    return models


def _compute_steps(decisions: DataFrame, models: FoldModels, ridge: float) -> Floats:
    sent = decisions.sparkSession.sparkContext.broadcast(models)

    def to_steps(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = FoldSteps()
        for batch in batches:
            total += FoldSteps.of(read_batch(batch), sent.value)
        yield pa.RecordBatch.from_pydict({"steps": [total.to_json()]})

    steps = merge(decisions.mapInArrow(to_steps, "steps string"), FoldSteps.from_json) or FoldSteps()
    sent.unpersist()
    return np.array([steps.folds[fold].step(c, ridge) for fold, c in enumerate(models.coefficients)])
