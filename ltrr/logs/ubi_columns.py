"""UBI documents without a fault as columns: the same rows as `ltrr.logs.ubi_lines`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.core.hashing import user_fold
from ltrr.core.queries import query_class
from ltrr.logs.clocks import MICROSECONDS, MILLISECONDS, NANOSECONDS, SECONDS, ZONED
from ltrr.logs.column_lines import (
    ESCAPED_LETTERS,
    ColumnRows,
    NightFacts,
    Parsed,
    column,
    hash_lines,
    hex_digits,
    is_given,
    is_text,
    map_distinct,
    parse_objects,
    struct_rows,
)
from ltrr.logs.column_times import LATEST, arrival_and_log_dates, find_dates, parse_times
from ltrr.logs.line_batch import LineBatch
from ltrr.logs.record_rows import cached_query_key

if TYPE_CHECKING:
    from ltrr.arrays import Bools, Longs

_ZONED = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$"
_UNITS = ((10**11, SECONDS, 1_000_000, 1), (10**14, MILLISECONDS, 1_000, 1), (10**17, MICROSECONDS, 1, 1))
# A document with one of these keys may be one of ltrr's own lines; `from` moves the page.
_KEYS = (b'"event_id"', b'"record_version"', b'"decisions"', b'"slate"', b'"draws"', b'"from"', b'"ltrr"')
# Letters that are written as escapes could be those of such a key, or hide a JSON text.
FOREIGN = (*_KEYS, *ESCAPED_LETTERS, b'query_attributes":"', b'query_attributes": "')
OTHER_ACTION = {"reason": "other_action", "detail": "action_name: expected one of logs.actions, got another"}
"""The reason against an action that the settings do not name."""
_LAYOUT = re.compile(rb'\s*\{\s*"(index|create)"\s*:\s*\{[^{}]*\}\s*\}\s*')


def _schema(time: pa.DataType, entity_id: pa.DataType) -> pa.Schema:
    text = pa.string()
    position = pa.struct([("ordinal", pa.int64())])
    attributes = pa.struct([("object", pa.struct([("object_id", entity_id)])), ("position", position)])
    texts = ("query_id", "user_query", "client_id", "user_id", "session_id", "application", "action_name")
    action_line = pa.struct([("_index", text)])
    return pa.schema(
        [
            *((name, text) for name in texts),
            ("timestamp", time),
            ("query_response_hit_ids", pa.list_(text)),
            ("event_attributes", attributes),
            ("index", action_line),
            ("create", action_line),
        ]
    )


_SCHEMAS = [_schema(time, entity_id) for entity_id in (pa.string(), pa.int64()) for time in (pa.string(), pa.int64())]
_TIME_IS_NUMBER = re.compile(rb'"timestamp"\s*:\s*\d')
_ID_IS_NUMBER = re.compile(rb'"object_id"\s*:\s*\d')


def _choose_schema(line: bytes) -> int:
    """Index of the schema that has the line's types of time and entity.

    >>> _choose_schema(b'{"timestamp": 1717527762025, "object_id": "7"}')
    1
    """
    return 2 * (_ID_IS_NUMBER.search(line) is not None) + (_TIME_IS_NUMBER.search(line) is not None)


def _choose_for_all(lines: LineBatch) -> int | None:
    """Index of the schema of all lines, or None if a line has a number as time or as entity."""
    return None if _TIME_IS_NUMBER.search(lines.together) or _ID_IS_NUMBER.search(lines.together) else 0


def read_columns(lines: LineBatch, reader: NightFacts, schema: pa.Schema) -> list[ColumnRows]:
    """Rows of the documents without a fault or a reason to be rejected, each kind by itself."""
    parts = parse_objects(lines, _SCHEMAS, _choose_schema, FOREIGN, choose_for_all=_choose_for_all)
    return [rows for part in parts for rows in _read_part(lines.pick(part.places), part, reader, schema)]


def _read_part(lines: LineBatch, part: Parsed, reader: NightFacts, schema: pa.Schema) -> Iterator[ColumnRows]:
    table = part.table
    at, clock, is_timed = _times(column(table, "timestamp"))
    is_event = is_text(column(table, "action_name"))
    is_layout = is_given(column(table, "index")) | is_given(column(table, "create"))
    has_search = is_text(column(table, "query_id"))
    day, is_dated, is_open = find_dates(at, reader)
    is_recent = is_dated & is_open
    if not reader.is_history:
        # The date of the impression decides whether an event is late.
        is_recent |= is_event & is_dated
    is_good = is_timed & has_search & is_recent & ~is_layout
    kinds = _kinds(column(table, "action_name"), reader)
    searches = is_good & ~is_given(column(table, "action_name")) & _are_searches(table)
    events = is_good & is_event & is_given(kinds) & _are_events(table, kinds, reader)
    for format_, is_chosen in (("search", searches), ("event", events)):
        chosen = np.flatnonzero(is_chosen)
        if len(chosen):
            taken = pa.array(chosen)
            rows = _Rows(table.take(taken), at[chosen], day[chosen], kinds.take(taken), reader, schema)
            nested = {"impression": rows.impressions()} if format_ == "search" else {"event": rows.events()}
            columns = _columns(lines.pick(chosen), format_) | {"clock": clock.take(taken)} | nested
            yield ColumnRows(part.places[chosen], columns)
    others = np.flatnonzero(is_event & ~is_layout & ~_are_known(column(table, "action_name"), reader))
    if len(others):
        reason = {name: pa.repeat(text, len(others)) for name, text in OTHER_ACTION.items()}
        yield ColumnRows(part.places[others], _columns(lines.pick(others), "foreign") | reason)
    layout = np.array([n for n in np.flatnonzero(is_layout).tolist() if _LAYOUT.fullmatch(lines[n])], dtype=np.int64)
    if len(layout):
        yield ColumnRows(part.places[layout], _columns(lines.pick(layout), "structure"))


def _columns(lines: LineBatch, format_: str) -> dict[str, pa.Array]:
    return {"line_hash": hash_lines(lines), "format": pa.repeat(format_, len(lines))}


def _times(values: pa.Array) -> tuple[Longs, pa.Array, Bools]:
    """Microseconds since 1970, form of the time, and whether a value is a time of a known form."""
    if pa.types.is_integer(values.type):
        return _times_of_numbers(values)
    at, is_timed = parse_times(values, _ZONED)
    return at, pa.repeat(ZONED, len(values)), is_timed


def _times_of_numbers(values: pa.Array) -> tuple[Longs, pa.Array, Bools]:
    numbers = np.asarray(pc.fill_null(values, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    at, form = numbers // 1_000, np.full(len(numbers), NANOSECONDS, dtype=object)
    for limit, name, factor, divisor in reversed(_UNITS):
        is_smaller = numbers < limit
        at = np.where(is_smaller, np.where(is_smaller, numbers, 0) * factor // divisor, at)
        form[is_smaller] = name
    return at, pa.array(form.tolist(), pa.string()), (numbers >= 0) & (numbers < 10**18) & (at < LATEST)


def _kinds(actions: pa.Array, reader: NightFacts) -> pa.Array:
    """Kind of event of each action; null if the settings do not name it or its kind."""
    settings = reader.settings
    known = {action: kind for action, kind in settings.actions.items() if kind in settings.kinds}
    return map_distinct(actions, known.get, pa.string())


def _are_known(actions: pa.Array, reader: NightFacts) -> Bools:
    """Whether the settings name each action."""
    named = map_distinct(actions, reader.settings.actions.__contains__, pa.bool_())
    return np.asarray(pc.fill_null(named, fill_value=False).to_numpy(zero_copy_only=False), dtype=bool)


def _are_searches(table: pa.Table) -> Bools:
    """Whether a document has the keys of a search that its conversion takes as they are."""
    hits = column(table, "query_response_hit_ids")
    flat = pc.list_flatten(hits)
    parents = pc.list_parent_indices(hits)
    is_bad = np.zeros(len(hits), dtype=bool)
    faulty = ~is_text(flat)
    is_bad[np.asarray(parents.to_numpy(zero_copy_only=False), dtype=np.int64)[faulty]] = True
    has_user = is_text(column(table, "user_id")) | is_text(column(table, "client_id"))
    return ~is_bad & is_given(column(table, "user_query")) & has_user


def _are_events(table: pa.Table, kinds: pa.Array, reader: NightFacts) -> Bools:
    """Whether a document has the keys of an event that its conversion takes as they are."""
    entity_id = column(table, "event_attributes", "object", "object_id")
    has_entity = is_given(entity_id) if pa.types.is_integer(entity_id.type) else is_text(entity_id)
    ordinal = column(table, "event_attributes", "position", "ordinal")
    numbers = np.asarray(pc.fill_null(ordinal, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    shows = pc.fill_null(pc.is_in(kinds, pa.array(reader.settings.shown_kinds, pa.string())), fill_value=False)
    has_place = is_given(ordinal) | ~np.asarray(shows.to_numpy(zero_copy_only=False), dtype=bool)
    is_small = (numbers >= 0) & (numbers < 10**9)
    return np.asarray(has_entity & has_place & is_small, dtype=bool)


class _Rows:
    """Builder of the nested rows of some searches, or of some events.

    Args:
        table: Documents, [N].
        at: Time in microseconds since 1970, [N].
        day: Date in days since 1970, [N].
        kinds: Kind of event of each event, [N].
        reader: Reader of the night.
        schema: Arrow schema of the parsed rows.
    """

    def __init__(
        self, table: pa.Table, at: Longs, day: Longs, kinds: pa.Array, reader: NightFacts, schema: pa.Schema
    ) -> None:
        self.table, self.kinds, self.reader, self.schema = table, kinds, reader, schema
        self.stamps = pa.array(at, pa.int64()).cast(pa.timestamp("us", "UTC"))
        self.micros = pa.array(at, pa.int64())
        self.arrival_date, self.log_date = arrival_and_log_dates(day, reader)

    def text(self, name: str) -> pa.Array:
        return pc.fill_null(column(self.table, name), "")

    def events(self) -> pa.Array:
        """Structures of events."""
        entity_id = column(self.table, "event_attributes", "object", "object_id").cast(pa.string())
        position = column(self.table, "event_attributes", "position", "ordinal")
        given = {"impression_id": self.text("query_id"), "entity_id": entity_id, "kind": self.kinds}
        parts = [
            *given.values(),
            self.micros.cast(pa.string()),
            pc.fill_null(position.cast(pa.string()), ""),
            *(self.text(name) for name in ("client_id", "session_id", "user_id")),
        ]
        joined = pc.binary_join_element_wise(*parts, "\x1f").cast(pa.binary())
        hashes = b"".join([hashlib.sha256(text).digest()[:16] for text in joined.to_pylist()])
        event_id = pc.binary_join_element_wise("ubi-", hex_digits(hashes, 16), "")
        given |= {"event_id": event_id, "at": self.stamps, "position": position}
        return self._struct("event", {**given, "arrival_date": self.arrival_date})

    def impressions(self) -> pa.Array:
        """Structures of searches."""
        user_id, client_id = self.text("user_id"), self.text("client_id")
        users = pc.if_else(pc.equal(user_id, ""), client_id, user_id)
        user_key = map_distinct(users, self.reader.pseudonyms.user, pa.string())
        session = self.text("session_id")
        named = pc.if_else(pc.equal(session, ""), pa.scalar(None, pa.string()), session)
        surface = self.text("application")
        query_text = self.text("user_query")
        query_key = map_distinct(query_text, self._query_key, pa.string())
        rows = len(self.table)
        given = {
            "impression_id": self.text("query_id"),
            "at": self.stamps,
            "log_date": self.log_date,
            "arrival_date": self.arrival_date,
            "query_text": query_text,
            "query_key": query_key,
            "query_class": map_distinct(query_key, query_class, pa.string()),
            "user_key": user_key,
            "user_fold": map_distinct(user_key, user_fold, pa.int32()),
            "session_key": map_distinct(named, self.reader.pseudonyms.session, pa.string()),
            "surface": pc.if_else(pc.equal(surface, ""), "search", surface),
            "context": pa.MapArray.from_arrays([0] * (rows + 1), *(pa.nulls(0, pa.string()) for _ in range(2))),
            "served_by": pa.repeat("static", rows),
            "pages": self._pages(),
        }
        return self._struct("impression", given)

    def _query_key(self, text: str) -> str:
        return cached_query_key(text, self.reader.key_version)

    def _pages(self) -> pa.Array:
        hits = column(self.table, "query_response_hit_ids")
        has_page = np.asarray(pc.fill_null(pc.greater(pc.list_value_length(hits), 0), fill_value=False))
        page = {"at": self.stamps, "first_position": pa.array(np.ones(len(hits), dtype=np.int32)), "entity_ids": hits}
        pages = pa.StructArray.from_arrays(list(page.values()), names=list(page))
        offsets = np.concatenate([[0], np.cumsum(has_page)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pages.filter(pa.array(has_page)))

    def _struct(self, name: str, given: dict[str, pa.Array]) -> pa.Array:
        return struct_rows(self.schema.field(name).type, given, len(self.table))
