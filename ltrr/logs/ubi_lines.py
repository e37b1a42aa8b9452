"""User Behavior Insights (UBI) 1.2 and 1.3: documents of `ubi_queries` and `ubi_events`.

https://github.com/o19s/ubi has the JSON schemas. A query document is a search. Its page is what the
impression events of the same `query_id` say, or `query_response_hit_ids` where there are none
(`ltrr.logs.shown`). A query document whose `query_attributes` have the key `ltrr` carries a whole
decision record in it, as an object or as its JSON text: a service that writes UBI can log
propensities that way.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ltrr.logs.clocks import Clock, parse_time, to_contract_time
from ltrr.logs.line_format import Content, LineContext, LineFaultError, LineFormat, Record
from ltrr.logs.ubi_columns import OTHER_ACTION, read_columns

_SURFACE = "search"
_BULK_ACTIONS = ("index", "create")
# Larger positions do not fit their column.
_MOST_DIGITS = 9


def to_ubi_record(content: Content, context: LineContext) -> Record:
    """The search of a query document, or the event of an event document.

    Raises:
        LineFaultError: The document has neither a search nor an event that the settings use.
    """
    # An export of both indexes has every column in every row.
    return _to_event(content, context) if content.get("action_name") is not None else _to_search(content)


def to_structure(content: Content, _: LineContext) -> Record:
    """The action line of a bulk request: it announces the next line and has no data of its own.

    >>> to_structure({"index": {"_index": "ubi_queries"}}, LineContext()).kind
    'structure'
    """
    action = next(key for key in _BULK_ACTIONS if key in content)
    if len(content) > 1 or not isinstance(content[action], dict):
        raise LineFaultError("unknown_record", "neither the action line of a bulk request nor a record")
    return Record("structure", {})


def _to_search(content: Content) -> Record:
    clock = _time_of(content)
    attributes = content.get("query_attributes") or {}
    if isinstance(attributes, str) and attributes.lstrip().startswith("{"):
        attributes = json.loads(attributes)
    if isinstance(attributes, dict) and attributes.get("ltrr"):
        return _to_decision(content, clock, attributes["ltrr"])
    hits = _list_hits(content.get("query_response_hit_ids"))
    search = {
        "impression_id": _text(content, "query_id"),
        "at": to_contract_time(clock.at),
        "query_text": _text(content, "user_query", may_be_empty=True),
        "user": _optional_text(content, "user_id") or _optional_text(content, "client_id"),
        "session": _optional_text(content, "session_id"),
        "surface": _optional_text(content, "application") or _SURFACE,
        "first_position": _first_position(attributes),
        "entity_ids": [_id_text(hit, "query_response_hit_ids") for hit in hits],
    }
    return Record("search", search, clock.form)


def _list_hits(hits: Any) -> list[Any]:
    """Ids of the response; an export to CSV has them as JSON or separated by commas."""
    if isinstance(hits, str):
        is_json = hits.lstrip().startswith("[")
        hits = json.loads(hits) if is_json else [part.strip() for part in hits.split(",") if part.strip()]
    if hits is not None and not isinstance(hits, list):
        raise LineFaultError("wrong_value", f"query_response_hit_ids: expected a list, got a {type(hits).__name__}")
    return hits or []


def _to_decision(content: Content, clock: Clock, logged: Any) -> Record:
    record = json.loads(logged) if isinstance(logged, str) else logged
    if not isinstance(record, dict):
        raise LineFaultError("wrong_value", "query_attributes.ltrr: expected a decision record")
    return Record("decision", {**record, "impression_id": _text(content, "query_id")}, clock.form)


def _to_event(content: Content, context: LineContext) -> Record:
    action = _text(content, "action_name")
    kind = context.actions.get(action)
    if kind is None:
        raise LineFaultError(**OTHER_ACTION)
    clock = _time_of(content)
    attributes = content.get("event_attributes") or {}
    entity = attributes.get("object") or {}
    position = (attributes.get("position") or {}).get("ordinal")
    event = {
        "impression_id": _text(content, "query_id"),
        "entity_id": _id_text(entity.get("object_id"), "event_attributes.object.object_id"),
        "kind": kind,
        "at": to_contract_time(clock.at),
        "value": None,
        "position": _ordinal(position),
    }
    # UBI gives an event no id. Two equal documents are one event that was sent twice.
    own = (event["impression_id"], event["entity_id"], kind, _microseconds(clock.at), event["position"])
    people = (_optional_text(content, key) for key in ("client_id", "session_id", "user_id"))
    identity = "\x1f".join("" if part is None else str(part) for part in (*own, *people))
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    return Record("event", {**event, "event_id": f"ubi-{digest[:32]}"}, clock.form)


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _time_of(content: Content) -> Clock:
    if "timestamp" not in content:
        raise LineFaultError("missing_key", "timestamp: expected a time, got nothing")
    clock = parse_time(content["timestamp"])
    if clock is None:
        raise LineFaultError("bad_timestamp", "timestamp: expected ISO 8601 or a number since 1970, got another value")
    return clock


def _first_position(attributes: Any) -> int:
    """Position of the first hit of a page: `from` + 1 of the request, where the log has it."""
    start = attributes.get("from") if isinstance(attributes, dict) else None
    if start is None or not str(start).isdecimal() or isinstance(start, bool):
        return 1
    if len(str(start)) > _MOST_DIGITS:
        raise LineFaultError("bad_position", "query_attributes.from: expected a position, got a larger number")
    return int(str(start)) + 1


def _ordinal(value: Any) -> int | None:
    if value is None:
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if isinstance(value, bool) or not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise LineFaultError("bad_position", "event_attributes.position.ordinal: expected a whole number from 0 on")
    return int(text)


def _text(content: Content, key: str, *, may_be_empty: bool = False) -> str:
    value = content.get(key)
    if value is None or (value == "" and not may_be_empty):
        raise LineFaultError("missing_key", f"{key}: expected text, got nothing")
    if isinstance(value, bool | list | dict):
        raise LineFaultError("wrong_value", f"{key}: expected text, got a {type(value).__name__}")
    return str(value)


def _optional_text(content: Content, key: str) -> str:
    return _text(content, key, may_be_empty=True) if content.get(key) is not None else ""


def _id_text(value: Any, where: str) -> str:
    """An id as text: UBI allows numbers, and 7 and 7.0 are one id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        is_missing = value is None or value == ""
        got = "nothing" if is_missing else "another value"
        raise LineFaultError("missing_key" if is_missing else "wrong_value", f"{where}: expected an id, got {got}")
    return str(value)


UBI = LineFormat(
    "ubi",
    (frozenset({"user_query"}), frozenset({"action_name"}), frozenset({"query_id", "client_id"})),
    to_ubi_record,
    shown_keys=frozenset(
        {
            *("query_id", "user_query", "client_id", "action_name", "timestamp", "event_attributes", "application"),
            *("message_type", "query_response_id", "query_attributes", "object", "object_id", "object_id_field"),
            *("query_response_hit_ids", "ordinal", "session_id", "user_id"),
        }
    ),
    read_columns=read_columns,
)
BULK_REQUESTS = LineFormat("bulk request", tuple(frozenset({key}) for key in _BULK_ACTIONS), to_structure)
