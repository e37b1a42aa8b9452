"""Logs of made-up searches with ten shown entities each, in the forms that ltrr reads."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

NIGHT = date(2026, 3, 2)
SLATE = 10
STRATEGIES = ("title", "popular", "semantic")
_SEARCHES_A_FILE = 50_000
_QUERIES, _USERS = 20_000, 30_000
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Lines = Iterator[str]


def write_log(folder: Path, searches: int, form: str) -> int:
    """Write the night's folder; returns the number of bytes."""
    night = folder / f"dt={NIGHT}"
    night.mkdir(parents=True)
    write = FORMS[form]
    for number, start in enumerate(range(0, searches, _SEARCHES_A_FILE)):
        with (night / f"{form}-{number}.ndjson").open("w", encoding="utf-8") as file:
            file.writelines(write(start, min(start + _SEARCHES_A_FILE, searches)))
    (night / "_SUCCESS").touch()
    return sum(file.stat().st_size for file in night.iterdir())


def _facts(number: int, rng: random.Random) -> tuple[str, int, int, int]:
    """Time, query, user, and the first of the shown entities."""
    at = (_NOON + timedelta(seconds=rng.randrange(36_000))).isoformat().replace("+00:00", "")
    query = int(rng.paretovariate(0.7)) % _QUERIES
    return at, query, rng.randrange(_USERS), query * 7 + number % 3


def _ubi(start: int, end: int) -> Lines:
    rng = random.Random(start)
    for number in range(start, end):
        at, query, user, first = _facts(number, rng)
        hits = ",".join(f'"e{first + place}"' for place in range(SLATE))
        yield (
            f'{{"query_id":"q{number}","user_query":"query number {query}","client_id":"user-{user}","application":'
            f'"shop","query_attributes":{{}},"timestamp":"{at}.000Z","query_response_hit_ids":[{hits}]}}\n'
        )
        if number % 2:
            place = min(int(rng.expovariate(0.4)), SLATE - 1)
            yield (
                f'{{"action_name":"click","query_id":"q{number}","client_id":"user-{user}","message_type":"CLICK",'
                f'"timestamp":"{at}.500Z","event_attributes":{{"object":{{"object_id":"e{first + place}",'
                f'"object_id_field":"sku"}},"position":{{"ordinal":{place + 1}}}}}}}\n'
            )


def _ltrr(start: int, end: int) -> Lines:
    return _records(start, end, _template())


def _shadow(start: int, end: int) -> Lines:
    """Static pages with the choice of a policy in shadow mode, and a block fetched afterwards."""
    record = _template()
    for number, block in enumerate((*record["looks"], *record["draws"])):
        block["milliseconds"] = 12.5 + number
    further = _block("semantic", 5, depth=2)
    choice = {"served_by": "static", "decisions": [], "shadow": record["decisions"][0], "off_path": [further]}
    return _records(start, end, {**record, "record_version": 2, **choice})


def _records(start: int, end: int, content: Mapping[str, Any]) -> Lines:
    """Decision records like this one, and clicks."""
    rng = random.Random(start)
    template = json.dumps(content, separators=(",", ":")) + "\n"
    for number in range(start, end):
        at, query, user, first = _facts(number, rng)
        record = template.replace("@number", str(number)).replace("@at", at).replace("@query", str(query))
        record = record.replace("@user", str(user))
        for place in range(SLATE):
            record = record.replace(f"@e{place}@", f"e{first + place}")
        yield record
        if number % 2:
            place = min(int(rng.expovariate(0.4)), SLATE - 1)
            yield (
                f'{{"event_id":"v{number}","impression_id":"q{number}","entity_id":"e{first + place}","kind":"click",'
                f'"at":"{at}.500Z","value":null}}\n'
            )


def _block(strategy: str, first: int, depth: int = 1) -> dict[str, Any]:
    results = [
        {"entity_id": f"@e{first + n}@", "rank": 5 * depth + n - 4, "score": 7.5 / (n + 1), "overlap": [0.5] * 14}
        for n in range(5)
    ]
    return {"strategy": strategy, "depth": depth, "status": "ok", "results": results}


def _template() -> dict[str, Any]:
    """A decision record of two blocks of five entities, with marks where records differ."""
    looks = [_block("title", 0), _block("popular", 5), _block("semantic", 0)]
    actions = [{"action": text, "features": [0.25, 0.5, 0.0, 1.0], "propensity": 0.3} for text in _PLANS[:3]]
    decision = {
        "step": 1,
        "decide": "plan",
        "observe": "first_look",
        "shared": [0.0, 1.0, 0.5, 0.25, 1.0],
        "history": {name: [[0.3, 0.2]] * 3 for name in ("hit_rate", "marginal_hit_rate")},
        "shortlist": actions,
        "floor": 0.1 / 3,
        "n_actions": 6,
        "action_taken": _PLANS[0],
        "taken_features": actions[0]["features"],
        "propensity": 0.3,
    }
    slate = [
        {"entity_id": f"@e{n}@", "position": n + 1, "features": [0.5, None, float(n), 1.0, 0.25, 3.0, None, 0.0]}
        for n in range(SLATE)
    ]
    return {
        "record_version": 1,
        "ltrr_version": "0.2.0",
        **dict.fromkeys(("policy_version", "memory_version", "history_version"), "2026-03-01-0123456789ab"),
        "impression_id": "q@number",
        "at": "@at.000Z",
        "utc_offset_minutes": 60,
        "surface": "search",
        "query_text": "query number @query",
        "user": "user-@user",
        "session": "session-@user",
        "context": {"device": "phone"},
        "served_by": "policy",
        "looks": looks,
        "decisions": [decision],
        "draws": looks[:2],
        "slate": slate,
    }


_PLANS = ("title:1,popular:1", "title:1,semantic:1", "popular:1,semantic:1")
FORMS: dict[str, Callable[[int, int], Lines]] = {"ubi": _ubi, "ltrr": _ltrr}
"""Form of a log -> writer of the lines of some searches."""
FORMS_OF_LINES = {**FORMS, "shadow": _shadow}
"""The same, with the form that only the parsing of lines is measured on."""
