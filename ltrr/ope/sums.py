"""One pass over a log for all estimators and slices.

Tasks compute exact sums, and executors merge them in a tree. With users, Spark first adds up each
user's terms in whole numbers, with one shuffle. Without users, a row is a cluster and there is no
shuffle. A task returns one text, whatever the number of rows, and the driver adds up a few texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import add

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Bools, Longs
from ltrr.estimation.calibration import Calibration
from ltrr.estimation.decision_terms import compute_terms, list_terms
from ltrr.estimation.decisions import Decisions
from ltrr.estimation.fixed_point import to_fixed
from ltrr.estimation.keyed_sums import join_by_key
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.reward_model import RewardModel, value_actions
from ltrr.ope.batches import LogBatch, read_batch
from ltrr.ope.row_checks import order_of_text
from ltrr.spark.merging import merge

ALL = "all"
"""Name of the slice of all decisions."""

MOST_SLICES = 1_000
TOO_MANY_SLICES = f"slices: expected at most {MOST_SLICES:,} values"

Faults = Mapping[str, tuple[int, str]]


@dataclass(frozen=True)
class LogSums:
    """The sums of a log; `+` joins disjoint sets of users, in any order to the same bits.

    Attributes:
        slices: Name of the slice -> moments.
        skipped: Reason -> number of rows that are no decisions.
        faults: Reason -> (number of rows, the first example in the order of text).
        drawn: Observed and expected sums of the propensity check, over all slices.
        skipped_at: Reason -> file and line of one of its rows, if the format knows it.
        most_slots: Largest number of slots of a decision, 0 if none has several.
    """

    slices: Mapping[str, LoggedMoments] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)
    drawn: Calibration = field(default_factory=Calibration)
    skipped_at: Mapping[str, str] = field(default_factory=dict)
    most_slots: int = 0

    def __add__(self, other: LogSums) -> LogSums:
        slices = join_by_key(self.slices, other.slices)
        faults = _join_faults(self.faults, other.faults)
        if len(slices) > MOST_SLICES:
            slices, faults = {}, _join_faults(faults, {TOO_MANY_SLICES: (1, "more")})
        skipped = {
            reason: self.skipped.get(reason, 0) + other.skipped.get(reason, 0)
            for reason in sorted({*self.skipped, *other.skipped})
        }
        places = dict(self.skipped_at)
        for reason, place in other.skipped_at.items():
            places[reason] = min(places.get(reason, place), place, key=order_of_text)
        most = max(self.most_slots, other.most_slots)
        return LogSums(slices, skipped, faults, self.drawn + other.drawn, places, most)

    def to_json(self) -> str:
        """As text, to cross a process; integers keep every digit."""
        slices = {name: moments.to_json() for name, moments in self.slices.items()}
        counts = [dict(self.skipped), dict(self.faults), self.drawn.to_json()]
        return json.dumps([slices, *counts, dict(self.skipped_at), self.most_slots])

    @classmethod
    def from_json(cls, text: str) -> LogSums:
        """Back from `to_json`."""
        slices, skipped, faults, drawn, places, most_slots = json.loads(text)
        return cls(
            {name: LoggedMoments.from_json(moments) for name, moments in slices.items()},
            skipped,
            {reason: (count, example) for reason, (count, example) in faults.items()},
            Calibration.from_json(drawn),
            places,
            most_slots,
        )


@dataclass(frozen=True)
class PolicySums:
    """The sums of each policy of a scan; `+` adds policy by policy."""

    policies: tuple[LogSums, ...]

    def __add__(self, other: PolicySums) -> PolicySums:
        return PolicySums(tuple(map(add, self.policies, other.policies)))

    def to_json(self) -> str:
        """As text, to cross a process."""
        return json.dumps([sums.to_json() for sums in self.policies])

    @classmethod
    def from_json(cls, text: str) -> PolicySums:
        """Back from `to_json`."""
        return cls(tuple(map(LogSums.from_json, json.loads(text))))


def sum_log(
    decisions: DataFrame,
    models: RewardModel[LogBatch] | None,
    largest_weight: float,
    *,
    has_users: bool,
    has_values: bool = False,
    is_sampled: bool = False,
) -> LogSums:
    """Sums of the rows of `to_decision_rows`.

    Args:
        decisions: Rows of `to_decision_rows`.
        models: q-hat; with None, the terms that need it are left out.
        largest_weight: M.
        has_users: Whether the rows of one user are one cluster.
        has_values: Whether the rows contain a reward model's values.
        is_sampled: Whether the rows contain sampling weights.
    """
    has_model = has_values or models is not None
    if has_users:
        users = to_user_terms(decisions, models, largest_weight, has_values=has_values, is_sampled=is_sampled)
        to_sums = partial(_users_to_sums, has_model=has_model, is_sampled=is_sampled)
        parts = users.mapInArrow(to_sums, "sums string")
        return merge(parts, LogSums.from_json) or LogSums()
    sent: Broadcast[RewardModel[LogBatch] | None] = decisions.sparkSession.sparkContext.broadcast(models)

    def rows_to_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = LogSums()
        for batch in batches:
            rows = read_batch(batch)
            mine = to_decisions(rows, sent.value, has_values=has_values)
            total += replace(_count(rows), slices={ALL: LoggedMoments.of(mine, largest_weight)})
            for column in rows.slices.T:
                total += _sum_by_slice(column, partial(_sum_rows, mine, largest_weight))
        yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})

    return merge(decisions.mapInArrow(rows_to_sums, "sums string"), LogSums.from_json) or LogSums()


def to_user_terms(
    decisions: DataFrame,
    models: RewardModel[LogBatch] | None,
    largest_weight: float,
    *,
    has_values: bool,
    is_sampled: bool,
) -> DataFrame:
    """Sums of terms by slice and user, in whole numbers, from rows of `to_decision_rows`.

    It takes one shuffle. Counts that belong to no user (faults, skipped rows, the propensity check)
    have separate rows, with their text in `counts`. Equal texts are one row, and `times` is their
    number.
    """
    sent: Broadcast[RewardModel[LogBatch] | None] = decisions.sparkSession.sparkContext.broadcast(models)
    names = list_terms(has_model=has_values or models is not None, is_sampled=is_sampled)

    def rows_to_terms(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = read_batch(batch)
            mine = to_decisions(rows, sent.value, has_values=has_values)
            terms, largest = compute_terms(mine, largest_weight), to_fixed(mine.full_weights)
            # Counts that belong to no user are one more row, after the terms.
            counts = _count(rows).to_json()
            padded = np.vstack([terms, np.zeros((1, len(names)), dtype=np.int64)])
            yield pa.RecordBatch.from_pydict(
                {
                    "counts": pa.array([None] * len(rows) + [counts], pa.string()),
                    "slices": pa.array([*([ALL, *mine] for mine in rows.slices.tolist()), []], pa.list_(pa.string())),
                    "user": pa.array([*rows.users.tolist(), 0], pa.int64()),
                    "largest": pa.array(np.append(largest, 0), pa.int64()),
                    **{name: pa.array(values, pa.int64()) for name, values in zip(names, padded.T, strict=True)},
                }
            )

    schema = ["counts string", "slices array<string>", "user bigint", *(f"{n} bigint" for n in ("largest", *names))]
    terms = decisions.mapInArrow(rows_to_terms, ", ".join(schema))
    return (
        terms.select(F.explode_outer("slices").alias("slice"), "counts", "user", "largest", *names)
        .where(F.col("slice").isNotNull() | F.col("counts").isNotNull())
        .groupBy("counts", "slice", "user")
        .agg(F.max("largest").alias("largest"), F.count("*").alias("times"), *(F.sum(n).alias(n) for n in names))
    )


def split_users(batch: pa.RecordBatch, names: Sequence[str]) -> tuple[NDArray[np.object_], Longs, pa.RecordBatch]:
    """Slice [U], terms [U, K] and all columns of the users in a batch of `to_user_terms`."""
    users = batch.filter(batch.column("counts").is_null())
    terms = np.column_stack([users.column(name).to_numpy() for name in names]).reshape(-1, len(names))
    return np.array(users.column("slice").to_pylist(), dtype=object), terms, users


def _users_to_sums(batches: Iterator[pa.RecordBatch], *, has_model: bool, is_sampled: bool) -> Iterator[pa.RecordBatch]:
    total, names = LogSums(), list_terms(has_model=has_model, is_sampled=is_sampled)
    for batch in batches:
        # One row has the equal texts of several batches.
        count_rows = batch.filter(batch.column("counts").is_valid())
        counts, times = (count_rows.column(name).to_pylist() for name in ("counts", "times"))
        for text, number in zip(counts, times, strict=True):
            for _ in range(number):
                total += LogSums.from_json(text)
        slices, terms, users = split_users(batch, names)
        total += _sum_by_slice(
            slices, partial(_sum_users, terms, users.column("largest").to_numpy(), has_model=has_model)
        )
    yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})


def to_decisions(rows: LogBatch, models: RewardModel[LogBatch] | None, *, has_values: bool) -> Decisions:
    """The rows as the estimators take them, with q from the log, from the models, or without q."""
    if has_values:
        taken, direct = rows.taken, rows.direct
    elif models is None:
        return Decisions(rows.weights, rows.rewards, unsupported=rows.unsupported, sampling=rows.sampling)
    elif not len(rows):  # Without rows, the number of actions is unknown.
        taken, direct = rows.taken, rows.direct
    else:
        taken, direct = value_actions(models.predict(rows), rows.action, rows.targets)
    return Decisions(rows.weights, rows.rewards, taken, direct, rows.unsupported, rows.sampling)


def _count(rows: LogBatch) -> LogSums:
    """Sums that belong to no user."""
    return LogSums({}, rows.skipped, rows.faults, _calibrate(rows), rows.skipped_at, rows.most_slots)


def _calibrate(rows: LogBatch) -> Calibration:
    """Observed and expected sums of the propensity check."""
    return Calibration.of(
        rows.logging,
        rows.action,
        loggings=rows.loggings,
        targets=rows.targets,
        widths=rows.widths,
        weights=rows.weights,
        sampling=rows.sampling,
    )


def _sum_rows(decisions: Decisions, largest_weight: float, here: Bools) -> LoggedMoments:
    return LoggedMoments.of(decisions.rows(here), largest_weight)


def _sum_users(terms: Longs, largest: Longs, here: Bools, *, has_model: bool) -> LoggedMoments:
    return LoggedMoments.of_clusters(terms[here], largest[here], has_model=has_model)


def _sum_by_slice(slices: NDArray[np.object_], moments_of: Callable[[Bools], LoggedMoments]) -> LogSums:
    """Sums of every slice, from the rows that belong to it."""
    names = np.unique(slices.astype(str))
    if len(names) > MOST_SLICES:
        return LogSums({}, {}, {TOO_MANY_SLICES: (1, "more")})
    return LogSums({name: moments_of(slices == name) for name in names.tolist()})


def _join_faults(one: Faults, other: Faults) -> Faults:
    joined = dict(one)
    for reason, (count, example) in other.items():
        before, shown = joined.get(reason, (0, example))
        joined[reason] = (before + count, min(shown, example, key=order_of_text))
    return joined
