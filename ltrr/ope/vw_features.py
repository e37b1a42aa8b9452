"""Contexts of a dsjson record as namespaces of Vowpal Wabbit text, by VW's own rules.

An object is a namespace, whose name is its key. A number is a feature with a value; a text is a
feature whose name is key and text together; true is a feature of value 1. Keys that begin with `_`
are left out, except `_text`, whose words are features. In a list, objects belong to the namespace
of the list, and numbers are features named by their position. Zeros, false and null are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SEPARATORS = re.compile(r"[\s:|]")


def write_namespaces(context: Mapping[str, Any]) -> str:
    """The namespaces of an object.

    >>> write_namespaces({"User": {"age": 30, "_id": 7, "is new": True}, "place": "New York"})
    '|User age:30 is_new:1 | placeNew_York'
    >>> write_namespaces({"j": [{"type": "hot"}, {"Tags": {"x": 0.5, "y": 0}}, 2]})
    '|j typehot 0:2 |Tags x:0.5'
    """
    found: dict[str, list[str]] = {}
    for namespace, feature in _list_features("", context):
        found.setdefault(namespace, []).append(feature)
    # The unnamed namespace last: a name directly after `|` would be read as that of a namespace.
    named = sorted(found.items(), key=lambda pair: not pair[0])
    return " ".join(f"|{_clean(name)} {' '.join(features)}" for name, features in named)


def write_number(value: float) -> str:
    """A number as VW reads it."""
    return repr(value) if isinstance(value, int) else f"{value:.9g}"


def _list_features(namespace: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in fields.items():
        if key == "_text" and isinstance(value, str):
            yield from ((namespace, _clean(word)) for word in value.split())
        elif not key.startswith("_"):
            yield from _list_value(namespace, key, value)


def _list_value(namespace: str, key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield from _list_features(key, value)
    elif isinstance(value, list):
        numbers = 0
        for one in value:
            if isinstance(one, dict):
                yield from _list_features(key, one)
            elif isinstance(one, (int, float)) and not isinstance(one, bool):
                yield from [(key, f"{numbers}:{write_number(one)}")] if one else []
                numbers += 1
    elif isinstance(value, str):
        yield namespace, _clean(key + value)
    elif value:
        yield namespace, f"{_clean(key)}:{'1' if value is True else write_number(value)}"


def _clean(name: str) -> str:
    """The name without characters that separate features; VW replaces them in the same way."""
    return _SEPARATORS.sub("_", name)
