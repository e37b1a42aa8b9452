"""One raw line -> one row that contains all its table rows, or the reason of its rejection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ltrr.core.queries import QUERY_KEY_VERSION
from ltrr.logs.formats import FORMATS
from ltrr.logs.line_format import LineFormat
from ltrr.logs.reading import read_line
from ltrr.logs.record_rows import Pseudonyms, block_rows, decision_rows, impression_row, slate_row_rows
from ltrr.logs.redaction import redact

LineRow = dict[str, Any]


@dataclass(frozen=True, repr=False)
class LineReader:
    """Reader of the lines of one night.

    It reaches the executors inside a function, never in a query plan, because it has the secret.

    Attributes:
        night: Date of the folder.
        first_open: Oldest date that may still change.
        strategies: Strategies that the settings name, or a bundle that may have served.
        kinds: Kinds of event that the settings name.
        pseudonyms: Pseudonyms of users, which have the secret.
        clock_skew_seconds: Maximum number of seconds that a clock may be ahead.
        formats: Formats of lines, tried in this order.
        key_version: Version of the query key of the home.
    """

    night: date
    first_open: date
    strategies: frozenset[str]
    kinds: frozenset[str]
    pseudonyms: Pseudonyms
    clock_skew_seconds: float = 0.0
    formats: tuple[LineFormat, ...] = FORMATS
    key_version: int = QUERY_KEY_VERSION

    def row(self, line: bytes, name: str) -> LineRow:
        """Row of one line of the file `name`.

        Keys: line_hash, format, and either reason, detail and excerpt, or the rows of the tables.
        """
        reading = read_line(line, name, self.strategies, self.kinds, self.formats)
        if reading.content is None:
            return rejected_row(line, reading.format, reading.reason, reading.detail)
        at = datetime.fromisoformat(reading.content["at"]).astimezone(UTC)
        fault = self._find_date_fault(at, reading.format)
        if fault:
            return rejected_row(line, reading.format, *fault)
        kept = {"line_hash": hashlib.sha256(line).hexdigest(), "format": reading.format}
        if reading.format == "event":
            return {**kept, "event": _event_row(reading.content, at)}
        draws, candidates = block_rows(reading.content)
        return {
            **kept,
            "impression": impression_row(reading.content, at, self.night, self.pseudonyms, self.key_version),
            "decisions": decision_rows(reading.content),
            "draws": draws,
            "candidates": candidates,
            "slate_rows": slate_row_rows(reading.content),
        }

    def _find_date_fault(self, at: datetime, format_: str) -> tuple[str, str] | None:
        on = at.date()
        if on > self.night and (at - timedelta(seconds=self.clock_skew_seconds)).date() > self.night:
            return "future", f"at: expected a date up to {self.night}, got {on}"
        # Whether an event is late depends on the date of its impression, which a join finds.
        if format_ == "decision" and on < self.first_open:
            return "late", f"at: expected a date from {self.first_open}, got {on}"
        return None


def rejected_row(line: bytes, format_: str, reason: str, detail: str) -> LineRow:
    """Row of a rejected line."""
    return {
        "line_hash": hashlib.sha256(line).hexdigest(),
        "format": format_,
        "reason": reason,
        "detail": detail,
        "excerpt": redact(line.decode("utf-8", "replace")),
    }


def _event_row(event: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "event_id": event["event_id"],
        "impression_id": event["impression_id"],
        "entity_id": event["entity_id"],
        "kind": event["kind"],
        "at": at,
        "value": event["value"],
    }
