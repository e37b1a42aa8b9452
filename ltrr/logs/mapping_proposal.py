"""Proposal of a mapping for lines of no known format, from the names and texts of their columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from ltrr.logs.clocks import parse_time
from ltrr.logs.table_lines import find_value

# Value of a record -> words of a column's name, the best first. A column is proposed once.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "impression_id": ("impression_id", "fusion_query_id", "query_id", "search_id", "request_id", "qid", "ranking"),
    "query_text": ("query_text", "user_query", "search_query", "search_term", "keywords", "query", "term", "q"),
    "entity_ids": ("entity_ids", "doc_ids", "result_ids", "hit_ids", "results", "hits", "items"),
    "entity_id": ("entity_id", "object_id", "doc_id", "document_id", "item_id", "product_id", "item", "sku", "asin"),
    "kind": ("kind", "event_type", "action_name", "action", "type", "event"),
    "at": ("at", "timestamp", "event_time", "created_at", "time", "ts", "date"),
    "position": ("position", "ordinal", "rank", "pos", "res_pos"),
    "session": ("session_id", "session", "sid"),
    "user": ("user_id", "user", "client_id", "visitor_id", "customer_id", "uid"),
}
_SEARCH = ("impression_id", "at", "query_text", "user", "session", "entity_ids")
_EVENT = ("impression_id", "at", "entity_id", "kind", "position")
_ACTIONS = {
    "click": "click",
    "cart": "add_to_cart",
    "purchase": "purchase",
    "order": "purchase",
    "impression": "impression",
}
_IS_SEARCH = re.compile(r"search|query|response|ranking|request", re.IGNORECASE)
_LARGEST_SET = 20


def propose_mapping(lines: Iterable[bytes]) -> str:
    """YAML text of a mapping to start from; empty if the lines have no names that ltrr knows.

    >>> rows = [b'{"qid": "a", "q": "tv", "ts": 1772452800, "items": ["x"], "type": "search"}',
    ...         b'{"qid": "a", "ts": 1772452807, "doc_id": "x", "type": "click", "rank": 1}']
    >>> print(propose_mapping(rows), end="")
    search:
      where:
        type: search
      impression_id: qid
      at: ts
      query_text: q
      entity_ids: items
    event:
      where:
        type: click
      impression_id: qid
      at: ts
      entity_id: doc_id
      kind:
        column: type
        values:
          click: click
      position: rank
    """
    rows = [row for row in map(_parse, lines) if row is not None]
    columns = _choose_columns(rows)
    parts: dict[str, Any] = {}
    if "query_text" in columns and "impression_id" in columns:
        parts["search"] = {name: columns[name] for name in _SEARCH if name in columns}
    if "entity_id" in columns and "impression_id" in columns:
        parts["event"] = {name: columns[name] for name in _EVENT if name in columns}
    if "kind" in columns:
        _split_by_kind(parts, columns["kind"], rows)
    return yaml.safe_dump(parts, sort_keys=False, allow_unicode=True) if parts else ""


def _parse(line: bytes) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _choose_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Value of a record -> column, each column once."""
    names = sorted({name for row in rows for name in _list_columns(row)})
    free = set(names)
    chosen: dict[str, str] = {}
    for value, words in _WORDS.items():
        found = [name for word in words for name in names if name in free and _plain(name) == word]
        if value == "at":
            found = [name for name in found if _has_times(rows, name)]
        if found:
            chosen[value] = found[0]
            free.discard(found[0])
    return chosen


def _list_columns(row: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in row.items():
        names.append(f"{prefix}{key}")
        if isinstance(value, dict):
            names += _list_columns(value, f"{prefix}{key}.")
    return names


def _plain(name: str) -> str:
    """Name of a column without its objects and the types that Solr adds, in lower case."""
    last = name.rpartition(".")[2].lower().lstrip("@")
    return re.sub(r"_(s|ss|t|i|l|d|dt|tdt|txt|en)$", "", last)


def _has_times(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [value for value in (find_value(row, name) for row in rows) if value is not None]
    return bool(values) and all(parse_time(value) for value in values)


def _split_by_kind(parts: dict[str, Any], column: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Say by the kind of a row whether it is a search or an event, if its texts are few."""
    texts = sorted({str(value) for value in (find_value(row, column) for row in rows) if isinstance(value, str)})
    if not 0 < len(texts) <= _LARGEST_SET:
        return
    actions = {
        text: next(kind for word, kind in _ACTIONS.items() if word in text.lower())
        for text in texts
        if any(word in text.lower() for word in _ACTIONS)
    }
    searches = [text for text in texts if text not in actions and _IS_SEARCH.search(text)]
    if "search" in parts and searches:
        parts["search"] = {"where": {column: _one(searches)}, **parts["search"]}
    if "event" in parts and actions:
        given = {"where": {column: _one(list(actions))}, **parts["event"]}
        parts["event"] = {**given, "kind": {"column": column, "values": actions}}


def _one(texts: list[str]) -> Any:
    return texts[0] if len(texts) == 1 else texts
