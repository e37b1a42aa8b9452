"""One raw line -> what it is: a checked decision record, a checked event, or a reason why it is neither."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ltrr.artifacts.record_checks import check_decision_record, check_event
from ltrr.logs.reasons import reason_detail, reason_word
from ltrr.logs.redaction import KNOWN_KEYS

FOREIGN: Mapping[str, tuple[frozenset[str], ...]] = {
    "UBI": tuple(frozenset({key}) for key in ("query_id", "action_name", "user_query", "client_id")),
    "the action line of a bulk request": (frozenset({"index"}), frozenset({"create"})),
    "Metarank": (frozenset({"event", "timestamp"}),),
    "dsjson": tuple(frozenset({key}) for key in ("_label_cost", "_label_probability", "_labelIndex", "EventId")),
}
"""Format -> groups of keys; an object that holds a whole group is of the format."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one line turned out to be.

    Attributes:
        format: decision | event | foreign | unreadable.
        content: the parsed object; None where there is a reason.
        reason: a word of `REASONS`; empty where the line is good.
        detail: which, expected, got; without values that could name a person.
    """

    format: str
    content: Mapping[str, Any] | None = None
    reason: str = ""
    detail: str = ""


def read_line(line: bytes, name: str, strategies: frozenset[str], kinds: frozenset[str]) -> Reading:
    r"""Parse and check one line.

    Args:
        line: as it stands in the file, without the line feed.
        name: of the file; `decisions-*` and `events-*` say what a line should have been that does not show it.
        strategies: names of the settings and of the bundles that may have served.
        kinds: of event, that the settings know.

    >>> none = frozenset()
    >>> [read_line(line, "x.ndjson", none, none).reason for line in (b" \r", b"\xff", b'{"a": "b', b"{a}", b"7", b"{}")]
    ['empty_line', 'not_utf8', 'truncated_json', 'malformed_json', 'not_an_object', 'unknown_record']
    """
    try:
        content = _parse(line)
    except _UnreadableError as fault:
        return Reading("unreadable", None, fault.reason, fault.detail)
    format_ = _format_of(content, name)
    if format_ not in ("decision", "event"):
        word = "unknown_record" if format_ == "unreadable" else "foreign_format"
        shown = "neither a decision nor an event" if format_ == "unreadable" else f"looks like {format_}"
        shown += "; docs/reference/log-contract.md says which records ltrr reads"
        return Reading("unreadable" if format_ == "unreadable" else "foreign", None, word, shown)
    try:
        if format_ == "decision":
            said = check_decision_record(content) or list(_decision_faults(content, strategies))
        else:
            said = check_event(content) or list(_event_faults(content, kinds))
    except OverflowError:
        # An integer beyond every float, such as 400 digits.
        return Reading(format_, None, "out_of_range", "a number too large for any column")
    if said:
        return Reading(format_, None, reason_word(said[0]), reason_detail(said))
    return Reading(format_, content)


class _UnreadableError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise _UnreadableError("not_utf8", f"byte {fault.start + 1}") from fault
    if not text.strip():
        raise _UnreadableError("empty_line", "no text")
    try:
        content = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as fault:
        is_cut = fault.pos >= len(text.rstrip()) or fault.msg.startswith("Unterminated string")
        raise _UnreadableError("truncated_json" if is_cut else "malformed_json", f"column {fault.pos + 1}") from fault
    except _KeyTwiceError as fault:
        raise _UnreadableError("malformed_json", f"a key twice: {fault}") from fault
    except (ValueError, RecursionError) as fault:
        # NaN and Infinity, integers of thousands of digits, thousands of brackets.
        raise _UnreadableError("malformed_json", "no JSON number, or nested too deeply") from fault
    if not isinstance(content, dict):
        raise _UnreadableError("not_an_object", f"a {type(content).__name__}")
    return content


class _KeyTwiceError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values; a key that stands twice has two values, and nobody knows which counts."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _KeyTwiceError(twice if twice in KNOWN_KEYS else "one that is not shown")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _format_of(content: Mapping[str, Any], name: str) -> str:
    if "record_version" in content or {"decisions", "slate", "draws"} & content.keys():
        return "decision"
    if "event_id" in content:
        return "event"
    for format_, groups in FOREIGN.items():
        if any(keys <= content.keys() for keys in groups):
            return format_
    if "impression_id" in content:
        return "decision" if name.startswith("decisions-") else "event"
    return "unreadable"


def _decision_faults(record: Mapping[str, Any], strategies: frozenset[str]) -> Iterable[str]:
    """What the contract allows and our tables do not."""
    named = {block["strategy"] for kind in ("looks", "draws") for block in record[kind]}
    for decision in record["decisions"]:
        for entry in (*decision["shortlist"], {"action": decision["action_taken"]}):
            named.update(part.partition(":")[0] for part in entry["action"].split(","))
    unknown = named - strategies
    if unknown:
        yield f"strategies: expected {', '.join(sorted(strategies))}, got {len(unknown)}"
    blocks = {(block["strategy"], block["depth"]): block for kind in ("looks", "draws") for block in record[kind]}
    ranks = [(strategy, result["rank"]) for (strategy, _), block in blocks.items() for result in block["results"]]
    if len(set(ranks)) < len(ranks):
        yield f"ranks: expected each rank once in a strategy, got {len(ranks) - len(set(ranks))}"


def _event_faults(event: Mapping[str, Any], kinds: frozenset[str]) -> Iterable[str]:
    if event["kind"] not in kinds:
        yield f"kind: expected one of {', '.join(sorted(kinds))}, got another"
