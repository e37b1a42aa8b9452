"""Checks of a log made draw by draw, and its shape, in one pass."""

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
    """Properties of a log, found in a first pass.

    Attributes:
        has_orders: Whether all rows have propensities in every state.
        largest_union: Largest number of entities drawn by one impression; None if unknown.
    """

    has_orders: bool
    largest_union: int | None


def check_draw_rows(rows: DataFrame) -> DrawShape:
    """Check the rows of `to_draw_rows` and find the shape of the log, in one pass.

    Raises:
        DataQualityError: Values are faulty, all reasons in one message; or the log has no
            impression.
        SupportError: The log declares independent slots, and they depend on each other.
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
            todo="correct these rows, or leave them out",
        )
    if not found["impressions"]:
        raise DataQualityError("there is no impression in this log", todo="check the path and the format")
    if found["has_some_orders"] and not found["has_orders"]:
        raise DataQualityError(
            "the rows have propensities in two forms",
            which="logging_propensities, target_propensities",
            expected="one of each draw in all rows, or one of each draw in every state in all rows",
            todo="use the first form in all rows, or leave out the rows that have it",
        )
    if found["dependent"]:
        raise dependent_slots_error(found["dependent"], found["impressions"], *found["dependent_example"])
    largest = found["largest_union"]
    return DrawShape(bool(found["has_orders"]), None if largest is None else int(largest))


def _joint(rows: DataFrame) -> Column:
    return F.col("joint") if "joint" in rows.columns else F.lit(1.0)


def _dependent_slots(rows: DataFrame) -> tuple[Column, Column]:
    """Whether joint probability and product of the slots' probabilities differ, and the product."""
    product = F.aggregate("logging_propensities", F.lit(1.0), lambda all_before, one: all_before * one)
    if "joint" not in rows.columns:
        return F.lit(False), F.lit(1.0)
    return F.abs(_joint(rows) - product) > F.lit(JOINT_TOLERANCE) * product, product


def _states() -> Column:
    """Length of an array of propensities in every state."""
    return (F.size("rewards") * F.pow(F.lit(2.0), F.size("rewards"))).cast("int")


Check = tuple[str, Column, Column]
"""(reason, whether a row is faulty, the value shown in the message)."""


def _checks(rows: DataFrame) -> list[Check]:
    draws = F.size("rewards")
    user = F.col("user")
    return [
        (
            f"rewards: expected an array of at most {MOST_DRAWS} numbers",
            _is_bad((draws <= MOST_DRAWS) & F.forall("rewards", _is_number)),
            F.col("rewards"),
        ),
        *_propensity_checks(rows, draws),
        ("user: expected a value", user.isNull(), user),
        *(_number_check(name) for name in sorted(set(rows.columns) - {*ARRAYS, "user"})),
        *_step_checks(rows, draws),
    ]


def _propensity_checks(rows: DataFrame, draws: Column) -> list[Check]:
    logging, target = F.size("logging_propensities"), F.size("target_propensities")
    sides = [(name, F.col(name)) for name in ("logging_propensities", "target_propensities")]
    if "joint" in rows.columns:
        expected, is_complete = "one of each slot", logging == draws
    else:
        expected = "one of each draw, or of each draw in every state"
        is_complete = (logging == draws) | (logging == _states())

    def made(t: Column) -> Column:
        state = (F.pow(F.lit(2.0), t) - 1).cast("int")
        return F.get("logging_propensities", F.when(logging == draws, t).otherwise(state * draws + t))

    is_made = F.when(
        draws > 0, F.forall(F.sequence(F.lit(0), draws - 1), lambda t: F.coalesce(made(t) > 0.0, F.lit(False)))
    )
    return [
        (f"logging_propensities: expected {expected}", _is_bad(is_complete), logging),
        ("target_propensities: expected as many as logging_propensities", _is_bad(target == logging), target),
        *((f"{name}: expected [0, 1]", _is_bad(F.forall(name, _is_probability)), shown) for name, shown in sides),
        (
            "logging_propensities: expected above 0 for a draw that was made",
            _is_bad(F.coalesce(is_made, F.lit(True))),
            F.col("logging_propensities"),
        ),
    ]


def _number_check(name: str) -> Check:
    value = F.col(name)
    expected, is_good = "a number", _is_number(value)
    if name in ("logging_stop", "joint"):
        expected, is_good = "(0, 1]", _is_probability(value) & (value > 0.0)
    elif name == "target_stop":
        expected, is_good = "[0, 1]", _is_probability(value)
    return f"{name}: expected {expected}", _is_bad(is_good), value


def _step_checks(rows: DataFrame, draws: Column) -> list[Check]:
    found = []
    for name, more in (("step_taken", 0), ("step_values", 1)):
        if name in rows.columns:
            length = F.size(name)
            is_good = (length >= draws) & (length <= draws + more) & F.forall(name, _is_number)
            found.append((f"{name}: expected a number of each draw", _is_bad(is_good), F.col(name)))
    return found


def _is_bad(is_good: Column) -> Column:
    return ~F.coalesce(is_good, F.lit(False))


def _is_number(value: Column) -> Column:
    return F.coalesce(F.abs(value) < LARGEST_TERM, F.lit(False))


def _is_probability(value: Column) -> Column:
    return F.coalesce((value >= 0.0) & (value <= 1.0 + ROUNDING), F.lit(False))
