"""Values within JSON objects, along paths such as c.Geo.state; repeated keys are noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class RepeatedKeyError(ValueError):
    """A key that is read occurs twice in one object, so its value is ambiguous."""


class Repeating(dict[str, Any]):
    """An object with repeated keys.

    Attributes:
        repeated: The keys that occur more than once.
    """

    repeated: frozenset[str] = frozenset()


def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values; a `Repeating` one if a key occurs twice."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    ambiguous = Repeating(found)
    names = [name for name, _ in pairs]
    ambiguous.repeated = frozenset(name for name in found if names.count(name) > 1)
    return ambiguous


def find_value(record: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as c.Geo.state or c.FromUrl.0.query; None if there is none.

    A key of the whole path has precedence.

    Raises:
        RepeatedKeyError: An object on the path has the key twice.

    >>> find_value({"c": {"Geo": {"state": "Ohio"}}, "c.x": 1}, "c.Geo.state")
    'Ohio'
    >>> find_value({"c": {"Geo": {"state": "Ohio"}}, "c.x": 1}, "c.x")
    1
    """
    if path in record:
        return _get(record, path)
    first, dot, rest = path.partition(".")
    below = _get(record, first) if dot else None
    if isinstance(below, list) and rest.partition(".")[0].isdigit():
        place, _, rest = rest.partition(".")
        below = below[int(place)] if int(place) < len(below) else None
        return find_value(below, rest) if rest and isinstance(below, dict) else below
    return find_value(below, rest) if isinstance(below, dict) else None


def check_unrepeated(value: Any) -> None:
    """Check that no object within a value has a key twice.

    Raises:
        RepeatedKeyError: There is one.
    """
    if isinstance(value, Repeating):
        raise RepeatedKeyError(", ".join(sorted(value.repeated)))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        check_unrepeated(part)


def to_text(value: Any) -> str | None:
    """A value as text: a string as it is, anything else as JSON; None if null.

    >>> to_text("0,5"), to_text([0.75, 0.25]), to_text(True), to_text(None)
    ('0,5', '[0.75, 0.25]', 'true', None)
    """
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _get(record: Mapping[str, Any], key: str) -> Any:
    if isinstance(record, Repeating) and key in record.repeated:
        raise RepeatedKeyError(key)
    return record.get(key)
