"""One raw line -> one row that contains all its table rows, or the reason of its rejection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ltrr.arrays import Bools
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.record_checks import without_later_keys
from ltrr.core.queries import QUERY_KEY_VERSION
from ltrr.logs.column_lines import ColumnRows
from ltrr.logs.formats import FORMATS, Patterns, formats_of
from ltrr.logs.line_batch import LineBatch
from ltrr.logs.line_format import LineContext, LineFormat
from ltrr.logs.reading import read_line
from ltrr.logs.record_rows import Pseudonyms, block_rows, decision_rows, impression_row, slate_row_rows
from ltrr.logs.redaction import redact, redact_all
from ltrr.logs.search_rows import search_row
from ltrr.logs.service_rows import service_decision_rows, service_impression_row
from ltrr.logs.settings import LogSettings

LineRow = dict[str, Any]

_EVENTS = ("event", "observation")


class AnyStrategy(frozenset[str]):
    """The set of all names: no strategy is unknown."""

    def __contains__(self, _: object) -> bool:
        """Every name is in it."""
        return True


@dataclass(frozen=True, repr=False)
class LineReader:
    """Reader of the lines of one night.

    It reaches the executors inside a function, never in a query plan, because it has the secret.

    Attributes:
        night: Date of the folder.
        first_open: Oldest date that may still change.
        strategies: Strategies that the settings name, or a bundle that may have served.
        settings: Kinds of event, foreign actions and clock skew.
        pseudonyms: Pseudonyms of users, which have the secret.
        is_history: Whether the folder holds a history: a row then arrived on the date of its time.
        formats: Formats of lines, tried in this order.
        patterns: Formats of the files of certain names, which come before `formats`.
        key_version: Version of the query key of the home.
        policy: Policy of the home, whose plans a decision service may choose; None where lines are
            only inspected.
    """

    night: date
    first_open: date
    strategies: frozenset[str]
    settings: LogSettings
    pseudonyms: Pseudonyms
    is_history: bool = False
    formats: tuple[LineFormat, ...] = FORMATS
    patterns: Patterns = ()
    key_version: int = QUERY_KEY_VERSION
    policy: PolicySettings | None = None

    def row(self, line: bytes, name: str) -> LineRow:
        """Row of one line of the file `name`.

        Keys: line_hash, format, clock, and either reason, detail and excerpt, or the rows of the
        tables. A line of the layout (`structure`) has none of these rows.
        """
        context = LineContext(name, self.settings.actions, self.settings.service_paths, self.policy)
        formats = formats_of(name, self.patterns, self.formats)
        reading = read_line(line, context, self.strategies, self.settings.kinds, formats)
        if reading.content is None:
            return rejected_row(line, reading.format, reading.reason, reading.detail)
        kept = {"line_hash": hashlib.sha256(line).hexdigest(), "format": reading.format, "clock": reading.clock or None}
        if reading.format == "structure":
            return kept
        at = datetime.fromisoformat(reading.content["at"]).astimezone(UTC)
        fault = self._find_date_fault(at, reading.format)
        if fault:
            return rejected_row(line, reading.format, *fault)
        arrival_date = min(at.date(), self.night) if self.is_history else self.night
        if reading.format in _EVENTS:
            return {**kept, "event": _event_row(reading.content, at, arrival_date)}
        if reading.format == "search":
            return {
                **kept,
                "impression": search_row(reading.content, at, arrival_date, self.pseudonyms, self.key_version),
            }
        if reading.format == "choice":
            impression = service_impression_row(
                reading.content, at, arrival_date, self.pseudonyms, self.key_version, self.policy
            )
            rows = service_decision_rows(reading.content, impression["query_key"], self.policy)
            none = dict.fromkeys(("draws", "candidates", "slate_rows"), ())
            return {**kept, "impression": impression, "decisions": rows, **none}
        record = without_later_keys(reading.content)
        draws, candidates = block_rows(record)
        return {
            **kept,
            "impression": impression_row(reading.content, at, arrival_date, self.pseudonyms, self.key_version),
            "decisions": decision_rows(record),
            "draws": draws,
            "candidates": candidates,
            "slate_rows": slate_row_rows(reading.content),
        }

    def read_columns(self, lines: Sequence[bytes], name: str, schema: pa.Schema) -> list[ColumnRows]:
        """Rows of the lines of a file that its formats read as columns; `row` has the others."""
        found: list[ColumnRows] = []
        formats = formats_of(name, self.patterns, self.formats)
        rest, left = np.arange(len(lines)), LineBatch.of(lines)
        for place, format_ in enumerate(formats):
            if format_.read_columns is None or not len(rest):
                continue
            is_own = ~_may_be_of(formats[:place], left)
            own = rest[is_own]
            reads = format_.read_columns(left.pick(np.flatnonzero(is_own)), self, schema)
            for read in reads:
                places = own[read.places]
                found.append(ColumnRows(places, _with_excerpts(read.columns, [lines[n] for n in places.tolist()])))
            if reads:
                is_left = np.isin(rest, np.concatenate([own[read.places] for read in reads]), invert=True)
                rest, left = rest[is_left], left.pick(np.flatnonzero(is_left))
        return found

    def _find_date_fault(self, at: datetime, format_: str) -> tuple[str, str] | None:
        on = at.date()
        if on > self.night and (at - timedelta(seconds=self.settings.clock_skew_seconds)).date() > self.night:
            return "future", f"at: expected a date up to {self.night}, got {on}"
        # Whether an event is late depends on the date of its impression, which a join finds.
        # A history has no other night whose logs could hold the impression.
        if (format_ not in _EVENTS or self.is_history) and on < self.first_open:
            return "late", f"at: expected a date from {self.first_open}, got {on}"
        return None


def _may_be_of(formats: Sequence[LineFormat], lines: LineBatch) -> Bools:
    """Whether each line contains the keys by which one of the formats recognizes it.

    >>> of_x = LineFormat("x", (frozenset({"a", "b"}),))
    >>> _may_be_of([of_x], LineBatch([b'{"a": 1, "b": 2}', b'{"a": 1}'])).tolist()
    [True, False]
    """
    groups = [[f'"{key}"'.encode() for key in group] for format_ in formats for group in format_.keys]
    # Most batches have lines of one format, and none of these keys.
    groups = [keys for keys in groups if all(map(lines.holds, keys))]
    found: Bools = np.zeros(len(lines), dtype=bool)
    if groups:
        found[:] = [any(all(key in line for key in keys) for keys in groups) for line in lines]
    return found


def _with_excerpts(columns: Mapping[str, pa.Array], lines: Sequence[bytes]) -> Mapping[str, pa.Array]:
    """Columns of some lines, with the excerpts of lines that have a reason."""
    if "reason" not in columns:
        return columns
    return {**columns, "excerpt": pa.array(redact_all(map(_decode, lines)), pa.string())}


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def rejected_row(line: bytes, format_: str, reason: str, detail: str) -> LineRow:
    """Row of a rejected line."""
    return {
        "line_hash": hashlib.sha256(line).hexdigest(),
        "format": format_,
        "reason": reason,
        "detail": detail,
        "excerpt": redact(_decode(line)),
    }


def _event_row(event: Mapping[str, Any], at: datetime, arrival_date: date) -> dict[str, Any]:
    return {
        "event_id": event["event_id"],
        "impression_id": event["impression_id"],
        "entity_id": event["entity_id"],
        "kind": event["kind"],
        "at": at,
        "value": event["value"],
        "position": event.get("position"),
        "arrival_date": arrival_date,
    }
