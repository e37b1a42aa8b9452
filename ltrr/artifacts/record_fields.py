"""Fields of a decision record and of an event: the check of each value, and its text in reasons."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from ltrr.artifacts.decision_record import READ_VERSIONS, SERVED_BY
from ltrr.core.features import KNOWN_BEFORE_CHOOSING
from ltrr.core.planning import STATUSES
from ltrr.core.text_overlap import OVERLAPS

Test = Callable[[Any], bool]
Fields = Mapping[str, tuple[Test, str]]
"""Name of a field -> whether a value is valid, and the valid values as text."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9_]*")

_NUMBER_TYPES = frozenset({int, float})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value >= 1


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_number_or_null(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_numbers(value: Any) -> bool:
    # Most values of a record are in such lists, so no Python function is called for each value.
    return isinstance(value, list) and _NUMBER_TYPES.issuperset(map(type, value)) and all(map(isfinite, value))


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_numbers, value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_time(value: Any) -> bool:
    if not (isinstance(value, str) and _TIME.fullmatch(value)):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _one_of(*values: str) -> tuple[Test, str]:
    return (lambda value: isinstance(value, str) and value in values), "one of " + ", ".join(values)


_TEXT = (_is_text, "text that is not empty")
_COUNT = (_is_count, "an integer of at least 1")
_SHARE = (_is_share, "a number from 0 to 1")
_PROPENSITY = (lambda value: _is_share(value) and value > 0, "a number above 0 and up to 1")
_NUMBERS = (_is_numbers, "a list of finite numbers")
_MATRIX = (_is_matrix, "a list of lists of finite numbers")
_LIST = (_is_list, "a list")
_INSTANT = (_is_time, "a UTC time such as 2026-03-02T12:00:00.123Z: Z or +00:00, and up to 9 digits after the point")
_SCORE = (_is_number_or_null, "a finite number or null")

RECORD: Fields = {
    "record_version": (
        lambda value: _is_number(value) and value in READ_VERSIONS,
        " or ".join(map(str, READ_VERSIONS)),
    ),
    "ltrr_version": _TEXT,
    "policy_version": _TEXT,
    "memory_version": _TEXT,
    "history_version": _TEXT,
    "impression_id": _TEXT,
    "at": _INSTANT,
    "utc_offset_minutes": (
        lambda value: _is_integer(value) and -840 <= value <= 840,
        "an integer from -840 to 840",
    ),
    "surface": _TEXT,
    "query_text": (lambda value: isinstance(value, str), "text"),
    "user": (lambda value: isinstance(value, str), "text"),
    "session": _TEXT,
    "context": (
        lambda value: isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values()),
        "an object of texts",
    ),
    "served_by": _one_of(*SERVED_BY),
    "looks": _LIST,
    "decisions": (lambda value: isinstance(value, list) and len(value) <= 1, "a list of at most one decision"),
    "draws": _LIST,
    "slate": _LIST,
}
OPTIONAL_IN_RECORD: Fields = {
    "version_propensity": _PROPENSITY,
    "shadow": (lambda value: isinstance(value, dict), "an object"),
    "off_path": _LIST,
}
"""Fields of a record whose service drew between two versions, asked a policy in shadow mode, or
fetched blocks off the request path."""
BLOCK: Fields = {"strategy": _TEXT, "depth": _COUNT, "status": _one_of(*STATUSES), "results": _LIST}
OPTIONAL_IN_BLOCK: Fields = {
    "milliseconds": (
        lambda value: value is None or (_is_number(value) and value >= 0),
        "a number of at least 0, or null",
    ),
}
RESULT: Fields = {"entity_id": _TEXT, "rank": _COUNT, "score": _SCORE}
FACTS: Fields = {
    "overlap": (
        lambda value: (
            isinstance(value, list)
            and len(value) == len(OVERLAPS)
            and _is_numbers([entry for entry in value if entry is not None])
        ),
        f"a list of {len(OVERLAPS)} finite numbers and nulls",
    ),
    "clicks": (lambda value: _is_number(value) and value >= 0, "a number of at least 0"),
    "examinations": (lambda value: _is_number(value) and value >= 0, "a number of at least 0"),
}
"""Optional fields of a result: facts of the entity that the service knows."""
DECISION: Fields = {
    "step": _COUNT,
    "decide": _one_of("plan"),
    "observe": _one_of(*KNOWN_BEFORE_CHOOSING),
    "shared": _NUMBERS,
    "history": (lambda value: isinstance(value, dict), "an object"),
    "shortlist": (lambda value: isinstance(value, list) and len(value) > 0, "a list that is not empty"),
    "floor": _SHARE,
    "n_actions": _COUNT,
    "action_taken": _TEXT,
    "taken_features": _NUMBERS,
    "propensity": _PROPENSITY,
}
HISTORY: Fields = {"hit_rate": _MATRIX, "marginal_hit_rate": _MATRIX}
ACTION: Fields = {"action": _TEXT, "features": _NUMBERS, "propensity": _SHARE}
SLATE_ROW: Fields = {
    "entity_id": _TEXT,
    "position": _COUNT,
    "features": (
        lambda value: isinstance(value, list) and _is_numbers([entry for entry in value if entry is not None]),
        "a list of finite numbers and nulls",
    ),
}
EVENT: Fields = {
    "event_id": _TEXT,
    "impression_id": _TEXT,
    "entity_id": _TEXT,
    "kind": (
        lambda value: isinstance(value, str) and _KIND.fullmatch(value) is not None,
        "lower-case letters, digits and _",
    ),
    "at": _INSTANT,
    "value": _SCORE,
}
OPTIONAL_IN_EVENT: Fields = {
    "position": (
        lambda value: value is None or (_is_integer(value) and 0 <= value < 10**9),
        "a whole number from 0 on, or null",
    ),
}
