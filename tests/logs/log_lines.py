"""Small numbered decision records and events of a service, and a bad line of each kind."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from ltrr.artifacts.decision_record import record_line
from ltrr.core.plans import PlanSpace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SPACE = PlanSpace(("title", "memory", "popular"), block_size=2, budget=2)
NIGHT = date(2026, 3, 2)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def noon(day: date = NIGHT, minutes: float = 0.0) -> datetime:
    return datetime.combine(day, time(12), UTC) + timedelta(minutes=minutes)


def block(strategy: str, depth: int, first: int) -> dict[str, Any]:
    """Two entities, e<first> and the next one."""
    ranks = (2 * depth - 1, 2 * depth)
    results = [{"entity_id": f"e{first + n}", "rank": rank, "score": 1.0 / rank} for n, rank in enumerate(ranks)]
    return {"strategy": strategy, "depth": depth, "status": "ok", "results": results}


def record(number: int, *, at: datetime | None = None, impression_id: str = "", user: str = "") -> dict[str, Any]:
    """One impression of title:1,memory:1, uniform over six plans.

    It shows e<n>..e<n+2>; both blocks list e<n+1>.
    """
    looks = [block("title", 1, number), block("memory", 1, number + 1), block("popular", 1, number + 7)]
    even = 1.0 / len(SPACE)
    taken = "title:1,memory:1"
    features = [0.25, -0.1, 0.0, 0.667]
    history = [[0.3, 0.2], [0.3, 0.2], [0.3, 0.2]]
    return {
        "record_version": 1,
        "ltrr_version": "0.1.0",
        "policy_version": "2026-03-01-0123456789ab",
        "memory_version": "2026-03-01-0123456789ab",
        "history_version": "2026-03-01-0123456789ab",
        "impression_id": impression_id or f"i{number}",
        "at": stamp(at or noon()),
        "utc_offset_minutes": 60,
        "surface": "search",
        "query_text": f"Query {number % 50}!",
        "user": user or f"person-{number % 97}",
        "session": f"visit-{number}",
        "context": {"device": "phone"},
        "served_by": "policy",
        "looks": looks,
        "decisions": [
            {
                "step": 1,
                "decide": "plan",
                "observe": "first_look",
                "shared": [0.0, 1.0, 0.5],
                "history": {"hit_rate": history, "marginal_hit_rate": history},
                "shortlist": [{"action": text, "features": features, "propensity": even} for text in SPACE.texts[:4]],
                "floor": even,
                "n_actions": len(SPACE),
                "action_taken": taken,
                "taken_features": features,
                "propensity": even,
            }
        ],
        "draws": looks[:2],
        "slate": [
            {"entity_id": f"e{number + n}", "position": n + 1, "features": [0.5, None, float(n)]} for n in range(3)
        ],
    }


def event(
    number: int,
    *,
    kind: str = "click",
    at: datetime | None = None,
    entity: int = 0,
    event_id: str = "",
    impression_id: str = "",
) -> dict[str, Any]:
    """A click on the first entity of impression `number`, one minute after noon."""
    return {
        "event_id": event_id or f"v{number}",
        "impression_id": impression_id or f"i{number}",
        "entity_id": f"e{number + entity}",
        "kind": kind,
        "at": stamp(at or noon(minutes=1)),
        "value": None,
    }


def write_folder(
    logs: Path, day: date, files: dict[str, Iterable[dict[str, Any] | bytes]], *, close: bool = True
) -> Path:
    """Write a night's folder.

    Lines are records, events or raw bytes. A name that ends in .gz is compressed.
    """
    folder = logs / f"dt={day}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        raw = b"".join(as_bytes(line) + b"\n" for line in lines)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(raw, mtime=0) if name.endswith(".gz") else raw)
    if close:
        (folder / "_SUCCESS").touch()
    return folder


def as_bytes(line: dict[str, Any] | bytes) -> bytes:
    return line if isinstance(line, bytes) else record_line(line).encode()


def wrong_lines(number: int) -> dict[str, bytes]:
    """One line for each fault that the line itself shows: reason -> line.

    Ids are those of `number`.
    """

    def changed(**values: Any) -> bytes:
        return json.dumps({**record(number), **values}).encode()

    def decided(**values: Any) -> bytes:
        good = record(number)
        return json.dumps({**good, "decisions": [{**good["decisions"][0], **values}]}).encode()

    def clicked(**values: Any) -> bytes:
        return json.dumps({**event(number), **values}).encode()

    good = record(number)
    slate = good["slate"]
    without_user = {key: value for key, value in good.items() if key != "user"}
    shifted = [{**row, "position": row["position"] + 1} for row in slate]
    strange = {**slate[0], "entity_id": "never-drawn"}
    other_strategy = [{**entry, "strategy": f"psychic_{n}"} for n, entry in enumerate(good["looks"])]
    clash = [*good["looks"], {**good["looks"][0], "depth": 2}]
    metarank = {"event": "ranking", "id": f"r{number}", "user": "person-1", "timestamp": "1772452800000"}
    action = {"action_name": "page_exit", "client_id": "person-1", "timestamp": "2026-03-02T12:00:00Z"}
    dsjson = {"Version": "1", "EventId": f"x{number}", "_label_cost": -1, "_label_probability": 0.5, "a": [1], "c": {}}
    return {
        "empty_line": b"   ",
        "not_utf8": as_bytes(good)[:-1] + b',"note":"\xff\xfe"}',
        "truncated_json": as_bytes(good)[:-40],
        "malformed_json": b"{" + as_bytes(good),
        "not_an_object": json.dumps([good["user"]]).encode(),
        "foreign_format": json.dumps(metarank if number % 2 else dsjson).encode(),
        "other_action": json.dumps(action).encode(),
        "unknown_record": json.dumps({"who": "person-3", "level": "info"}).encode(),
        "unknown_version": changed(record_version=3),
        "missing_key": json.dumps(without_user).encode(),
        "wrong_value": changed(user=4711),
        "bad_timestamp": changed(at="02/03/2026 12:00"),
        "bad_propensity": decided(propensity=1.5),
        "bad_position": changed(slate=shifted),
        "unknown_strategy": changed(looks=other_strategy),
        "unknown_kind": clicked(kind="teleport"),
        "out_of_range": clicked(value=10**30),
        "propensity_sum": decided(floor=0.2),
        "plan_not_drawn": changed(draws=good["draws"][:1], slate=slate[:2]),
        "entity_not_drawn": changed(slate=[strange, *slate[1:]]),
        "entity_twice": changed(slate=[*slate, {**slate[0], "position": 4}]),
        "bad_ranks": changed(looks=clash),
        "contradiction": changed(decisions=[]),
        "future": changed(at=stamp(noon(NIGHT + timedelta(days=1)))),
        "late": changed(at=stamp(noon(NIGHT - timedelta(days=2)))),
        "not_activated": json.dumps({**dsjson, "_skipLearn": True}).encode(),
    }
