"""One raw line -> a checked decision record, a checked event, or the reason why it is neither."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ltrr.artifacts.record_checks import check_decision_record, check_event, without_later_keys
from ltrr.logs.formats import FORMATS
from ltrr.logs.line_format import Content, Convert, LineContext, LineFaultError, LineFormat, Record
from ltrr.logs.ltrr_lines import LTRR_LINES
from ltrr.logs.reasons import reason_detail, reason_word
from ltrr.logs.redaction import KNOWN_KEYS
from ltrr.logs.settings import EventKind

_SEE = "docs/reference/log-contract.md describes the records that ltrr reads"


@dataclass(frozen=True, slots=True)
class Reading:
    """Result of reading one line.

    Attributes:
        format: decision | event | search | choice | observation | structure | foreign | unreadable.
        content: Content of the `Record`; None if there is a reason. Empty for `structure`.
        reason: A word of `REASONS`; empty if the line is accepted.
        detail: Which, expected, got; without values that could identify a person.
        clock: Form of its time (`ltrr.logs.clocks`); empty if the format has only one.
    """

    format: str
    content: Mapping[str, Any] | None = None
    reason: str = ""
    detail: str = ""
    clock: str = ""


def read_line(
    line: bytes,
    context: LineContext,
    strategies: frozenset[str],
    kinds: Mapping[str, EventKind],
    formats: Sequence[LineFormat] = FORMATS,
) -> Reading:
    r"""Parse and check one line.

    Args:
        line: The unchanged line of the file, without the line feed.
        context: Name of the file, by which `decisions-*` and `events-*` decide the kind of a line
            that does not show it; and the foreign actions that are events.
        strategies: Names of the strategies of the settings and of the bundles that may have served.
        kinds: Kinds of event that the settings name.
        formats: Formats to try, in this order.

    >>> lines = (b" \r", b"\xff", b'{"a": "b', b"7")
    >>> [read_line(line, LineContext(), frozenset(), {}).reason for line in lines]
    ['empty_line', 'not_utf8', 'truncated_json', 'not_an_object']
    """
    try:
        content = _parse(line)
    except LineFaultError as fault:
        return Reading("unreadable", None, fault.reason, fault.detail)
    found = next((format_ for format_ in formats if format_.recognizes(content)), None)
    if found is None and "impression_id" in content:
        # Most likely an incomplete line of ltrr's own: naming its missing keys helps more than
        # "unknown".
        found = LTRR_LINES
    if found is None:
        return Reading("unreadable", None, "unknown_record", f"neither a decision nor an event; {_SEE}")
    if found.convert is None:
        return Reading("foreign", None, "foreign_format", f"looks like {found.name}: {found.refusal}; {_SEE}")
    try:
        kind, record, clock = _convert(found.name, found.convert, content, context)
    except LineFaultError as fault:
        return Reading("foreign", None, fault.reason, fault.detail)
    try:
        failed = _find_faults(kind, record, strategies, kinds)
    except OverflowError:
        # An integer beyond every float, such as 400 digits.
        return Reading(kind, None, "out_of_range", "a number too large for any column")
    if failed:
        return Reading(kind, None, reason_word(failed[0]), reason_detail(failed))
    return Reading(kind, record, clock=clock)


def _find_faults(
    kind: str, record: Content, strategies: frozenset[str], kinds: Mapping[str, EventKind]
) -> Sequence[str]:
    """Failed checks of a record; records of other kinds are checked by their conversion."""
    if kind == "decision":
        return check_decision_record(record) or list(_decision_faults(without_later_keys(record), strategies))
    if kind == "event":
        return check_event(record) or list(_event_faults(record, kinds))
    return ()


def _convert(format_: str, convert: Convert, content: Content, context: LineContext) -> Record:
    """The record of a line.

    A fault of the conversion rejects the line, so that no line stops a night.

    Raises:
        LineFaultError: The line has no record.
    """
    try:
        return convert(content, context)
    except KeyError as missing:
        key = missing.args[0] if missing.args and missing.args[0] in KNOWN_KEYS else "a key that is not shown"
        raise LineFaultError("missing_key", f"{format_} line: expected {key}, got nothing") from missing
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as fault:
        detail = f"{format_} line: expected values of its format, got a value that raises {type(fault).__name__}"
        raise LineFaultError("wrong_value", detail) from fault


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise LineFaultError("not_utf8", f"byte {fault.start + 1}") from fault
    if not text.strip():
        raise LineFaultError("empty_line", "no text")
    try:
        content = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_to_object)
    except json.JSONDecodeError as fault:
        is_cut = fault.pos >= len(text.rstrip()) or fault.msg.startswith("Unterminated string")
        raise LineFaultError("truncated_json" if is_cut else "malformed_json", f"column {fault.pos + 1}") from fault
    except _KeyTwiceError as fault:
        raise LineFaultError("malformed_json", f"a key twice: {fault}") from fault
    except (ValueError, RecursionError) as fault:
        # NaN and Infinity, integers of thousands of digits, thousands of brackets.
        raise LineFaultError("malformed_json", "not a JSON number, or nested too deeply") from fault
    if not isinstance(content, dict):
        raise LineFaultError("not_an_object", f"a {type(content).__name__}")
    return content


class _KeyTwiceError(Exception):
    pass


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Object of these keys and values; a repeated key is a fault, since its value is not clear."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _KeyTwiceError(twice if twice in KNOWN_KEYS else "one that is not shown")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _decision_faults(record: Mapping[str, Any], strategies: frozenset[str]) -> Iterable[str]:
    """Faults that the contract allows and the tables do not."""
    fetched = [block for kind in ("looks", "draws", "off_path") for block in record.get(kind, ())]
    named = {block["strategy"] for block in fetched}
    for decision in (*record["decisions"], *([record["shadow"]] if "shadow" in record else [])):
        for entry in (*decision["shortlist"], {"action": decision["action_taken"]}):
            named.update(part.partition(":")[0] for part in entry["action"].split(","))
    unknown = [name for name in named if name not in strategies]
    if unknown:
        yield f"strategies: expected {', '.join(sorted(strategies))}, got {len(unknown)}"
    blocks = {(block["strategy"], block["depth"]): block for block in fetched}
    ranks = [(strategy, result["rank"]) for (strategy, _), block in blocks.items() for result in block["results"]]
    if len(set(ranks)) < len(ranks):
        yield f"ranks: expected each rank once in a strategy, got {len(ranks) - len(set(ranks))}"


def _event_faults(event: Mapping[str, Any], kinds: Mapping[str, EventKind]) -> Iterable[str]:
    if event["kind"] not in kinds:
        yield f"kind: expected one of {', '.join(sorted(kinds))}, got another"
    elif kinds[event["kind"]].shows and event.get("position") is None:
        yield "position: expected a whole number for an event that shows an entity, got nothing"
