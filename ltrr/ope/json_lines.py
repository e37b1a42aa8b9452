"""JSON objects, one a line: damage and repeated keys have reasons, and numbers keep their text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from ltrr.ope.byte_streams import Lines
from ltrr.ope.text_rows import decode, name_place

MALFORMED = "malformed JSON: cut off, or not JSON"
NOT_AN_OBJECT = "not a JSON object"
REPEATED = "a key occurs twice in one line"


class RepeatedKeyError(ValueError):
    """A key that is read occurs twice in one object, so its value is ambiguous."""


class _Repeating(dict[str, Any]):
    """An object with repeated keys.

    Attributes:
        repeated: The keys that occur more than once.
    """

    repeated: frozenset[str] = frozenset()


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    ambiguous = _Repeating(found)
    names = [name for name, _ in pairs]
    ambiguous.repeated = frozenset(name for name in found if names.count(name) > 1)
    return ambiguous


def _to_float(text: str) -> float | str:
    """The number; its text if a double cannot hold it."""
    value = float(text)
    return value if isfinite(value) else text


_DECODER = json.JSONDecoder(object_pairs_hook=_to_object, parse_float=_to_float, parse_constant=str)


def read_record(line: str) -> dict[str, Any] | str:
    """The object of a line, or the reason why the line has none.

    >>> read_record('{"a": 1, "b": [1e400, NaN]}')
    {'a': 1, 'b': ['1e400', 'NaN']}
    >>> read_record('{"a": 1, "b"'), read_record("[CHECKPOINT]"), read_record('{"a": 1, "a": 2}')
    ('malformed JSON: cut off, or not JSON', 'not a JSON object', 'a key occurs twice in one line')
    """
    try:
        record = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return NOT_AN_OBJECT if line.startswith("[") else MALFORMED
    if not isinstance(record, dict):
        return NOT_AN_OBJECT
    return REPEATED if isinstance(record, _Repeating) else record


def read_records(lines: Lines, name: str) -> Iterator[tuple[dict[str, Any] | str, str]]:
    """(object or reason, file and line) of every line that is not blank."""
    for number, text in enumerate(lines.text.split(b"\n")):
        line = decode(text).strip().strip("\x00")
        if line:
            yield read_record(line), name_place(name, lines, number)


def find_value(record: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as c.Geo.state; None if there is none.

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
    if isinstance(value, _Repeating):
        raise RepeatedKeyError(", ".join(sorted(value.repeated)))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        check_unrepeated(part)


def _get(record: Mapping[str, Any], key: str) -> Any:
    if isinstance(record, _Repeating) and key in record.repeated:
        raise RepeatedKeyError(key)
    return record.get(key)


def to_text(value: Any) -> str | None:
    """A value as text: a string as it is, anything else as JSON; None if null.

    >>> to_text("0,5"), to_text([0.75, 0.25]), to_text(True), to_text(None)
    ('0,5', '[0.75, 0.25]', 'true', None)
    """
    return value if value is None or isinstance(value, str) else json.dumps(value)
