"""One shape for anyone's log made draw by draw: a row an impression, its draws as arrays; checked and read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltrr.errors import DataQualityError, UsageError
from ltrr.estimation.arrays import Floats, Longs
from ltrr.estimation.draw_orders import MOST_DRAWS, DrawWeights
from ltrr.estimation.draw_terms import GIVEN_TERMS, Draws
from ltrr.estimation.weights import ROUNDING

LARGEST_TERM = 2.0**28
"""A reward, and a term of one impression, beyond this (268 million) are refused: a user's sum would overflow."""

_ARRAYS = ("rewards", "logging_propensities", "target_propensities", "step_taken", "step_values")
_STEPS = {"step_taken", "step_values"}
_MODELS = ("taken", "direct", *GIVEN_TERMS)


@dataclass(frozen=True)
class DrawColumns:
    """Which column of a log is what; a row is one impression of T draws, at most 8.

    Propensities are an array of T, those of the draws in the order they were made; or, of every state that leads to the
    same draws, an array of 2^T x T: element state x T + t is the probability that draw t comes next in that state (bit
    u of a state: draw u has been made), 0 where it cannot; `estimation.draw_orders.step_lattice` makes them.

    Args:
        rewards: array of T: what the entities that each draw brought first earned.
        logging_propensities: of the policy that logged.
        target_propensities: of the policy judged, in the same form.
        logging_stop: probability of stopping after the last draw; 1, or no column, where nothing else was possible.
        target_stop: the same of the policy judged.
        taken: q of the plan drawn; with direct, for union_dr.
        direct: mean of q over the target's plans.
        step_taken: array of T: Q of each draw; with step_values, for cascade_dr.
        step_values: array of T, or T + 1 where stopping was a choice: V before each decision.
        included: an impression's term of `estimation.inclusion`.
        included_dr: the same with a model.
        included_mass: what `estimation.inclusion.inclusion_design` says of the impression, first part; with
        included_squares: its second part, evidence of inclusion is judged by design.
        placed: an impression's term of `estimation.placement`.
        placed_dr: the same with a model.
        union_size: entities drawn; found_reward needs it.
        user: the cluster; without it each impression counts as its own.
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
    user: str | None = None

    def named(self) -> dict[str, str]:
        """Meaning -> column, of those that are given."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if getattr(self, name) is not None}


@dataclass(frozen=True)
class DrawShape:
    """What a first pass over a log tells.

    Attributes:
        has_orders: whether all rows hold propensities in every state.
        largest_union: entities drawn by one impression, at most; None where it is not told.
    """

    has_orders: bool
    largest_union: int | None


def to_draw_rows(log: DataFrame, columns: DrawColumns) -> DataFrame:
    """Same rows, each column named by its meaning, the user as a number.

    Raises:
        UsageError: columns that are not there or of a type that cannot be read; all of them in one message.
    """
    types = {name: log.schema[name].dataType for name in log.columns}
    given = columns.named()
    faults = [
        f"{meaning}: {name} is {types[name].simpleString()}" if name in types else f"{meaning}: there is no {name}"
        for meaning, name in given.items()
        if name not in types or not _is_readable(meaning, types[name])
    ]
    if faults:
        raise UsageError(
            "these are not the log's columns",
            expected="arrays of numbers for what is told of each draw, a number for what is told of the impression",
            got="; ".join(faults),
            todo=f"the log has {', '.join(log.columns)}",
        )
    user = given.pop("user", None)
    named = [
        F.col(f"`{name}`").cast("array<double>" if meaning in _ARRAYS else "double").alias(meaning)
        for meaning, name in given.items()
    ]
    key = F.lit(0) if user is None else F.when(F.col(f"`{user}`").isNotNull(), F.xxhash64(F.col(f"`{user}`")))
    return log.select(*named, key.cast("bigint").alias("user"))


def check_draw_rows(rows: DataFrame) -> DrawShape:
    """One pass that finds every fault and the log's shape; `rows` are those of `to_draw_rows`.

    Raises:
        DataQualityError: values that cannot be right, all reasons in one message; or no impression at all.
    """
    checks = _checks(rows)
    in_states = F.size("logging_propensities") == _states()
    union = F.max("union_size") if "union_size" in rows.columns else F.lit(None)
    told = rows.agg(
        F.count("*").alias("impressions"),
        F.bool_and(in_states).alias("has_orders"),
        F.bool_or(in_states & (F.size("rewards") > 0)).alias("has_some_orders"),
        union.alias("largest_union"),
        *(F.count_if(is_bad).alias(f"count_{n}") for n, (_, is_bad, _) in enumerate(checks)),
        *(
            F.min(F.when(is_bad, F.coalesce(shown.cast("string"), F.lit("null")))).alias(f"example_{n}")
            for n, (_, is_bad, shown) in enumerate(checks)
        ),
    ).collect()[0]
    faults = [
        f"{reason}, {told[f'count_{n}']:,} rows, such as {told[f'example_{n}']}"
        for n, (reason, _, _) in enumerate(checks)
        if told[f"count_{n}"]
    ]
    if faults:
        raise DataQualityError(
            "the log holds values that cannot be right",
            got="; ".join(faults),
            todo="correct these rows, or leave them out on purpose",
        )
    if not told["impressions"]:
        raise DataQualityError("there is no impression in this log", todo="check the path and the format")
    if told["has_some_orders"] and not told["has_orders"]:
        raise DataQualityError(
            "propensities come in two forms",
            which="logging_propensities, target_propensities",
            expected="those of each draw in all rows, or of each draw in every state in all rows",
            todo="keep the first form everywhere, or leave out the rows that have it",
        )
    largest = told["largest_union"]
    return DrawShape(bool(told["has_orders"]), None if largest is None else int(largest))


def read_draws(batch: pa.RecordBatch, *, has_orders: bool) -> Draws:
    """Checked rows as what the estimators take; N impressions of at most D draws."""
    counts = _lengths(batch.column("rewards"))
    names = set(batch.schema.names)
    longest = max(
        [counts, *(_lengths(batch.column(name)) for name in _STEPS & names)], key=lambda lengths: lengths.max(initial=0)
    )
    most = max(int(longest.max(initial=0)), 1)
    models = {name: np.asarray(batch.column(name), dtype=np.float64) for name in _MODELS if name in names}
    steps = {name: _padded(batch.column(name), most) for name in _STEPS & names}
    weights = _weights(batch, counts, most, has_orders=has_orders)
    return Draws(weights, _padded(batch.column("rewards"), most), **models, **steps)


def _weights(batch: pa.RecordBatch, counts: Longs, most: int, *, has_orders: bool) -> DrawWeights:
    n = len(counts)
    stops = [
        np.asarray(batch.column(name), dtype=np.float64) if name in batch.schema.names else np.ones(n)
        for name in ("logging_stop", "target_stop")
    ]
    sides = [batch.column(name) for name in ("logging_propensities", "target_propensities")]
    if not has_orders:
        paths = [np.where(np.arange(most) < counts[:, None], _padded(side, most), 1.0) for side in sides]
        return DrawWeights.of_paths(*paths, logging_stop=stops[0], target_stop=stops[1])
    logging, target = (np.zeros((n, 1 << most, most)) for _ in sides)
    for made in np.unique(counts[counts > 0]).tolist():
        rows = np.flatnonzero(counts == made)
        for side, lists in zip((logging, target), sides, strict=True):
            flat = np.asarray(lists.take(pa.array(rows)).flatten(), dtype=np.float64)
            side[rows, : 1 << made, :made] = flat.reshape(len(rows), 1 << made, made)
    return DrawWeights.of(logging, target, counts, logging_stop=stops[0], target_stop=stops[1])


def _lengths(lists: pa.Array) -> Longs:
    return np.asarray(lists.value_lengths(), dtype=np.int64)


def _padded(lists: pa.Array, width: int) -> Floats:
    """Lists as rows of one matrix, filled with zeros; none is longer than the width."""
    matrix = np.zeros((len(lists), width))
    matrix[np.arange(width) < _lengths(lists)[:, None]] = np.asarray(lists.flatten(), dtype=np.float64)
    return matrix


def _is_readable(meaning: str, kind: T.DataType) -> bool:
    if meaning in _ARRAYS:
        return isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.NumericType)
    return isinstance(kind, T.NumericType) or (meaning == "user" and isinstance(kind, T.AtomicType))


def _states() -> Column:
    """Length of an array that holds propensities in every state."""
    return (F.size("rewards") * F.pow(F.lit(2.0), F.size("rewards"))).cast("int")


def _checks(rows: DataFrame) -> list[tuple[str, Column, Column]]:
    """(reason, whether a row is at fault, what to show of it)."""
    draws = F.size("rewards")
    logging, target = F.size("logging_propensities"), F.size("target_propensities")

    def made(t: Column) -> Column:
        state = (F.pow(F.lit(2.0), t) - 1).cast("int")
        return F.get("logging_propensities", F.when(logging == draws, t).otherwise(state * draws + t))

    def bad(is_good: Column) -> Column:
        return ~F.coalesce(is_good, F.lit(False))

    def is_number(value: Column) -> Column:
        return F.coalesce(F.abs(value) < LARGEST_TERM, F.lit(False))

    def is_chance(value: Column) -> Column:
        return F.coalesce((value >= 0.0) & (value <= 1.0 + ROUNDING), F.lit(False))

    is_made = F.when(
        draws > 0, F.forall(F.sequence(F.lit(0), draws - 1), lambda t: F.coalesce(made(t) > 0.0, F.lit(False)))
    )
    found = [
        (
            f"rewards: expected an array of at most {MOST_DRAWS} numbers",
            bad((draws <= MOST_DRAWS) & F.forall("rewards", is_number)),
            F.col("rewards"),
        ),
        (
            "logging_propensities: expected one of each draw, or of each draw in every state",
            bad((logging == draws) | (logging == _states())),
            logging,
        ),
        ("target_propensities: expected as many as logging_propensities", bad(target == logging), target),
        (
            "logging_propensities: expected [0, 1]",
            bad(F.forall("logging_propensities", is_chance)),
            F.col("logging_propensities"),
        ),
        (
            "target_propensities: expected [0, 1]",
            bad(F.forall("target_propensities", is_chance)),
            F.col("target_propensities"),
        ),
        (
            "logging_propensities: expected above 0 for a draw that was made",
            bad(F.coalesce(is_made, F.lit(True))),
            F.col("logging_propensities"),
        ),
        ("user: expected a value", F.col("user").isNull(), F.col("user")),
    ]
    for name in sorted(set(rows.columns) - {*_ARRAYS, "user"}):
        value = F.col(name)
        expected, is_good = "a number", is_number(value)
        if name == "logging_stop":
            expected, is_good = "(0, 1]", is_chance(value) & (value > 0.0)
        elif name == "target_stop":
            expected, is_good = "[0, 1]", is_chance(value)
        found.append((f"{name}: expected {expected}", bad(is_good), value))
    for name in ("step_taken", "step_values"):
        if name in rows.columns:
            length, most = F.size(name), draws + (1 if name == "step_values" else 0)
            is_good = (length >= draws) & (length <= most) & F.forall(name, is_number)
            found.append((f"{name}: expected a number of each draw", bad(is_good), F.col(name)))
    return found
