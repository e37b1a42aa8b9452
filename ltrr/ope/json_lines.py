"""JSON objects, one a line: damage and repeated keys have reasons, and numbers keep their text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from typing import Any

from ltrr.logs.json_paths import Repeating, to_object
from ltrr.ope.byte_streams import Lines
from ltrr.ope.text_rows import decode, name_place

MALFORMED = "malformed JSON: cut off, or not JSON"
NOT_AN_OBJECT = "not a JSON object"
REPEATED = "a key occurs twice in one line"


def _to_float(text: str) -> float | str:
    """The number; its text if a double cannot hold it."""
    value = float(text)
    return value if isfinite(value) else text


_DECODER = json.JSONDecoder(object_pairs_hook=to_object, parse_float=_to_float, parse_constant=str)


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
    return REPEATED if isinstance(record, Repeating) else record


def read_records(lines: Lines, name: str) -> Iterator[tuple[dict[str, Any] | str, str]]:
    """(object or reason, file and line) of every line that is not blank."""
    for number, text in enumerate(lines.text.split(b"\n")):
        line = decode(text).strip().strip("\x00")
        if line:
            yield read_record(line), name_place(name, lines, number)
