"""Random decision records and documents: all that the contract allows, and broken ones."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import strategies as st

from tests.logs.log_lines import SPACE, block, record
from tests.logs.log_lines import event as event_of
from tests.logs.ubi_documents import event, search


def varied_record(rng: random.Random, number: int) -> dict[str, Any]:
    """A record with a plan, looks, draws and facts of any kind that the contract allows."""
    content = record(number)
    plan = rng.choice(SPACE.texts)
    depths = {name: int(depth) for name, _, depth in (part.partition(":") for part in plan.split(","))}
    first = rng.randrange(5)
    draws = [block(name, depth + 1, first + rng.randrange(4)) for name, n in depths.items() for depth in range(n)]
    looks = [entry for entry in content["looks"] if rng.random() < 0.7]
    for entry in (*looks, *draws):
        if rng.random() < 0.2:
            entry |= {"status": rng.choice(["empty", "timeout", "error"]), "results": []}
        for result in entry["results"]:
            if rng.random() < 0.3:
                result["score"] = None
            if rng.random() < 0.4:
                result["overlap"] = [rng.choice([None, 0, 1, 0.5]) for _ in range(14)]
            if rng.random() < 0.4:
                result |= {"clicks": rng.choice([0, 1.5]), "examinations": rng.choice([0.25, 3])}
    shown = sorted({result["entity_id"] for entry in draws for result in entry["results"]})[: rng.randrange(4)]
    decision = {**content["decisions"][0], "action_taken": plan}
    if rng.random() < 0.3:
        decision["taken_features"] = [0.25, -0.1, 0.0, 0.668]
    content |= {
        "looks": looks,
        "draws": draws,
        "decisions": [decision],
        "slate": [
            {"entity_id": entity, "position": n + 1, "features": [rng.choice([None, 1, 0.5])]}
            for n, entity in enumerate(shown)
        ],
        "context": rng.choice([{}, {"device": "phone", "a": "b"}, {"z": "}", "a": "\u00e9"}]),
        "user": rng.choice(["", "person-1", "person-2"]),
    }
    if rng.random() < 0.2:
        content |= {"version_propensity": rng.choice([0.5, 1])}
    if rng.random() < 0.2:
        content |= {"served_by": rng.choice(["static", "fallback"]), "decisions": rng.choice([[], [decision]])}
    return content


def static_record(rng: random.Random, number: int) -> dict[str, Any]:
    """A static page with or without a shadow decision and blocks off the request path."""
    content = varied_record(rng, number)
    decision = record(number)["decisions"][0]
    if rng.random() < 0.3:
        decision |= {"action_taken": SPACE.texts[-1], "taken_features": [0.25, -0.1, 0.0, 0.668]}
    taken = {(one["strategy"], one["depth"]) for one in (*content["looks"], *content["draws"])}
    off_path = [
        block(name, depth, rng.randrange(9))
        for name in SPACE.strategies
        for depth in (1, 2, 3)
        if (name, depth) not in taken and rng.random() < 0.3
    ]
    for entry in (*content["looks"], *content["draws"], *off_path):
        if rng.random() < 0.6:
            entry["milliseconds"] = rng.choice([0, 12, 12.5, None])
    for result in (result for entry in off_path for result in entry["results"]):
        if rng.random() < 0.4:
            result |= {"overlap": [rng.choice([None, 0.5]) for _ in range(14)], "score": rng.choice([None, 2])}
    content |= {"record_version": 2, "served_by": "static", "decisions": []}
    if rng.random() < 0.7:
        content["shadow"] = decision
    if rng.random() < 0.7:
        content["off_path"] = off_path
    return content


def disturbed_static_record(rng: random.Random, number: int) -> dict[str, Any]:
    """A static page, most often with one fault or with keys that its version does not have."""
    content = static_record(rng, number)
    shadow, off_path = content.get("shadow") or {}, content.get("off_path") or []
    unknown = block("psychic", 1, 1)
    # These have a type that Arrow cannot read, so their neighbours are read one by one, too.
    of_other_type = [
        {"record_version": 1, "shadow": False, "off_path": None},
        {"off_path": {}},
        {"off_path": [{**entry, "milliseconds": rng.choice(["1", True])} for entry in off_path]},
        {"draws": [{**entry, "milliseconds": {}} for entry in content["draws"]]},
    ]
    changes = [
        *({}, {"record_version": 1}, {"served_by": "policy"}, {"served_by": "fallback"}, {"shadow": None}),
        *({"decisions": record(number)["decisions"]}, {"shadow": {}}, {"off_path": None}, {"off_path": [None]}),
        *({"shadow": {**shadow, "propensity": 0.4}}, {"shadow": {**shadow, "floor": 0.2}}),
        *({"shadow": {**shadow, "action_taken": "psychic:1"}}, {"shadow": {**shadow, "history": None}}),
        *({"off_path": [*off_path, unknown]}, {"off_path": [*off_path, *off_path]}),
        *({"off_path": [*off_path, *content[kind]]} for kind in ("looks", "draws")),
        {"off_path": [{**entry, "depth": entry["depth"] + 3} for entry in (*off_path, *content["looks"])]},
        {"off_path": [{**entry, "milliseconds": rng.choice([-1, -0.0, 1e300])} for entry in off_path]},
    ]
    return content | rng.choice(of_other_type if rng.random() < 0.02 else changes)


scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=6)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
near_numbers = st.sampled_from([0, 1, -0.0, 1.0, 2, 1.5, 1.0000009, 0.1666667, 2**31, 2**53 + 1, "e1", "title", [], {}])
times = st.sampled_from(
    [
        *(0, 1771000000, 1771000000000, 1771000000000123, 1771000000000000001, 99999999999999999999, -1, 1.5),
        *("2026-02-20T10:00:00Z", "2026-02-20T10:00:00.1234567Z", "2026-02-20T10:00:00+0100", "2026-02-20 10:00"),
        *("2026-02-30T10:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999Z"),
        *("2026-03-02T23:59:59.999999Z", "2026-03-03T00:00:04Z", "2026-03-03T00:00:06Z", "1771000000"),
    ]
)


def _paths(content: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path for key, value in inside for path in ((*prefix, key), *_paths(value, (*prefix, key)))]


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A document with some of its values changed, removed or added; or its text cut or broken."""
    base = draw(
        st.sampled_from([search(1), event(1, "click", 0), event(2, "impression", 1), {"index": {"_index": "i"}}])
        | st.builds(lambda seed: varied_record(random.Random(seed), seed), st.integers(0, 99))
        | st.builds(lambda seed: static_record(random.Random(seed), seed), st.integers(0, 99))
        | st.just(event_of(3))
    )
    content = json.loads(json.dumps(base))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(_paths(content) or [()]))
        if not path:
            break
        place = content
        for key in path[:-1]:
            place = place[key]
        if draw(st.booleans()):
            place.pop(path[-1])
        else:
            place[path[-1]] = draw(times if path[-1] in ("timestamp", "at") else values | near_numbers)
    if draw(st.integers(0, 9)) == 0:
        content[
            draw(
                st.sampled_from(
                    ["event_id", "user_id", "session_id", "query_attributes", "create", "shadow", "off_path", "x"]
                )
            )
        ] = draw(values)
    line = json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    damage = draw(st.integers(0, 19))
    if damage == 0:
        line = line[: draw(st.integers(0, len(line)))]
    elif damage == 1:
        place = draw(st.integers(0, len(line)))
        line = line[:place] + draw(st.sampled_from([b"\xff", b"\x00", b"\t", b"{}", b"}", b'"', b"\r"])) + line[place:]
    return line.replace(b"\n", b" ")
