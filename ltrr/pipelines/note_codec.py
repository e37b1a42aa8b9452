"""Encoding of notes as text and back, with a check against their declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ltrr.errors import SchemaError
from ltrr.pipelines.notes import JobNotes, required_notes

Kind = TypeVar("Kind", bound=JobNotes)


def encode_notes(kind: Any, values: Mapping[str, object]) -> dict[str, str]:
    """Text of each note that is set; None sets nothing.

    Strings stay as they are, dates are ISO, and collections are JSON. Floats have six significant
    digits, so that sums in another order give the same text.

    Args:
        kind: Declaration of the job's notes.
        values: Name of a note -> value.

    Raises:
        SchemaError: The message lists all unknown names and all values of another type.

    >>> from ltrr.pipelines.notes import IngestNotes, MemoryNotes
    >>> encode_notes(IngestNotes, {"lines": 3, "accepted_quality": {"clicks": "a holiday"}})
    {'lines': '3', 'accepted_quality': '{"clicks": "a holiday"}'}
    >>> encode_notes(MemoryNotes, {"memory_churn": 0.1 + 0.2, "first_open_week": date(2026, 3, 2)})
    {'memory_churn': '0.3', 'first_open_week': '2026-03-02'}
    >>> encode_notes(IngestNotes, {"lines": "3", "line": 3})
    Traceback (most recent call last):
    ltrr.errors.SchemaError: notes do not fit their declaration: ingest_logs: got lines: \
expected int, got '3'; line: no such note
    """
    types = _types(kind)
    faults = [fault for name, value in values.items() if (fault := _fault(types, name, value))]
    if faults:
        raise SchemaError("notes do not fit their declaration", which=kind.job, got="; ".join(faults))
    return {name: _encode(types[name], value) for name, value in values.items() if value is not None}


def decode_note(kind: Any, texts: Mapping[str, str], name: str, day: date) -> Any:
    """One note of a committed run; the field's default if the run did not set it.

    Args:
        kind: Declaration of the job's notes.
        texts: Notes of the run as stored; those of a version that declared other notes are ignored.
        name: Name of the note.
        day: Date of the run, for the message.

    Raises:
        SchemaError: The run did not set a note without a default, or the text cannot be read.

    >>> from ltrr.pipelines.notes import BanditNotes, IngestNotes
    >>> day = date(2026, 3, 2)
    >>> decode_note(IngestNotes, {"lines": "3"}, "lines", day)
    3
    >>> decode_note(BanditNotes, {}, "decisions", day) is None
    True
    >>> decode_note(IngestNotes, {"lines": "3"}, "impressions", day)
    Traceback (most recent call last):
    ltrr.errors.SchemaError: required notes are missing: ingest_logs of 2026-03-02: impressions; \
run `ltrr job ingest_logs --date 2026-03-02` again
    """
    text = texts.get(name)
    if text is None:
        default = {field.name: field.default for field in fields(kind)}[name]
        if default is MISSING:
            raise _missing(kind, day, [name], f"run `ltrr job {kind.job} --date {day}` again")
        return default
    try:
        return _decode(_types(kind)[name], text)
    except (ValueError, ValidationError) as fault:
        which = f"{kind.job} of {day}: {name}"
        raise SchemaError("a note cannot be read", which=which, got=repr(text)[:80]) from fault


def check_complete(kind: type[JobNotes], texts: Mapping[str, str], day: date) -> None:
    """Check that a run has set every required note.

    Args:
        kind: Declaration of the job's notes.
        texts: Notes that the run has set.
        day: Date of the run, for the message.

    Raises:
        SchemaError: The message lists all required notes that are missing.

    >>> from ltrr.pipelines.notes import IngestNotes
    >>> check_complete(IngestNotes, {"lines": "3"}, date(2026, 3, 2))
    Traceback (most recent call last):
    ltrr.errors.SchemaError: required notes are missing: ingest_logs of 2026-03-02: impressions, \
with_propensities, query_key_version, shadow_decisions; set them in the job, or declare them as \
optional
    """
    missing = [name for name in required_notes(kind) if name not in texts]
    if missing:
        raise _missing(kind, day, missing, "set them in the job, or declare them as optional")


def _missing(kind: type[JobNotes], day: date, names: Sequence[str], todo: str) -> SchemaError:
    which = f"{kind.job} of {day}: {', '.join(names)}"
    return SchemaError("required notes are missing", which=which, todo=todo)


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
