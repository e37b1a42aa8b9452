"""Quick checks of one line of a log: all reasons at once, and an empty list for a valid line.

A reason never repeats what may be personal (user, session, query, context): it goes into tables
that all may read.

They refuse whatever the JSON Schemas refuse (a test holds the two together) and, beyond what a
schema can say, records whose parts contradict each other: propensities that do not add up, a plan
that was not drawn, a page with gaps. Written by hand, because ingest checks every line and a schema
validator costs ten times as much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from ltrr.artifacts.decision_record import RECORD_VERSION, SERVED_BY
from ltrr.core.features import KNOWN_BEFORE_CHOOSING
from ltrr.core.planning import STATUSES
from ltrr.core.text_overlap import OVERLAPS

TOLERANCE = 1e-6
"""How far logged propensities may be from adding up to one."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9_]*")

_MAY_BE_SHOWN = frozenset(
    {
        "record_version",
        "at",
        "utc_offset_minutes",
        "served_by",
        "kind",
        "strategy",
        "depth",
        "status",
        "rank",
        "step",
        "decide",
        "observe",
        "floor",
        "n_actions",
        "propensity",
        "version_propensity",
        "position",
    }
)
"""Fields whose wrong value a reason may repeat. Of all others it names the form only."""

Test = Callable[[Any], bool]

_NUMBER_TYPES = frozenset({int, float})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value >= 1


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_number_or_null(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_numbers(value: Any) -> bool:
    # Most of a record's values: no Python call for each.
    return isinstance(value, list) and _NUMBER_TYPES.issuperset(map(type, value)) and all(map(isfinite, value))


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_numbers, value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_time(value: Any) -> bool:
    if not (isinstance(value, str) and _TIME.fullmatch(value)):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _one_of(*values: str) -> tuple[Test, str]:
    return (lambda value: isinstance(value, str) and value in values), "one of " + ", ".join(values)


_TEXT = (_is_text, "text that is not empty")
_COUNT = (_is_count, "an integer of at least 1")
_SHARE = (_is_share, "a number from 0 to 1")
_PROPENSITY = (lambda value: _is_share(value) and value > 0, "a number above 0 and up to 1")
_NUMBERS = (_is_numbers, "a list of finite numbers")
_MATRIX = (_is_matrix, "a list of lists of finite numbers")
_LIST = (_is_list, "a list")
_INSTANT = (_is_time, "a UTC time such as 2026-03-02T12:00:00.123Z, with up to 9 digits after the point")
_SCORE = (_is_number_or_null, "a finite number or null")

_RECORD: dict[str, tuple[Test, str]] = {
    "record_version": (lambda value: _is_number(value) and value == RECORD_VERSION, str(RECORD_VERSION)),
    "ltrr_version": _TEXT,
    "policy_version": _TEXT,
    "memory_version": _TEXT,
    "history_version": _TEXT,
    "impression_id": _TEXT,
    "at": _INSTANT,
    "utc_offset_minutes": (
        lambda value: _is_integer(value) and -840 <= value <= 840,
        "an integer from -840 to 840",
    ),
    "surface": _TEXT,
    "query_text": (lambda value: isinstance(value, str), "text"),
    "user": (lambda value: isinstance(value, str), "text"),
    "session": _TEXT,
    "context": (
        lambda value: isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values()),
        "an object of texts",
    ),
    "served_by": _one_of(*SERVED_BY),
    "looks": _LIST,
    "decisions": (lambda value: isinstance(value, list) and len(value) <= 1, "a list of at most one decision"),
    "draws": _LIST,
    "slate": _LIST,
}
_RECORD_MAY: dict[str, tuple[Test, str]] = {"version_propensity": _PROPENSITY}
"""Of a record, where the service drew between two versions."""
_BLOCK = {"strategy": _TEXT, "depth": _COUNT, "status": _one_of(*STATUSES), "results": _LIST}
_RESULT: dict[str, tuple[Test, str]] = {"entity_id": _TEXT, "rank": _COUNT, "score": _SCORE}
_FACTS: dict[str, tuple[Test, str]] = {
    "overlap": (
        lambda value: (
            isinstance(value, list)
            and len(value) == len(OVERLAPS)
            and _is_numbers([entry for entry in value if entry is not None])
        ),
        f"a list of {len(OVERLAPS)} finite numbers and nulls",
    ),
    "clicks": (lambda value: _is_number(value) and value >= 0, "a number of at least 0"),
    "examinations": (lambda value: _is_number(value) and value >= 0, "a number of at least 0"),
}
"""Facts of a result, where the service gives them."""
_DECISION = {
    "step": _COUNT,
    "decide": _one_of("plan"),
    "observe": _one_of(*KNOWN_BEFORE_CHOOSING),
    "shared": _NUMBERS,
    "history": (lambda value: isinstance(value, dict), "an object"),
    "shortlist": (lambda value: isinstance(value, list) and len(value) > 0, "a list that is not empty"),
    "floor": _SHARE,
    "n_actions": _COUNT,
    "action_taken": _TEXT,
    "taken_features": _NUMBERS,
    "propensity": _PROPENSITY,
}
_HISTORY = {"hit_rate": _MATRIX, "marginal_hit_rate": _MATRIX}
_ACTION: dict[str, tuple[Test, str]] = {"action": _TEXT, "features": _NUMBERS, "propensity": _SHARE}
_SLATE_ROW: dict[str, tuple[Test, str]] = {
    "entity_id": _TEXT,
    "position": _COUNT,
    "features": (
        lambda value: isinstance(value, list) and _is_numbers([entry for entry in value if entry is not None]),
        "a list of finite numbers and nulls",
    ),
}
_EVENT = {
    "event_id": _TEXT,
    "impression_id": _TEXT,
    "entity_id": _TEXT,
    "kind": (
        lambda value: isinstance(value, str) and _KIND.fullmatch(value) is not None,
        "lower-case letters, digits and _",
    ),
    "at": _INSTANT,
    "value": _SCORE,
}


def check_decision_record(record: Any) -> list[str]:
    """Why this is not a decision record; empty if it is one.

    Each reason reads `<where>: expected <what>, got <what>`.

    >>> check_decision_record({"record_version": 2})[:2]
    ['record_version: expected 1, got 2', 'ltrr_version: expected text that is not empty, got nothing']
    >>> check_decision_record("half a li")
    ['record: expected an object, got text']
    """
    # Parts are compared only once each of them is whole.
    return check_form(record) or list(_contradictions(record))


def check_form(record: Any) -> list[str]:
    """What the schema of a decision record would refuse, and times that no calendar has."""
    reasons = _check_fields(record, _RECORD, "record", may=_RECORD_MAY)
    if reasons:
        return reasons
    for kind in ("looks", "draws"):
        reasons += _check_blocks(record[kind], kind)
    for place, decision in enumerate(record["decisions"]):
        where = f"decisions[{place}]"
        reasons += _check_fields(decision, _DECISION, where) or (
            _check_fields(decision["history"], _HISTORY, f"{where}.history")
            + _check_each(decision["shortlist"], _ACTION, f"{where}.shortlist")
        )
    return reasons + _check_each(record["slate"], _SLATE_ROW, "slate")


def check_looks(looks: Any) -> list[str]:
    """Why this is not the `looks` of a decision record.

    >>> check_looks([{"strategy": "title", "depth": 0, "status": "ok", "results": []}])
    ['looks[0].depth: expected an integer of at least 1, got 0']
    >>> check_looks({"title": []})
    ['looks: expected a list, got an object']
    """
    if not isinstance(looks, list):
        return [f"looks: expected a list, got {_form(looks)}"]
    return _check_blocks(looks, "looks") or list(_block_contradictions(looks, "looks"))


def check_event(event: Any) -> list[str]:
    """Why this is not an event; empty if it is one.

    >>> check_event({"event_id": "v1", "impression_id": "i1", "entity_id": "e1", "kind": "click",
    ...              "at": "12:00", "value": None})
    ["at: expected a UTC time such as 2026-03-02T12:00:00.123Z, with up to 9 digits after the point, got '12:00'"]
    """
    return _check_fields(event, _EVENT, "event")


def _check_blocks(blocks: list[Any], kind: str) -> list[str]:
    reasons = []
    for place, block in enumerate(blocks):
        where = f"{kind}[{place}]"
        reasons += _check_fields(block, _BLOCK, where) or (
            _check_each(block["results"], _RESULT, f"{where}.results", may=_FACTS)
        )
    return reasons


def _check_fields(
    value: Any,
    fields: Mapping[str, tuple[Test, str]],
    where: str,
    may: Mapping[str, tuple[Test, str]] | None = None,
) -> list[str]:
    """Reasons of one value; the fields of `may` are looked at where they are there."""
    if not isinstance(value, dict):
        return [f"{where}: expected an object, got {_form(value)}"]
    there = {name: test for name, test in (may or {}).items() if name in value}
    prefix = "" if where in ("record", "event") else f"{where}."
    return [
        f"{prefix}{name}: expected {expected}, got {_found(value, name)}"
        for name, (test, expected) in ({**fields, **there} if there else fields).items()
        if name not in value or not test(value[name])
    ]


def _check_each(
    values: list[Any],
    fields: dict[str, tuple[Test, str]],
    where: str,
    may: Mapping[str, tuple[Test, str]] | None = None,
) -> list[str]:
    """Reasons of every value."""
    reasons = []
    for place, value in enumerate(values):
        reasons += _check_fields(value, fields, f"{where}[{place}]", may)
    return reasons


def _contradictions(record: Mapping[str, Any]) -> Iterable[str]:
    for kind in ("looks", "draws"):
        yield from _block_contradictions(record[kind], kind)
    positions = [row["position"] for row in record["slate"]]
    if positions != list(range(1, len(positions) + 1)):
        yield f"slate: expected positions 1, 2, ... in order, got {_shown(positions)}"
    shown = [row["entity_id"] for row in record["slate"]]
    if len(set(shown)) < len(shown):
        yield "slate: expected each entity once, got one twice"
    if record["served_by"] == "policy":
        if not record["decisions"]:
            yield "decisions: expected one where served_by is policy, got none"
        drawn = {result["entity_id"] for block in record["draws"] for result in block["results"]}
        if not drawn.issuperset(shown):
            yield f"slate: expected entities of the draws, got {_shown(sorted(set(shown) - drawn))}"
    for decision in record["decisions"]:
        yield from _decision_contradictions(decision, record)


def _block_contradictions(blocks: list[Any], kind: str) -> Iterable[str]:
    keys = [(block["strategy"], block["depth"]) for block in blocks]
    if len(set(keys)) < len(keys):
        yield f"{kind}: expected each block once, got {_shown(sorted(keys))}"
    for block in blocks:
        ranks = [result["rank"] for result in block["results"]]
        where = f"{kind} {block['strategy']}:{block['depth']}"
        if ranks and ranks != list(range(int(ranks[0]), int(ranks[0]) + len(ranks))):
            yield f"{where}: expected ranks without gaps, got {_shown(ranks)}"
        if ranks and block["status"] != "ok":
            yield f"{where}: expected no results with status {block['status']}, got {len(ranks)}"


def _decision_contradictions(decision: Mapping[str, Any], record: Mapping[str, Any]) -> Iterable[str]:
    shortlist = {entry["action"]: entry for entry in decision["shortlist"]}
    if len(shortlist) < len(decision["shortlist"]) or len(shortlist) > decision["n_actions"]:
        yield "shortlist: expected each action once and no more than n_actions, got others"
    total = sum(entry["propensity"] for entry in decision["shortlist"])
    total += (decision["n_actions"] - len(shortlist)) * decision["floor"]
    if abs(total - 1.0) > TOLERANCE:
        yield f"propensities: expected a sum of 1, got {total:.9g}"
    taken = shortlist.get(decision["action_taken"])
    expected = taken["propensity"] if taken else decision["floor"]
    if abs(decision["propensity"] - expected) > TOLERANCE:
        yield f"propensity: expected {expected:.9g} as in the distribution, got {decision['propensity']:.9g}"
    lengths = {len(entry["features"]) for entry in decision["shortlist"]} | {len(decision["taken_features"])}
    if len(lengths) > 1:
        yield f"features: expected one length for every action, got {sorted(lengths)}"
    if taken and taken["features"] != decision["taken_features"]:
        yield "taken_features: expected those of the shortlist, got others"
    shapes = {tuple(len(row) for row in decision["history"][name]) for name in _HISTORY}
    if len(shapes) > 1:
        yield f"history: expected two matrices of one shape, got {sorted(shapes)}"
    if record["served_by"] == "policy":
        deepest: dict[str, int] = {}
        for block in record["draws"]:
            deepest[block["strategy"]] = max(deepest.get(block["strategy"], 0), int(block["depth"]))
        drawn = sorted(f"{strategy}:{depth}" for strategy, depth in deepest.items())
        if drawn != sorted(decision["action_taken"].split(",")) or sum(deepest.values()) != len(record["draws"]):
            yield f"draws: expected the blocks of {decision['action_taken']}, got {','.join(drawn)}"


def _found(value: Mapping[str, Any], name: str) -> str:
    if name not in value:
        return "nothing"
    return _shown(value[name]) if name in _MAY_BE_SHOWN else _form(value[name])


def _form(value: Any) -> str:
    """What kind of value it is, without the value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    if isinstance(value, str):
        return "text" if value else "empty text"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else "a number"


def _shown(value: Any) -> str:
    """A value as a reason may show it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
