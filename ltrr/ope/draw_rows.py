"""The columns of a log made draw by draw: a row is an impression with arrays of draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltrr.arrays import Floats, Longs
from ltrr.errors import UsageError
from ltrr.estimation.draw_orders import DrawWeights
from ltrr.estimation.draw_terms import GIVEN_TERMS, Draws, compute_draw_terms
from ltrr.estimation.slots import slot_terms
from ltrr.ope.named_columns import check_columns

LARGEST_TERM = 2.0**28
"""Largest accepted reward and term (268 million). Larger ones could overflow a user's sum."""

ARRAYS = ("rewards", "logging_propensities", "target_propensities", "step_taken", "step_values")
_STEPS = {"step_taken", "step_values"}
_ORDERED = ("logging_stop", "target_stop", "taken", "direct", "step_taken", "step_values")
_MODELS = ("taken", "direct", *GIVEN_TERMS)


@dataclass(frozen=True)
class DrawColumns:
    """Meaning of the columns of a log; a row is one impression of T draws, at most 8.

    Propensities have one of two forms. The first is an array of T, in the order of the draws. The
    second is an array of 2^T x T, for every state that leads to the same draws. Its element state x
    T + t is the probability that draw t comes next in that state, 0 if it cannot. Bit u of a state
    means that draw u has been made. `estimation.draw_orders.step_lattice` computes them.

    Args:
        rewards: Array of T: reward of the entities that each draw was the first to return.
        logging_propensities: Propensities of the logging policy.
        target_propensities: Propensities of the judged policy, in the same form.
        logging_stop: Probability of stopping after the last draw; 1, or no column, if the policy
            had no other choice.
        target_stop: The same probability under the judged policy.
        taken: q of the plan drawn; with direct, for union_dr.
        direct: Mean of q over the target's plans.
        step_taken: Array of T: Q of each draw; with step_values, for cascade_dr
            (`estimation.reward_to_go` computes both).
        step_values: Array of T, or T + 1 if stopping was a choice: V before each decision.
        included: The impression's term of `estimation.inclusion`.
        included_dr: The same with a model.
        included_mass: First part of the impression's `estimation.inclusion.inclusion_design`. With
            both parts, the evidence of inclusion is limited by the design.
        included_squares: Second part.
        placed: The impression's term of `estimation.placement`.
        placed_dr: The same with a model.
        union_size: Number of entities drawn; found_reward needs it.
        joint: Logged probability of all slots together, for iips and pi. With it, the propensities
            are those of single slots that were filled independently of each other.
        user: The user, which is the cluster; without it each impression is a cluster.
    """

    rewards: str = "rewards"
    logging_propensities: str = "logging_propensities"
    target_propensities: str = "target_propensities"
    logging_stop: str | None = None
    target_stop: str | None = None
    taken: str | None = None
    direct: str | None = None
    step_taken: str | None = None
    step_values: str | None = None
    included: str | None = None
    included_dr: str | None = None
    included_mass: str | None = None
    included_squares: str | None = None
    placed: str | None = None
    placed_dr: str | None = None
    union_size: str | None = None
    joint: str | None = None
    user: str | None = None

    def __post_init__(self) -> None:
        ordered = [name for name in _ORDERED if getattr(self, name) is not None]
        if self.joint is not None and ordered:
            raise UsageError(
                "these columns need draws made one after the other, but joint declares independent slots",
                which=", ".join(ordered),
                expected="either joint or these columns",
                got="both",
                todo="leave out joint or these columns",
            )

    def map_meanings(self) -> dict[str, str]:
        """Meaning -> column, for the columns that are set."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if getattr(self, name) is not None}


def to_draw_rows(log: DataFrame, columns: DrawColumns) -> DataFrame:
    """Same rows with columns named by their meaning, and the user as a number.

    Raises:
        UsageError: Columns are missing or of an unsupported type; all of them in one message.
    """
    given = columns.map_meanings()
    check_columns(
        log, given, _is_readable, "an array of numbers for figures of draws, a number for figures of the impression"
    )
    user = given.pop("user", None)
    named = [
        F.col(f"`{name}`").cast("array<double>" if meaning in ARRAYS else "double").alias(meaning)
        for meaning, name in given.items()
    ]
    key = F.lit(0) if user is None else F.when(F.col(f"`{user}`").isNotNull(), F.xxhash64(F.col(f"`{user}`")))
    return log.select(*named, key.cast("bigint").alias("user"))


def read_terms(batch: pa.RecordBatch, *, has_orders: bool) -> dict[str, Floats]:
    """Terms of checked rows by name, [N] each: of slots if there is `joint`, else of draws."""
    if "joint" not in batch.schema.names:
        return compute_draw_terms(read_draws(batch, has_orders=has_orders))
    counts = _lengths(batch.column("rewards"))
    most = max(int(counts.max(initial=0)), 1)
    logging, target = _pad_propensities(batch, counts, most)
    terms = slot_terms(
        logging, target, _pad(batch.column("rewards"), most), np.asarray(batch.column("joint"), dtype=np.float64)
    )
    given = [name for name in GIVEN_TERMS if name in batch.schema.names]
    return terms | {name: np.asarray(batch.column(name), dtype=np.float64) for name in given}


def _pad_propensities(batch: pa.RecordBatch, counts: Longs, most: int) -> list[Floats]:
    """Propensities of each draw under both policies, 1 after the last, [N, D]."""
    sides = (batch.column(name) for name in ("logging_propensities", "target_propensities"))
    return [np.where(np.arange(most) < counts[:, None], _pad(side, most), 1.0) for side in sides]


def read_draws(batch: pa.RecordBatch, *, has_orders: bool) -> Draws:
    """Checked rows as the estimators take them: N impressions of at most D draws."""
    counts = _lengths(batch.column("rewards"))
    names = set(batch.schema.names)
    longest = max(
        [counts, *(_lengths(batch.column(name)) for name in _STEPS & names)], key=lambda lengths: lengths.max(initial=0)
    )
    most = max(int(longest.max(initial=0)), 1)
    models = {name: np.asarray(batch.column(name), dtype=np.float64) for name in _MODELS if name in names}
    steps = {name: _pad(batch.column(name), most) for name in _STEPS & names}
    weights = _weights(batch, counts, most, has_orders=has_orders)
    return Draws(weights, _pad(batch.column("rewards"), most), **models, **steps)


def _weights(batch: pa.RecordBatch, counts: Longs, most: int, *, has_orders: bool) -> DrawWeights:
    n = len(counts)
    stops = [
        np.asarray(batch.column(name), dtype=np.float64) if name in batch.schema.names else np.ones(n)
        for name in ("logging_stop", "target_stop")
    ]
    if not has_orders:
        paths = _pad_propensities(batch, counts, most)
        return DrawWeights.of_paths(*paths, logging_stop=stops[0], target_stop=stops[1])
    sides = [batch.column(name) for name in ("logging_propensities", "target_propensities")]
    logging, target = (np.zeros((n, 1 << most, most)) for _ in sides)
    for made in np.unique(counts[counts > 0]).tolist():
        rows = np.flatnonzero(counts == made)
        for side, lists in zip((logging, target), sides, strict=True):
            flat = np.asarray(lists.take(pa.array(rows)).flatten(), dtype=np.float64)
            side[rows, : 1 << made, :made] = flat.reshape(len(rows), 1 << made, made)
    return DrawWeights.of(logging, target, counts, logging_stop=stops[0], target_stop=stops[1])


def _lengths(lists: pa.Array) -> Longs:
    return np.asarray(lists.value_lengths(), dtype=np.int64)


def _pad(lists: pa.Array, width: int) -> Floats:
    """Lists as rows of one matrix, filled with zeros; no list is longer than the width."""
    matrix = np.zeros((len(lists), width))
    matrix[np.arange(width) < _lengths(lists)[:, None]] = np.asarray(lists.flatten(), dtype=np.float64)
    return matrix


def _is_readable(meaning: str, kind: T.DataType) -> bool:
    if meaning in ARRAYS:
        return isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.NumericType)
    return isinstance(kind, T.NumericType) or (meaning == "user" and isinstance(kind, T.AtomicType))
