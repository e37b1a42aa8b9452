"""The part of JSON Schema (draft 2020-12) that the log contract uses.

An unknown keyword is an error.
"""

from __future__ import annotations

import re
from typing import Any

_REMARKS = {"$schema", "$id", "$defs", "title", "description"}


def _is_type(value: Any, name: str) -> bool:
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "integer":
        return _is_type(value, "number") and float(value).is_integer()
    return isinstance(value, {"object": dict, "array": list, "string": str, "null": type(None)}[name])


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, where: str = "$") -> list[str]:
    """Every place where the value does not follow the schema."""
    root = schema if root is None else root
    found: list[str] = []
    for keyword, rule in schema.items():
        if keyword in _REMARKS:
            continue
        if keyword == "$ref":
            target = root
            for part in rule.removeprefix("#/").split("/"):
                target = target[part]
            found += faults(value, target, root, where)
        elif keyword == "type":
            if not any(_is_type(value, name) for name in ([rule] if isinstance(rule, str) else rule)):
                found.append(f"{where}: not {rule}")
        elif keyword == "const":
            found += [f"{where}: not {rule}"] if isinstance(value, bool) or value != rule else []
        elif keyword == "enum":
            found += [f"{where}: none of {rule}"] if isinstance(value, bool) or value not in rule else []
        elif keyword == "required" and isinstance(value, dict):
            found += [f"{where}: no {name}" for name in rule if name not in value]
        elif keyword == "properties" and isinstance(value, dict):
            for name, inner in rule.items():
                found += faults(value[name], inner, root, f"{where}.{name}") if name in value else []
        elif keyword == "additionalProperties" and isinstance(value, dict):
            for name in set(value) - set(schema.get("properties", {})):
                found += faults(value[name], rule, root, f"{where}.{name}")
        elif keyword == "items" and isinstance(value, list):
            for place, entry in enumerate(value):
                found += faults(entry, rule, root, f"{where}[{place}]")
        elif keyword in _BOUNDS:
            kind, holds = _BOUNDS[keyword]
            if _is_type(value, kind) and not holds(value, rule):
                found.append(f"{where}: {keyword} {rule}")
        elif keyword not in {"required", "properties", "additionalProperties", "items"}:
            raise ValueError(f"keyword {keyword} is not known here")
    return found


_BOUNDS: dict[str, tuple[str, Any]] = {
    "minLength": ("string", lambda value, rule: len(value) >= rule),
    "pattern": ("string", lambda value, rule: re.search(rule, value) is not None),
    "minItems": ("array", lambda value, rule: len(value) >= rule),
    "maxItems": ("array", lambda value, rule: len(value) <= rule),
    "minimum": ("number", lambda value, rule: value >= rule),
    "maximum": ("number", lambda value, rule: value <= rule),
    "exclusiveMinimum": ("number", lambda value, rule: value > rule),
}
