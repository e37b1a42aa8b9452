"""Checks of one line of a log: all reasons against it at once, an empty list for a valid line.

A reason never contains personal data (user, session, query, context), because it goes into tables
that everyone may read.

The checks refuse whatever the JSON Schemas refuse; a test compares the two. They also refuse
records whose parts contradict each other, which a schema cannot express: propensities that do not
add up, a plan that was not drawn, a page with gaps. They are written by hand: ingestion checks
every line, and a schema validator takes ten times as long.
"""

from __future__ import annotations

from typing import Any

from ltrr.artifacts.contradictions import block_contradictions, record_contradictions
from ltrr.artifacts.field_checks import check_each, check_fields, kind_of
from ltrr.artifacts.record_fields import (
    ACTION,
    BLOCK,
    DECISION,
    EVENT,
    FACTS,
    HISTORY,
    OPTIONAL_IN_BLOCK,
    OPTIONAL_IN_EVENT,
    OPTIONAL_IN_RECORD,
    RECORD,
    RESULT,
    SLATE_ROW,
)


def check_decision_record(record: Any) -> list[str]:
    """Reasons why this is not a decision record; empty if it is one.

    Each reason reads `<where>: expected <what>, got <what>`.

    >>> check_decision_record({"record_version": 3})[:1]
    ['record_version: expected 1 or 2, got 3']
    >>> check_decision_record("half a li")
    ['record: expected an object, got text']
    """
    # Parts are compared only if each of them is valid.
    record = without_later_keys(record)
    return check_form(record) or list(record_contradictions(record))


def without_later_keys(record: Any) -> Any:
    """A record of version 1 without the keys that version 2 added: there they are unknown keys.

    >>> without_later_keys({"record_version": 1, "shadow": False, "draws": [{"milliseconds": "1"}]})
    {'record_version': 1, 'draws': [{}]}
    """
    if not isinstance(record, dict) or record.get("record_version") != 1:
        return record
    kept = {key: value for key, value in record.items() if key not in ("shadow", "off_path")}
    for kind in ("looks", "draws"):
        if isinstance(kept.get(kind), list):
            kept[kind] = [
                {key: value for key, value in block.items() if key != "milliseconds"}
                if isinstance(block, dict)
                else block
                for block in kept[kind]
            ]
    return kept


def check_form(record: Any) -> list[str]:
    """Reasons of the kind that a schema finds, and times that do not exist."""
    reasons = check_fields(record, RECORD, "record", optional=OPTIONAL_IN_RECORD)
    if reasons:
        return reasons
    for kind in ("looks", "draws", "off_path"):
        reasons += _check_blocks(record.get(kind, []), kind)
    for place, decision in enumerate(record["decisions"]):
        reasons += _check_decision(decision, f"decisions[{place}]")
    if "shadow" in record:
        reasons += _check_decision(record["shadow"], "shadow")
    return reasons + check_each(record["slate"], SLATE_ROW, "slate")


def check_looks(looks: Any) -> list[str]:
    """Reasons why this is not the `looks` of a decision record.

    >>> check_looks([{"strategy": "title", "depth": 0, "status": "ok", "results": []}])
    ['looks[0].depth: expected an integer of at least 1, got 0']
    >>> check_looks({"title": []})
    ['looks: expected a list, got an object']
    """
    if not isinstance(looks, list):
        return [f"looks: expected a list, got {kind_of(looks)}"]
    return _check_blocks(looks, "looks") or list(block_contradictions(looks, "looks"))


def check_event(event: Any) -> list[str]:
    """Reasons why this is not an event; empty if it is one.

    >>> check_event({"event_id": "v1", "impression_id": "i1", "entity_id": "e1", "kind": "Click",
    ...              "at": "2026-03-02T12:00:00Z", "value": None})
    ["kind: expected lower-case letters, digits and _, got 'Click'"]
    """
    return check_fields(event, EVENT, "event", optional=OPTIONAL_IN_EVENT)


def _check_decision(decision: Any, where: str) -> list[str]:
    return check_fields(decision, DECISION, where) or (
        check_fields(decision["history"], HISTORY, f"{where}.history")
        + check_each(decision["shortlist"], ACTION, f"{where}.shortlist")
    )


def _check_blocks(blocks: list[Any], kind: str) -> list[str]:
    reasons = []
    for place, block in enumerate(blocks):
        where = f"{kind}[{place}]"
        reasons += check_fields(block, BLOCK, where, OPTIONAL_IN_BLOCK) or (
            check_each(block["results"], RESULT, f"{where}.results", optional=FACTS)
        )
    return reasons
