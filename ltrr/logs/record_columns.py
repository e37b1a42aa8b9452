"""ltrr's own lines without a fault as columns: the rows of decision records and events."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.arrays import Bools, Longs
from ltrr.artifacts.record_fields import EVENT as EVENT_FIELDS
from ltrr.core.hashing import user_fold
from ltrr.core.queries import query_class
from ltrr.logs.column_lines import (
    ESCAPED_LETTERS,
    ColumnRows,
    NightFacts,
    Parsed,
    hash_lines,
    is_given,
    map_distinct,
    parse_objects,
    struct_rows,
)
from ltrr.logs.column_times import arrival_and_log_dates, find_dates, parse_times
from ltrr.logs.line_batch import LineBatch
from ltrr.logs.nested_columns import Level, parents
from ltrr.logs.record_conditions import Levels, has_good_fields, has_no_contradiction
from ltrr.logs.record_nested import NestedRows
from ltrr.logs.record_rows import cached_query_key
from ltrr.logs.record_schema import DECISION_SCHEMA, EVENT, EVENT_SCHEMA, READ_AS

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)$"
_CONTEXT_KEY = b'"context"'
_CONTEXT = re.compile(_CONTEXT_KEY + rb"\s*:\s*(\{[^{}]*\})")
_OF_DECISIONS = (b'"record_version"', b'"decisions"', b'"slate"', b'"draws"')
_OF_EVENTS = b'"event_id"'
_NULLS_OF_EVENTS = (b'"position":null', b'"position": null')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_POSITION = 10**9


def read_columns(lines: LineBatch, reader: NightFacts, schema: pa.Schema) -> list[ColumnRows]:
    """Rows of the decision records and events that have no fault and no reason to be rejected."""
    if not any(map(lines.holds, (*_OF_DECISIONS, _OF_EVENTS))):
        return []
    found = []
    schemas = (DECISION_SCHEMA, EVENT_SCHEMA)
    for part in parse_objects(lines, schemas, _choose_schema, ESCAPED_LETTERS, READ_AS, _choose_for_all):
        read = _read_decisions if part.table.schema.names == DECISION_SCHEMA.names else _read_events
        found.append(read(lines.pick(part.places), part, reader, schema))
    return [rows for rows in found if len(rows.places)]


def _choose_schema(line: bytes) -> int:
    """0 for a decision record, 1 for an event, -1 for another line.

    >>> list(map(_choose_schema, (b'{"record_version": 1}', b'{"event_id": "v"}', b"{}")))
    [0, 1, -1]
    """
    if any(key in line for key in _OF_DECISIONS):
        return 0
    return 1 if _OF_EVENTS in line else -1


def _choose_for_all(lines: LineBatch) -> int | None:
    """Index of the schema of all lines, or None if they differ, for all that is known."""
    if any(map(lines.holds, _OF_DECISIONS)):
        return None
    # A line without the key is left, because an event needs an id.
    return 1 if lines.total(_OF_EVENTS) >= len(lines) else None


def _read_decisions(lines: LineBatch, part: Parsed, reader: NightFacts, schema: pa.Schema) -> ColumnRows:
    records = _struct_array(part.table)
    levels = Levels(Level.of(records))
    at, is_time = parse_times(records.field("at"), _TIME)
    _, is_dated, is_open = find_dates(at, reader)
    contexts = _context_texts(lines)
    has_context = np.array([text is not None and _parse_context(text) is not None for text in contexts], dtype=bool)
    is_good = is_time & is_dated & is_open & has_context & has_good_fields(levels)
    nulls = _null_elements(levels), _null_scores(levels)
    is_good &= ~_has_later_keys(levels) & _has_no_further_null(lines, *nulls, _NULL_VALUES)
    chosen = np.flatnonzero(is_good)
    levels = _only(levels, chosen)
    agree = has_no_contradiction(levels, reader.strategies)
    chosen, levels = chosen[agree], _only(levels, np.flatnonzero(agree))
    kept = lines.pick(chosen)
    context = _contexts([contexts[n] or b"" for n in chosen.tolist()])
    columns = {
        "line_hash": hash_lines(kept),
        "format": pa.repeat("decision", len(kept)),
        "impression": _impressions(levels.records, at[chosen], context, reader, schema),
        **NestedRows(levels, schema).columns(),
    }
    return ColumnRows(part.places[chosen], columns)


def _struct_array(table: pa.Table) -> pa.StructArray:
    columns = [column.combine_chunks() for column in table.columns]
    return pa.StructArray.from_arrays(columns, fields=list(table.schema))


def _only(levels: Levels, places: Longs) -> Levels:
    """The records at these places."""
    records = levels.records
    return levels if len(places) == len(records) else Levels(Level.of(records.values.take(pa.array(places))))


def _null_elements(levels: Levels) -> Longs:
    """Number of nulls that are elements of lists, in each record."""
    counts = np.zeros(len(levels.records), dtype=np.int64)
    for level, name in ((levels.slate, "features"), *((results, "overlap") for results in levels.results)):
        lists = level.field(name)
        nulls = np.asarray(lists.flatten().is_null().to_numpy(zero_copy_only=False), dtype=bool)
        counts += np.bincount(level.record[parents(lists)[nulls]], minlength=len(counts))
    return counts


def _null_scores(levels: Levels) -> Longs:
    """Number of scores of each record that are null, which `READ_AS` shows as NaN."""
    counts = np.zeros(len(levels.records), dtype=np.int64)
    for results in levels.results:
        is_null = np.asarray(pc.fill_null(pc.is_nan(results.field("score")), fill_value=False))
        counts += np.bincount(results.record[is_null], minlength=len(counts))
    return counts


def _has_later_keys(levels: Levels) -> Bools:
    """Whether each record of version 1 has keys that are unknown keys there, [N]."""
    has_keys = levels.has_shadow | is_given(levels.records.field("off_path"))
    for blocks in levels.blocks:
        has_keys[blocks.record[is_given(blocks.field("milliseconds"))]] = True
    is_old = pc.fill_null(pc.equal(levels.records.field("record_version"), 1), fill_value=True)
    return np.asarray(has_keys & np.asarray(is_old.to_numpy(zero_copy_only=False)), dtype=bool)


def _has_no_further_null(lines: LineBatch, elements: Longs, found: Longs, values: Sequence[bytes]) -> Bools:
    """Whether each line has no null but elements of lists and values that may be null, [N].

    Arrow shows a null and a missing key alike. If a record has no other nulls than these, a key
    without a value is missing.

    Args:
        lines: Lines, [N].
        elements: Number of nulls that Arrow found as elements of lists, [N].
        found: Number of nulls that Arrow found as values, [N].
        values: Texts of keys with a null that is a value.
    """
    # No line has fewer nulls than these, so equal totals mean that each line has as many.
    if lines.total(b"null") == int(elements.sum() + found.sum()):
        return np.ones(len(lines), dtype=bool)
    return np.asarray(lines.counts(b"null") == elements + lines.counts(*values), dtype=bool)


_NULL_VALUES = (
    *(text for text, _ in READ_AS if b'"score"' in text),
    # Milliseconds that are null are the same as none.
    *(b'"milliseconds":%snull' % space for space in (b"", b" ")),
)


def _context_texts(lines: LineBatch) -> list[bytes | None]:
    """Text of the context of each record; None if it is not certain which object it is."""
    found = [_CONTEXT.search(line) for line in lines]
    texts = [None if one is None else one[1] for one in found]
    if None not in texts and lines.total(_CONTEXT_KEY) == len(lines):
        return texts
    return [text if line.count(_CONTEXT_KEY) == 1 else None for text, line in zip(texts, lines, strict=True)]


@lru_cache(maxsize=65_536)
def _parse_context(text: bytes) -> tuple[tuple[str, str], ...] | None:
    """Names and texts of a context, sorted by name; None if it has anything else.

    >>> _parse_context(b'{"device": "phone"}'), _parse_context(b'{"a": 1}')
    ((('device', 'phone'),), None)
    """
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except ValueError:
        return None
    is_plain = all(isinstance(value, str) for _, value in pairs) and len(dict(pairs)) == len(pairs)
    return tuple(sorted(pairs)) if is_plain else None


def _contexts(texts: list[bytes]) -> pa.Array:
    encoded = pa.array(texts, pa.binary()).dictionary_encode()
    distinct = [list(_parse_context(text) or ()) for text in encoded.dictionary.to_pylist()]
    return pa.array(distinct, pa.map_(pa.string(), pa.string())).take(encoded.indices)


def _impressions(records: Level, at: Longs, context: pa.Array, reader: NightFacts, schema: pa.Schema) -> pa.Array:
    arrival_date, log_date = arrival_and_log_dates(np.floor_divide(at, _DAY), reader)
    query_key = map_distinct(
        records.field("query_text"), lambda text: cached_query_key(text, reader.key_version), _TEXT
    )
    user_key = _user_keys(records, reader)
    same = ("impression_id", "query_text", "surface", "utc_offset_minutes", "served_by")
    versions = ("policy_version", "memory_version", "history_version")
    given = {
        **{name: records.field(name) for name in (*same, *versions)},
        "at": pa.array(at, pa.int64()).cast(pa.timestamp("us", "UTC")),
        "log_date": log_date,
        "arrival_date": arrival_date,
        "query_key": query_key,
        "query_class": map_distinct(query_key, query_class, _TEXT),
        "user_key": user_key,
        "user_fold": map_distinct(user_key, user_fold, pa.int32()),
        "session_key": map_distinct(records.field("session"), reader.pseudonyms.session, _TEXT),
        "context": context,
        "version_propensity": pc.fill_null(records.field("version_propensity"), 1.0),
    }
    return struct_rows(schema.field("impression").type, given, len(records))


_TEXT = pa.string()
_DAY = 86_400_000_000


def _user_keys(records: Level, reader: NightFacts) -> pa.Array:
    """Keys of the users; a search without a user has that of its session, which a record has."""
    has_user = pc.not_equal(records.field("user"), "")
    none = pa.scalar(None, _TEXT)
    keys = map_distinct(pc.if_else(has_user, records.field("user"), none), reader.pseudonyms.user, _TEXT)
    sessions = pc.if_else(has_user, none, records.field("session"))
    return pc.coalesce(keys, map_distinct(sessions, reader.pseudonyms.session, _TEXT))


def _read_events(lines: LineBatch, part: Parsed, reader: NightFacts, schema: pa.Schema) -> ColumnRows:
    events = Level.of(_struct_array(part.table))
    is_good = _are_good_events(events, reader)
    at, is_time = parse_times(events.field("at"), _TIME)
    day, is_dated, is_open = find_dates(at, reader)
    # The date of the impression decides whether an event is late.
    is_good &= is_time & is_dated & (is_open if reader.is_history else True)
    found = np.asarray(pc.fill_null(pc.is_nan(events.field("value")), fill_value=False)).astype(np.int64)
    no_element = np.zeros(len(lines), dtype=np.int64)
    is_good &= _has_no_further_null(lines, no_element, found, (*_NULLS_OF_EVENTS, *_VALUES, *_NULL_VALUES))
    chosen = np.flatnonzero(is_good)
    kept = Level.of(events.values.take(pa.array(chosen)))
    values = kept.field("value")
    given = {
        **{name: kept.field(name) for name in ("event_id", "impression_id", "entity_id", "kind", "position")},
        "value": pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values),
        "at": pa.array(at[chosen], pa.int64()).cast(pa.timestamp("us", "UTC")),
        "arrival_date": arrival_and_log_dates(day[chosen], reader)[0],
    }
    columns = {
        "line_hash": hash_lines(lines.pick(chosen)),
        "format": pa.repeat("event", len(chosen)),
        "event": struct_rows(schema.field("event").type, given, len(chosen)),
    }
    return ColumnRows(part.places[chosen], columns)


_VALUES = tuple(text for text, _ in READ_AS if b'"value"' in text)


def _are_good_events(events: Level, reader: NightFacts) -> Bools:
    is_good = np.ones(len(events), dtype=bool)
    for name, kind in EVENT.items():
        is_good &= kind.is_valid(events.field(name))
    kinds = events.field("kind")
    is_named, _ = EVENT_FIELDS["kind"]
    known = map_distinct(kinds, lambda kind: kind in reader.settings.kinds and is_named(kind), pa.bool_())
    is_good &= np.asarray(pc.fill_null(known, fill_value=False).to_numpy(zero_copy_only=False), dtype=bool)
    position = events.field("position")
    numbers = np.asarray(pc.fill_null(position, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    shows = pc.fill_null(pc.is_in(kinds, pa.array(reader.settings.shown_kinds, pa.string())), fill_value=False)
    has_place = is_given(position) | ~np.asarray(shows.to_numpy(zero_copy_only=False), dtype=bool)
    return np.asarray(is_good & has_place & (numbers >= 0) & (numbers < _LARGEST_POSITION), dtype=bool)
