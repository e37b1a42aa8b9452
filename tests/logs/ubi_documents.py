"""UBI documents of a small shop, and the files in which its log can arrive."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

FIRST, LAST = date(2026, 2, 3), date(2026, 3, 2)


def moment(number: int, seconds: float = 0.0) -> datetime:
    """Times of the searches, spread over the dates of the history."""
    return datetime(2026, 2, 3, 9, tzinfo=UTC) + timedelta(hours=13 * number % (27 * 24), seconds=seconds)


def zoned(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def search(number: int, **changes: Any) -> dict[str, Any]:
    """A search for one of seven queries, with five hits."""
    return {
        "query_id": f"q{number}",
        "user_query": f"Shoes {number % 7}",
        "client_id": f"person-{number % 11}",
        "application": "shop",
        "timestamp": zoned(moment(number)),
        "query_response_hit_ids": [f"e{number % 7}-{place}" for place in range(5)],
        **changes,
    }


def event(number: int, action: str, place: int, *, seconds: float = 5.0, **changes: Any) -> dict[str, Any]:
    """An action on the entity at this place (from 0) of the search."""
    return {
        "action_name": action,
        "query_id": f"q{number}",
        "client_id": f"person-{number % 11}",
        "timestamp": int(moment(number, seconds).timestamp() * 1000),
        "event_attributes": {"object": {"object_id": f"e{number % 7}-{place}"}, "position": {"ordinal": place + 1}},
        **changes,
    }


def shop_log(searches: int = 40) -> list[dict[str, Any]]:
    """Documents of a log: even searches have three impression events, odd ones a response."""
    found: list[dict[str, Any]] = []
    for number in range(searches):
        found.append(search(number))
        if number % 2 == 0:
            found += [event(number, "impression", place, seconds=1.0) for place in range(3)]
        if number % 3 == 0:
            found.append(event(number, "click", number % 3))
        if number % 9 == 0:
            found.append(event(number, "add_to_cart", number % 3, seconds=60.0))
    return found


def as_line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def as_bulk(documents: list[dict[str, Any]]) -> list[bytes]:
    """Lines of a bulk request."""
    head = as_line({"index": {"_index": "ubi_events"}})
    return [line for document in documents for line in (head, as_line(document))]


def as_csv(documents: list[dict[str, Any]]) -> bytes:
    """An export to CSV: columns by the dots of their names, lists separated by commas."""
    rows = [dict(_flat(document)) for document in documents]
    columns = sorted({name for row in rows for name in row})
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _flat(content: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in content.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", ",".join(value) if isinstance(value, list) else value))
    return found


def shuffled(documents: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    mixed = list(documents)
    random.Random(seed).shuffle(mixed)
    return mixed
