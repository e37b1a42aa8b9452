"""Fields of decision records and events as columns: their Arrow types and valid values.

The columns say the same as `ltrr.artifacts.record_fields`, the definition, or less: a value that
they leave is checked there. To let columns read a further field, add it here and where its rows are
built (`ltrr.logs.record_nested`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.arrays import Bools
from ltrr.artifacts.decision_record import READ_VERSIONS, SERVED_BY
from ltrr.core.features import KNOWN_BEFORE_CHOOSING
from ltrr.core.planning import STATUSES
from ltrr.core.text_overlap import OVERLAPS
from ltrr.logs.column_lines import is_given, is_text
from ltrr.logs.nested_columns import LARGEST_INT, all_elements, are_numbers, lengths, to_floats


class Kind(NamedTuple):
    """A kind of field.

    Attributes:
        type: Arrow type by which the field is parsed.
        is_valid: Function of the column [M] to whether each value is valid, [M].
    """

    type: pa.DataType
    is_valid: Callable[[pa.Array], Bools]


Fields = Mapping[str, Kind]


def _integer(low: int, high: int) -> Kind:
    def is_valid(values: pa.Array) -> Bools:
        found = np.asarray(pc.fill_null(values, low - 1).to_numpy(zero_copy_only=False), dtype=np.int64)
        return (found >= low) & (found <= high)

    return Kind(pa.int64(), is_valid)


def _number(low: float, high: float, *, above: bool = False, otherwise: float = np.inf) -> Kind:
    """A number within bounds; `otherwise` stands for a missing one."""

    def is_valid(values: pa.Array) -> Bools:
        found = to_floats(values, otherwise)
        return are_numbers(found) & ((found > low) if above else (found >= low)) & (found <= high)

    return Kind(pa.float64(), is_valid)


def _one_of(values: Sequence[str]) -> Kind:
    def is_valid(column: pa.Array) -> Bools:
        return np.asarray(pc.is_in(column, pa.array(list(values), pa.string())).to_numpy(zero_copy_only=False), bool)

    return Kind(pa.string(), is_valid)


def _score(values: pa.Array) -> Bools:
    found = to_floats(values, np.inf)
    return are_numbers(found) | np.isnan(found)


def _are_finite(values: pa.Array) -> Bools:
    return are_numbers(to_floats(values, np.inf))


def _are_finite_or_null(values: pa.Array) -> Bools:
    return are_numbers(to_floats(values, 0.0))


def _numbers(values: pa.Array) -> Bools:
    return all_elements(values, _are_finite)


def _is_overlap(values: pa.Array) -> Bools:
    is_whole = all_elements(values, _are_finite_or_null) & (lengths(values) == len(OVERLAPS))
    return np.asarray(is_whole | ~is_given(values), dtype=bool)


TEXT = Kind(pa.string(), is_text)
_ANY_TEXT = Kind(pa.string(), is_given)
_COUNT = _integer(1, LARGEST_INT)
_SHARE = _number(0.0, 1.0)
_PROPENSITY = _number(0.0, 1.0, above=True)
SCORE = Kind(pa.float64(), _score)
"""A number, or NaN that `READ_AS` put in place of a null. A null here is a missing key."""
_FACT = _number(0.0, np.inf, otherwise=0.0)
_FLOATS = pa.list_(pa.float64())
_NUMBERS = Kind(_FLOATS, _numbers)
_MATRIX = Kind(pa.list_(_FLOATS), lambda values: all_elements(values, _numbers))
_NUMBERS_OR_NULLS = Kind(_FLOATS, lambda values: all_elements(values, _are_finite_or_null))
_OVERLAP = Kind(_FLOATS, _is_overlap)
_OBJECT = Kind(pa.struct([]), is_given)

READ_AS = tuple(
    (b'"%s":%snull' % (key, space), b'"%s":NaN' % key) for key in (b"score", b"value") for space in (b"", b" ")
)
"""Nulls that are values, so that Arrow shows them apart from missing keys."""

RESULT: Fields = {
    "entity_id": TEXT,
    "rank": _COUNT,
    "score": SCORE,
    "overlap": _OVERLAP,
    "clicks": _FACT,
    "examinations": _FACT,
}
BLOCK: Fields = {"strategy": TEXT, "depth": _COUNT, "status": _one_of(STATUSES), "milliseconds": _FACT}
ACTION: Fields = {"action": TEXT, "features": _NUMBERS, "propensity": _SHARE}
HISTORY: Fields = {"hit_rate": _MATRIX, "marginal_hit_rate": _MATRIX}
DECISION: Fields = {
    "step": _COUNT,
    "decide": _one_of(["plan"]),
    "observe": _one_of(list(KNOWN_BEFORE_CHOOSING)),
    "shared": _NUMBERS,
    "floor": _SHARE,
    "n_actions": _COUNT,
    "action_taken": TEXT,
    "taken_features": _NUMBERS,
    "propensity": _PROPENSITY,
}
SLATE_ROW: Fields = {"entity_id": TEXT, "position": _COUNT, "features": _NUMBERS_OR_NULLS}
RECORD: Fields = {
    "record_version": _integer(READ_VERSIONS[0], READ_VERSIONS[-1]),
    "ltrr_version": TEXT,
    "policy_version": TEXT,
    "memory_version": TEXT,
    "history_version": TEXT,
    "impression_id": TEXT,
    "at": TEXT,
    "utc_offset_minutes": _integer(-840, 840),
    "surface": TEXT,
    "query_text": _ANY_TEXT,
    "user": _ANY_TEXT,
    "session": TEXT,
    "context": _OBJECT,
    "served_by": _one_of(SERVED_BY),
    "version_propensity": _number(0.0, 1.0, above=True, otherwise=1.0),
}
EVENT: Fields = {
    "event_id": TEXT,
    "impression_id": TEXT,
    "entity_id": TEXT,
    "kind": TEXT,
    "at": TEXT,
    "value": SCORE,
    "position": Kind(pa.int64(), lambda values: np.ones(len(values), dtype=bool)),
}


def _struct(fields: Fields, **lists: pa.DataType) -> pa.StructType:
    return pa.struct([*((name, kind.type) for name, kind in fields.items()), *lists.items()])


_BLOCKS = pa.list_(_struct(BLOCK, results=pa.list_(_struct(RESULT))))
_DECISION = _struct(DECISION, history=_struct(HISTORY), shortlist=pa.list_(_struct(ACTION)))
DECISION_SCHEMA = pa.schema(
    _struct(
        RECORD,
        looks=_BLOCKS,
        decisions=pa.list_(_DECISION),
        shadow=_DECISION,
        draws=_BLOCKS,
        off_path=_BLOCKS,
        slate=pa.list_(_struct(SLATE_ROW)),
    )
)
EVENT_SCHEMA = pa.schema(_struct(EVENT))
