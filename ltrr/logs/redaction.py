"""Redaction: excerpts show the shape of a rejected line, never a logged value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ltrr.artifacts.decision_record import schema
from ltrr.logs.formats import FORMATS

EXCERPT_LENGTH = 240
# Enough characters to fill the excerpt after masking; a broken line can have a gigabyte.
_MAX_READ = 4_000


def _list_properties(schema: Any) -> set[str]:
    """Every property that a JSON Schema names."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = set(schema.get("properties", ())) if isinstance(schema, dict) else set()
    return own.union(*map(_list_properties, inner))


# Excerpts show only the keys of known formats: a broken line can have a user id in the place of a
# key.
KNOWN_KEYS = (
    _list_properties(schema("decision_record"))
    | _list_properties(schema("event"))
    | {key for format_ in FORMATS for key in format_.shown_keys}
)

_TOKEN = re.compile(
    r"""
    (?P<text>"(?:[^"\\]|\\.)*+"?)(?P<colon>\s*:)?   # a string, closed or cut off
    | (?P<literal>\b(?:true|false|null)\b)
    | (?P<structure>[{}\[\]:,])
    | (?P<space>\s+)
    | (?P<other>[^{}\[\]:,\s"]+)                    # numbers, and anything else
    """,
    re.VERBOSE | re.DOTALL,
)


def redact(line: str) -> str:
    """Start of a line with every value masked; the structure and the keys of known formats stay.

    >>> redact('{"user": "u-17", "at": 12.5, "slate": [{"entity_id": "e1"}], "u-17": true}')
    '{"user":"*","at":*,"slate":[{"entity_id":"*"}],"*":true}'
    >>> redact('{"impression_id": "i1", "user": "u-1')
    '{"impression_id":"*","user":"*'
    >>> redact("u-17 was here"), redact("")
    ('***', '')
    """
    masked = ""
    for token in _TOKEN.finditer(line[:_MAX_READ]):
        masked += _mask(token)
        if len(masked) > EXCERPT_LENGTH:
            return masked[: EXCERPT_LENGTH - 3] + "..."
    return masked


# The tokens of a line without a backslash: keys and literals stay, values become stars.
_SHAPE = re.compile(
    r"""
    ( "[^"]*"\s*: | \b(?:true|false|null)\b )
    | (") [^"]* (")
    | [^{}\[\]:,\s"]+
    """,
    re.VERBOSE,
)


def redact_all(lines: Iterable[str]) -> list[str]:
    """`redact` of each line. Lines of one shape, such as those of one tracker, are masked once.

    >>> redact_all(['{"user": "u-1"}', '{"user": "u-2"}', '{"user": 3}'])
    ['{"user":"*"}', '{"user":"*"}', '{"user":*}']
    """
    of_shape: dict[str, str] = {}
    masked = []
    for line in lines:
        if "\\" in line or len(line) > _MAX_READ:
            masked.append(redact(line))
            continue
        shape = _SHAPE.sub(r"\1\2*\3", line)
        if shape not in of_shape:
            of_shape[shape] = redact(line)
        masked.append(of_shape[shape])
    return masked


def _mask(token: re.Match[str]) -> str:
    kind = token.lastgroup
    if kind == "structure" or kind == "literal":
        return token[0]
    if kind == "space":
        return ""
    if kind == "other":
        return "*"
    text = token["text"]
    colon = ":" if kind == "colon" else ""
    if colon and text[1:-1] in KNOWN_KEYS:
        return f"{text}:"
    return f'"*"{colon}' if len(text) > 1 and text[-1] == '"' else f'"*{colon}'
