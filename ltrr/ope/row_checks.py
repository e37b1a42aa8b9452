"""Reading and checking the columns of a batch of decision rows, on an executor."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ltrr.arrays import Bools, Floats, Longs
from ltrr.estimation.decisions import LARGEST_SUMMABLE
from ltrr.estimation.weights import ROUNDING

_TOLERANCE = 1e-3
"""Accepted relative error of a sum of probabilities.

Logs have 32-bit floats of hundreds of actions."""

Found = tuple[Bools, NDArray[np.generic], str]
"""Whether each row is faulty, [N], the value shown in the message, [N], and its column or empty."""


def read_floats(batch: pa.RecordBatch, name: str) -> Floats:
    """A column as doubles, [N]; NaN if null."""
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def read_matrix(lists: pa.Array) -> tuple[Floats, Longs]:
    """Lists as rows of one matrix, filled with zeros, and their lengths."""
    lengths = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    values = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
    matrix = np.zeros((len(lengths), int(lengths.max(initial=0))))
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = values
    return matrix, lengths


def read_target(batch: pa.RecordBatch) -> Floats:
    """The target's probability of the action taken, [N]; NaN if missing."""
    single, action = read_floats(batch, "target"), read_floats(batch, "action")
    targets, widths = read_matrix(batch.column("targets"))
    has_place = (action >= 0) & (action < widths)
    if not targets.shape[1]:
        return single
    taken = targets[np.arange(len(action)), np.where(has_place, action, 0).astype(np.int64)]
    return np.where(has_place, taken, single)


def read_sampling(batch: pa.RecordBatch) -> Floats | None:
    """Sampling weights 1 / (1 - pdrop), [N]; None without a column of pdrop."""
    if "pdrop" not in batch.schema.names:
        return None
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / (1.0 - read_floats(batch, "pdrop")))


def _read_full_weights(batch: pa.RecordBatch) -> Floats:
    sampling = read_sampling(batch)
    weights = read_target(batch) / read_floats(batch, "logging")
    return weights if sampling is None else weights * sampling


def _find_bad_pdrop(batch: pa.RecordBatch) -> Found:
    if "pdrop" not in batch.schema.names:
        return np.zeros(len(batch), dtype=bool), np.zeros(len(batch)), ""
    values = read_floats(batch, "pdrop")
    return ~((values >= 0.0) & (values < 1.0)), values, "pdrop"


def describe_fault(batch: pa.RecordBatch, is_bad: Bools, shown: NDArray[np.generic], column: str) -> str:
    """One example of a fault: the log's own text if the log has text, with its place if known.

    Args:
        batch: Rows of `to_decision_rows`.
        is_bad: Whether a row is faulty.
        shown: Values as they were read.
        column: Name of their column, or empty.
    """
    faulty = batch.filter(pa.array(is_bad))

    def read(name: str) -> list[Any]:
        return faulty.column(name).to_pylist() if name in batch.schema.names else [None] * len(faulty)

    has_column = column in batch.schema.names
    is_null = faulty.column(column).is_null().to_pylist() if has_column else [False] * len(faulty)
    examples = []
    for value, text, place, nothing in zip(
        shown[is_bad].tolist(), read(f"{column}_text"), read("place"), is_null, strict=True
    ):
        example = f'"{text}"' if text is not None else "null" if nothing or value is None else str(value)
        examples.append(f"{example} in {place}" if place else example)
    return min(examples, key=order_of_text)


def order_of_text(text: str) -> str:
    """Key by which texts are sorted with the numbers in them: line 9 comes before line 10.

    >>> sorted(["line 10", "line 9"], key=order_of_text)
    ['line 9', 'line 10']
    """
    return re.sub(r"\d+", lambda number: number[0].zfill(20), text)


def _find_unread(name: str, batch: pa.RecordBatch) -> Found:
    """Rows whose text in a column is neither a number nor a list."""
    nothing = np.full(len(batch), None)
    if f"{name}_text" not in batch.schema.names:
        return np.zeros(len(batch), dtype=bool), nothing, name
    return batch.column(f"{name}_text").is_valid().to_numpy(zero_copy_only=False), nothing, name


def _find_bad_reward(batch: pa.RecordBatch) -> Found:
    values = read_floats(batch, "reward")
    return ~np.isfinite(values), values, "reward"


def _find_bad_logging(batch: pa.RecordBatch) -> Found:
    values = read_floats(batch, "logging")
    return ~((values > 0.0) & (values <= 1.0 + ROUNDING)), values, "logging"


def _find_bad_targets(batch: pa.RecordBatch) -> Found:
    targets, widths = read_matrix(batch.column("targets"))
    totals = targets.sum(axis=1)
    is_bad = ~(np.abs(totals - 1.0) <= _TOLERANCE) | ~(targets >= -ROUNDING).all(axis=1)
    return is_bad & (widths > 0), totals, ""


def _find_bad_action(batch: pa.RecordBatch) -> Found:
    values = read_floats(batch, "action")
    widths = read_matrix(batch.column("targets"))[1]
    return ((values < 0) | (values >= widths) | (values % 1.0 != 0.0)) & (widths > 0), values, ""


def _find_bad_action_propensities(batch: pa.RecordBatch) -> Found:
    """Rows whose logging probabilities contradict the target's number or the logged propensity."""
    loggings, widths = read_matrix(batch.column("loggings"))
    place = np.clip(read_floats(batch, "action"), 0, max(loggings.shape[1] - 1, 0)).astype(np.int64)
    taken = loggings[np.arange(len(place)), place] if loggings.shape[1] else np.zeros(len(place))
    logging, targets = read_floats(batch, "logging"), read_matrix(batch.column("targets"))[1]
    is_other = (widths != targets) & (targets > 0)
    is_other |= ~(np.abs(taken - logging) <= _TOLERANCE * logging) & (read_floats(batch, "action") >= 0)
    return is_other & (widths > 0), taken, ""


def _find_bad_target(batch: pa.RecordBatch) -> Found:
    values = read_target(batch)
    return ~((values >= -ROUNDING) & (values <= 1.0 + ROUNDING)), values, "target"


def _find_bad_weight(batch: pa.RecordBatch) -> Found:
    values = _read_full_weights(batch)
    sampling = read_sampling(batch)
    is_bad = values > LARGEST_SUMMABLE
    return is_bad if sampling is None else is_bad | (sampling > LARGEST_SUMMABLE), values, ""


def _find_bad_weighted_reward(batch: pa.RecordBatch) -> Found:
    values = _read_full_weights(batch) * np.abs(read_floats(batch, "reward"))
    return values > LARGEST_SUMMABLE, values, ""


def _find_bad_model_values(batch: pa.RecordBatch) -> Found:
    sampling = read_sampling(batch)
    taken, direct = (
        read_floats(batch, name) * (1.0 if sampling is None else sampling) for name in ("q_taken", "q_target")
    )
    return ~((np.abs(taken) <= LARGEST_SUMMABLE) & (np.abs(direct) <= LARGEST_SUMMABLE)), taken, "q_taken"


def _find_bad_user(batch: pa.RecordBatch) -> Found:
    missing = ~batch.column("has_user").to_numpy(zero_copy_only=False).astype(bool)
    return missing, np.full(len(missing), None), ""


def _find_bad_features(batch: pa.RecordBatch) -> Found:
    matrix, widths = read_matrix(batch.column("features"))
    is_whole = ~batch.column("features").is_null().to_numpy(zero_copy_only=False)
    return ~(np.isfinite(matrix).all(axis=1) & is_whole), matrix.sum(axis=1) * np.sign(widths + 1), ""


CHECKS: tuple[tuple[str, Callable[[pa.RecordBatch], Found]], ...] = (
    ("reward: expected a number", _find_bad_reward),
    ("target_propensity: expected a number, or JSON such as [0.75, 0.25]", partial(_find_unread, "target")),
    ("action_propensities: expected JSON such as [0.75, 0.25]", partial(_find_unread, "loggings")),
    ("action: expected a whole number", partial(_find_unread, "action")),
    ("logging_propensity: expected (0, 1]", _find_bad_logging),
    ("pdrop: expected [0, 1)", _find_bad_pdrop),
    ("target_propensity: expected probabilities of all actions that add up to 1", _find_bad_targets),
    ("action: expected a position in the array of probabilities, from 0", _find_bad_action),
    (
        "action_propensities: expected a probability of each action, and logging_propensity of the one taken",
        _find_bad_action_propensities,
    ),
    ("target_propensity: expected [0, 1]", _find_bad_target),
    (f"logging_propensity: expected weights up to {LARGEST_SUMMABLE:,.0f}", _find_bad_weight),
    (f"reward: expected weight x reward up to {LARGEST_SUMMABLE:,.0f}", _find_bad_weighted_reward),
    (f"q_taken, q_target: expected numbers up to {LARGEST_SUMMABLE:,.0f}", _find_bad_model_values),
    ("q_target: expected a number", partial(_find_unread, "q_target")),
    ("user: expected a value", _find_bad_user),
    ("features: expected numbers", _find_bad_features),
)
"""The checks, in order; a row counts under its first fault only."""
