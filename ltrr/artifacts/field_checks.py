"""Checks of the fields of one object in a log line.

Each reason reads `<where>: expected <what>, got <what>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltrr.artifacts.record_fields import Fields

_MAY_BE_SHOWN = frozenset(
    {
        "record_version",
        "at",
        "utc_offset_minutes",
        "served_by",
        "kind",
        "strategy",
        "depth",
        "status",
        "rank",
        "step",
        "decide",
        "observe",
        "floor",
        "n_actions",
        "propensity",
        "version_propensity",
        "position",
    }
)
"""Fields whose wrong value a reason may show; for other fields it names the kind of value."""


def check_fields(
    value: Any,
    fields: Fields,
    where: str,
    optional: Fields | None = None,
) -> list[str]:
    """Reasons against one object.

    Args:
        value: The value that should be the object.
        fields: Required fields.
        where: Place of the object in the line; a reason starts with it.
        optional: Fields that are checked only if the object has them.
    """
    if not isinstance(value, dict):
        return [f"{where}: expected an object, got {kind_of(value)}"]
    given = {name: test for name, test in (optional or {}).items() if name in value}
    prefix = "" if where in ("record", "event") else f"{where}."
    return [
        f"{prefix}{name}: expected {expected}, got {_given_text(value, name)}"
        for name, (test, expected) in ({**fields, **given} if given else fields).items()
        if name not in value or not test(value[name])
    ]


def check_each(values: list[Any], fields: Fields, where: str, optional: Fields | None = None) -> list[str]:
    """Reasons against each object of a list."""
    reasons = []
    for place, value in enumerate(values):
        reasons += check_fields(value, fields, f"{where}[{place}]", optional)
    return reasons


def _given_text(value: Mapping[str, Any], name: str) -> str:
    if name not in value:
        return "nothing"
    return short_text(value[name]) if name in _MAY_BE_SHOWN else kind_of(value[name])


def kind_of(value: Any) -> str:
    """The kind of a value, without the value itself."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    if isinstance(value, str):
        return "text" if value else "empty text"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else "a number"


def short_text(value: Any) -> str:
    """A value as text of at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
