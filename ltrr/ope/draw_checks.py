"""Checks of a log made draw by draw: one pass finds every fault and the shape of the log."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.errors import DataQualityError
from ltrr.estimation.draw_orders import MOST_DRAWS
from ltrr.estimation.slots import JOINT_TOLERANCE, dependent_slots_error
from ltrr.estimation.weights import ROUNDING
from ltrr.ope.draw_rows import ARRAYS, LARGEST_TERM


@dataclass(frozen=True)
class DrawShape:
    """The shape of a log, as a first pass finds it.

    Attributes:
        has_orders: Whether all rows hold propensities in every state.
        largest_union: Largest number of entities drawn by one impression; None where unknown.
    """

    has_orders: bool
    largest_union: int | None


def check_draw_rows(rows: DataFrame) -> DrawShape:
    """One pass that finds every fault and the log's shape; `rows` are those of `to_draw_rows`.

    Raises:
        DataQualityError: Values are faulty, all reasons in one message; or the log has no impression.
        SupportError: Slots that should be independent depend on each other.
    """
    checks = _checks(rows)
    in_states = F.size("logging_propensities") == _states()
    union = F.max("union_size") if "union_size" in rows.columns else F.lit(None)
    differs, product = _dependent_slots(rows)
    found = rows.agg(
        F.count("*").alias("impressions"),
        F.bool_and(in_states).alias("has_orders"),
        F.bool_or(in_states & (F.size("rewards") > 0)).alias("has_some_orders"),
        union.alias("largest_union"),
        F.count_if(differs).alias("dependent"),
        F.max(F.when(differs, F.struct(_joint(rows), product))).alias("dependent_example"),
        *(F.count_if(is_bad).alias(f"count_{n}") for n, (_, is_bad, _) in enumerate(checks)),
        *(
            F.min(F.when(is_bad, F.coalesce(shown.cast("string"), F.lit("null")))).alias(f"example_{n}")
            for n, (_, is_bad, shown) in enumerate(checks)
        ),
    ).collect()[0]
    faults = [
        f"{reason}, {found[f'count_{n}']:,} rows, such as {found[f'example_{n}']}"
        for n, (reason, _, _) in enumerate(checks)
        if found[f"count_{n}"]
    ]
    if faults:
        raise DataQualityError(
            "the log contains impossible values",
            got="; ".join(faults),
            todo="correct these rows, or leave them out on purpose",
        )
    if not found["impressions"]:
        raise DataQualityError("there is no impression in this log", todo="check the path and the format")
    if found["has_some_orders"] and not found["has_orders"]:
        raise DataQualityError(
            "propensities come in two forms",
            which="logging_propensities, target_propensities",
            expected="those of each draw in all rows, or of each draw in every state in all rows",
            todo="keep the first form everywhere, or leave out the rows that have it",
        )
    if found["dependent"]:
        raise dependent_slots_error(found["dependent"], found["impressions"], *found["dependent_example"])
    largest = found["largest_union"]
    return DrawShape(bool(found["has_orders"]), None if largest is None else int(largest))


def _joint(rows: DataFrame) -> Column:
    return F.col("joint") if "joint" in rows.columns else F.lit(1.0)


def _dependent_slots(rows: DataFrame) -> tuple[Column, Column]:
    """Whether the joint probability differs from the product of the slots' probabilities, and the product."""
    product = F.aggregate("logging_propensities", F.lit(1.0), lambda all_before, one: all_before * one)
    if "joint" not in rows.columns:
        return F.lit(False), F.lit(1.0)
    return F.abs(_joint(rows) - product) > F.lit(JOINT_TOLERANCE) * product, product


def _states() -> Column:
    """Length of an array that holds propensities in every state."""
    return (F.size("rewards") * F.pow(F.lit(2.0), F.size("rewards"))).cast("int")


def _checks(rows: DataFrame) -> list[tuple[str, Column, Column]]:
    """(reason, whether a row is at fault, what to show of it)."""
    draws, has_slots = F.size("rewards"), "joint" in rows.columns
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
            "logging_propensities: expected one of each slot"
            if has_slots
            else "logging_propensities: expected one of each draw, or of each draw in every state",
            bad((logging == draws) if has_slots else (logging == draws) | (logging == _states())),
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
    for name in sorted(set(rows.columns) - {*ARRAYS, "user"}):
        value = F.col(name)
        expected, is_good = "a number", is_number(value)
        if name in ("logging_stop", "joint"):
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
