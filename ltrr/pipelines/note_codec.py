"""Notes as text and back: checked against their declaration, as tables are against the catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ltrr.errors import SchemaError
from ltrr.pipelines.notes import JobNotes

Kind = TypeVar("Kind", bound=JobNotes)


def encode_notes(kind: Any, values: Mapping[str, object]) -> dict[str, str]:
    """Text of each note that is set; None sets nothing.

    Strings stay as they are, dates are ISO, floats have six significant digits, so that sums taken in another order
    give the same text; collections are JSON.

    Raises:
        SchemaError: unknown names and values of another type; all of them in one message.

    >>> from ltrr.pipelines.notes import IngestNotes, MemoryNotes
    >>> encode_notes(IngestNotes, {"lines": 3, "accepted_quality": {"clicks": "a holiday"}})
    {'lines': '3', 'accepted_quality': '{"clicks": "a holiday"}'}
    >>> encode_notes(MemoryNotes, {"memory_churn": 0.1 + 0.2, "first_open_week": date(2026, 3, 2)})
    {'memory_churn': '0.3', 'first_open_week': '2026-03-02'}
    >>> encode_notes(IngestNotes, {"lines": "3", "line": 3})
    Traceback (most recent call last):
    ltrr.errors.SchemaError: notes do not fit their declaration: ingest_logs: got lines: expected int, got '3'; \
line: no such note
    """
    types = _types(cast("Any", kind))
    faults = [fault for name, value in values.items() if (fault := _fault(types, name, value))]
    if faults:
        raise SchemaError("notes do not fit their declaration", which=kind.job, got="; ".join(faults))
    return {name: _encode(types[name], value) for name, value in values.items() if value is not None}


def decode_note(kind: Any, texts: Mapping[str, str], name: str) -> Any:
    """One note; its default where it was not set.

    Raises:
        SchemaError: the note has no default and was not set, or cannot be read.

    >>> from ltrr.pipelines.notes import HistoryNotes, IngestNotes
    >>> decode_note(IngestNotes, {"lines": "3"}, "lines"), decode_note(HistoryNotes, {}, "block_size")
    (3, None)
    """
    text = texts.get(name)
    if text is None:
        default = {field.name: field.default for field in fields(kind)}[name]
        if default is MISSING:
            raise SchemaError(
                "a note is missing", which=f"{kind.job}: {name}", todo=f"run `ltrr job {kind.job}` again for the date"
            )
        return default
    try:
        return _decode(_types(cast("Any", kind))[name], text)
    except (ValueError, ValidationError) as fault:
        raise SchemaError("a note cannot be read", which=f"{kind.job}: {name}", got=repr(text)[:80]) from fault


def decode_notes(kind: type[Kind], texts: Mapping[str, str]) -> Kind:
    """All notes of a run; keys that are not declared, which earlier versions wrote, are ignored.

    Raises:
        SchemaError: as `decode_note`.
    """
    return kind(**{field.name: decode_note(kind, texts, field.name) for field in fields(kind)})


def check_complete(kind: type[JobNotes], texts: Mapping[str, str]) -> None:
    """Check that a run has set every note that has no default.

    Raises:
        SchemaError: with all names that are missing.

    >>> from ltrr.pipelines.notes import IngestNotes
    >>> check_complete(IngestNotes, {"lines": "3"})
    Traceback (most recent call last):
    ltrr.errors.SchemaError: a job did not set all of its notes: ingest_logs: got no impressions
    """
    missing = [field.name for field in fields(kind) if field.default is MISSING and field.name not in texts]
    if missing:
        raise SchemaError("a job did not set all of its notes", which=kind.job, got=f"no {', '.join(missing)}")


@cache
def _types(kind: Any) -> dict[str, Any]:
    """Name of each note -> its type, without None."""
    hints = get_type_hints(kind)
    return {field.name: _without_none(hints[field.name]) for field in fields(kind)}


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    return hint


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


def _fault(types: Mapping[str, Any], name: str, value: object) -> str:
    if name not in types:
        return f"{name}: no such note"
    if value is None:
        return ""
    try:
        _adapter(types[name]).validate_python(value, strict=True)
    except ValidationError:
        return f"{name}: expected {getattr(types[name], '__name__', types[name])}, got {value!r}"
    return ""


def _encode(hint: Any, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if hint is float:
        return f"{value:.6g}"
    return json.dumps(_adapter(hint).dump_python(value, mode="json"), sort_keys=True)


def _decode(hint: Any, text: str) -> Any:
    if hint is str:
        return text
    if hint is date:
        return date.fromisoformat(text)
    if hint is float:
        return float(text)
    return _adapter(hint).validate_json(text)
