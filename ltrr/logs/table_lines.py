"""Rows of any table as searches and events, by a mapping of its columns in a YAML file.

The mapping has a part `search`, a part `event`, or both. A part says which rows it takes (`where`)
and which column has each value. docs/how-to/bring-a-log.md has examples.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ltrr.errors import ConfigError
from ltrr.logs.clocks import parse_time, to_contract_time
from ltrr.logs.line_format import Content, LineContext, LineFaultError, LineFormat, Record

_SEARCH = ("impression_id", "at", "query_text", "user", "session", "surface", "entity_ids", "first_position")
_EVENT = ("impression_id", "at", "entity_id", "kind", "event_id", "position", "user")
_REQUIRED = {"search": ("impression_id", "at", "query_text"), "event": ("impression_id", "at", "entity_id", "kind")}
_FIELDS = {"search": _SEARCH, "event": _EVENT}


@dataclass(frozen=True)
class Source:
    """Origin of one value of a record.

    Attributes:
        column: Name of the column; a dot leads into an object. Empty for a constant.
        constant: The same text for every row.
        values: Text of the column -> text of the record; empty if the text stays.
    """

    column: str = ""
    constant: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def of(self, row: Content) -> Any:
        """The value of a row; None if the row has none, or one that `values` does not name."""
        if not self.column:
            return self.constant
        value = find_value(row, self.column)
        return self.values.get(_text(value)) if self.values and value is not None else value


@dataclass(frozen=True)
class Part:
    """Mapping of the rows of one kind.

    Attributes:
        sources: Name of a value -> its origin.
        where: Column -> texts of the rows that the part takes; empty for all rows.
    """

    sources: Mapping[str, Source]
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def takes(self, row: Content) -> bool:
        """Whether a row is of this kind."""
        return all(_text(find_value(row, column)) in texts for column, texts in self.where.items())

    def value(self, row: Content, name: str) -> Any:
        """A value of the record; None if the mapping or the row has none."""
        return self.sources[name].of(row) if name in self.sources else None


def read_mapping(path: Path) -> LineFormat:
    """The format that a mapping file declares.

    Raises:
        ConfigError: The file cannot be read, or the mapping has faults; all of them in one message.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        got = " ".join(str(fault).split())
        raise ConfigError("the mapping of a table cannot be read", which=str(path), got=got) from fault
    return table_format(given, str(path))


def table_format(given: Any, named: str) -> LineFormat:
    """The format of a mapping.

    >>> mapping = {"event": {"impression_id": "q", "at": "ts", "entity_id": "doc", "kind": "type"}}
    >>> row = {"q": "i1", "ts": 1772452807, "doc": 7, "type": "click"}
    >>> context = LineContext(actions={"click": "click"})
    >>> table_format(mapping, "my.yaml").convert(row, context).content["entity_id"]
    '7'
    >>> table_format({"search": {"at": 3, "text": "x"}}, "my.yaml")
    Traceback (most recent call last):
        ...
    ltrr.errors.ConfigError: the mapping of a table has faults: my.yaml: \
expected a part `search`, a part `event`, or both, with the columns of their values, \
got search.at: expected a column, {value: TEXT} or {column: NAME, values: {TEXT: TEXT}}; \
search.text: unknown, expected one of impression_id, at, query_text, user, session, surface, \
entity_ids, first_position; search: no impression_id, query_text

    Raises:
        ConfigError: The mapping has faults; all of them in one message.
    """
    faults: list[str] = []
    parts = _read_parts(given, faults)
    if faults:
        raise ConfigError(
            "the mapping of a table has faults",
            which=named,
            expected="a part `search`, a part `event`, or both, with the columns of their values",
            got="; ".join(faults),
        )
    return LineFormat("table", (frozenset(),), _converter(parts))


def _read_parts(given: Any, faults: list[str]) -> dict[str, Part]:
    if not isinstance(given, dict) or not given:
        faults.append("no part")
        return {}
    faults += [f"{name}: unknown part" for name in given if name not in _FIELDS]
    return {name: _read_part(name, part, faults) for name, part in given.items() if name in _FIELDS}


def _read_part(name: str, given: Any, faults: list[str]) -> Part:
    if not isinstance(given, dict):
        faults.append(f"{name}: expected names and columns")
        return Part({})
    sources, where = {}, {}
    for key, value in given.items():
        place = f"{name}.{key}"
        if key == "where":
            where = _read_where(place, value, faults)
        elif key not in _FIELDS[name]:
            faults.append(f"{place}: unknown, expected one of {', '.join(_FIELDS[name])}")
        elif (source := _read_source(value)) is None:
            faults.append(f"{place}: expected a column, {{value: TEXT}} or {{column: NAME, values: {{TEXT: TEXT}}}}")
        else:
            sources[key] = source
    missing = [key for key in _REQUIRED[name] if key not in given]
    if missing:
        faults.append(f"{name}: no {', '.join(missing)}")
    return Part(sources, where)


def _read_source(value: Any) -> Source | None:
    if isinstance(value, str) and value:
        return Source(column=value)
    if not isinstance(value, dict):
        return None
    if value.keys() == {"value"} and value["value"] is not None:
        return Source(constant=str(value["value"]))
    values = value.get("values", {})
    if value.keys() <= {"column", "values"} and isinstance(value.get("column"), str) and isinstance(values, dict):
        return Source(column=value["column"], values={_text(key): str(text) for key, text in values.items()})
    return None


def _read_where(place: str, value: Any, faults: list[str]) -> dict[str, frozenset[str]]:
    columns = value if isinstance(value, dict) else {}
    listed = {str(column): texts if isinstance(texts, list) else [texts] for column, texts in columns.items()}
    if not listed or any(isinstance(text, dict | list) for texts in listed.values() for text in texts):
        faults.append(f"{place}: expected columns with the texts of the rows to take")
        return {}
    return {column: frozenset(map(_text, texts)) for column, texts in listed.items()}


def _converter(parts: Mapping[str, Part]) -> Callable[[Content, LineContext], Record]:
    def convert(row: Content, context: LineContext) -> Record:
        name = next((name for name, part in parts.items() if part.takes(row)), None)
        if name is None:
            raise LineFaultError("other_action", "no part of the mapping takes the row")
        return _to_search(parts[name], row) if name == "search" else _to_event(parts[name], row, context)

    return convert


def _to_search(part: Part, row: Content) -> Record:
    at, form = _time(part, row)
    first = _whole(part.value(row, "first_position"), "first_position")
    search = {
        "impression_id": _required(part, row, "impression_id"),
        "at": at,
        "query_text": _text(part.value(row, "query_text")),
        "user": _text(part.value(row, "user")),
        "session": _text(part.value(row, "session")),
        "surface": _text(part.value(row, "surface")) or "search",
        "first_position": 1 if first is None else first,
        "entity_ids": _list_ids(part.value(row, "entity_ids")),
    }
    return Record("search", search, form)


def _to_event(part: Part, row: Content, context: LineContext) -> Record:
    action = _required(part, row, "kind", missing="other_action")
    kind = context.actions.get(action)
    if kind is None:
        raise LineFaultError("other_action", "kind: expected one of logs.actions, got another")
    at, form = _time(part, row)
    event = {
        "impression_id": _required(part, row, "impression_id"),
        "entity_id": _required(part, row, "entity_id"),
        "kind": kind,
        "at": at,
        "value": None,
        "position": _whole(part.value(row, "position"), "position"),
    }
    own = _text(part.value(row, "event_id"))
    identity = json.dumps((*event.values(), _text(part.value(row, "user"))))
    event["event_id"] = own or f"row-{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return Record("event", event, form)


def _time(part: Part, row: Content) -> tuple[str, str]:
    clock = parse_time(part.value(row, "at"))
    if clock is None:
        raise LineFaultError("bad_timestamp", "at: expected ISO 8601 or a number since 1970, got another value")
    return to_contract_time(clock.at), clock.form


def _required(part: Part, row: Content, name: str, missing: str = "missing_key") -> str:
    text = _text(part.value(row, name))
    if not text:
        raise LineFaultError(missing, f"{name}: expected text in its column, got nothing")
    return text


def _whole(value: Any, name: str) -> int | None:
    text = _text(value)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise LineFaultError("bad_position", f"{name}: expected a whole number from 0 on, got another value")
    return int(text)


def _list_ids(value: Any) -> list[str]:
    """Ids of a list of ids or of objects with `id`, of its JSON text, or separated by commas."""
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("[") else value.split(",")
    if value is not None and not isinstance(value, Sequence):
        raise LineFaultError("wrong_value", "entity_ids: expected a list, got another value")
    ids = (one.get("id") if isinstance(one, dict) else one for one in value or ())
    return [text for text in (_text(one).strip() for one in ids) if text]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise LineFaultError("wrong_value", "a column: expected text or a number, got another value")
    return str(value)


def find_value(row: Content, column: str) -> Any:
    """Value of a column, or within objects along the dots of its name; None if there is none.

    A list of objects with `name` and `value` counts as an object.

    >>> find_value({"a": {"b": 3}}, "a.b"), find_value({"a.b": 4}, "a.b"), find_value({}, "a.b")
    (3, 4, None)
    >>> find_value({"fields": [{"name": "query", "value": "socks"}]}, "fields.query")
    'socks'
    """
    if column in row:
        return row[column]
    head, dot, rest = column.partition(".")
    inside = row.get(head)
    if isinstance(inside, list):
        named = [one for one in inside if isinstance(one, dict) and "name" in one]
        inside = {str(one["name"]): one.get("value") for one in named}
    return find_value(inside, rest) if dot and isinstance(inside, dict) else None
