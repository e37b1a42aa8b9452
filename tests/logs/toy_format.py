"""A log format of another system, as an example of an added format."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ltrr.logs.line_format import Content, LineContext, LineFaultError, LineFormat, Record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_record(content: Content, _: LineContext) -> Record:
    """Convert a line: times in milliseconds since 1970, the person as `who`, the rest in `body`."""
    at = EPOCH + timedelta(milliseconds=content["epoch_ms"])
    record = {**content["body"], "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if content["toy"] == "search":
        return Record("decision", {**record, "user": content["who"]})
    if content["toy"] == "action":
        return Record("event", record)
    raise LineFaultError("unknown_record", "toy: expected search or action, got another")


TOY = LineFormat("toy", (frozenset({"toy", "epoch_ms"}),), to_record, shown_keys=frozenset({"toy", "epoch_ms", "who"}))


def toy_line(record: dict[str, Any]) -> bytes:
    """The line of the toy system with the content of one of ltrr's records."""
    at = datetime.fromisoformat(record["at"])
    body = {key: value for key, value in record.items() if key not in ("at", "user")}
    is_event = "event_id" in record
    line = {"toy": "action" if is_event else "search", "epoch_ms": (at - EPOCH) // timedelta(milliseconds=1)}
    return json.dumps(line | ({} if is_event else {"who": record["user"]}) | {"body": body}).encode()
