"""Reasons for rejecting a line: a closed list of words, and the rules that choose them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

REASONS: Mapping[str, str] = {
    # the line
    "empty_line": "nothing but white space",
    "not_utf8": "bytes or escapes that are not text",
    "truncated_json": "the line ends inside a value",
    "malformed_json": "not JSON: the fault is within the line",
    "not_an_object": "JSON, but not an object",
    "foreign_format": "a line of a format that ltrr recognizes and does not read",
    "unknown_record": "an object that is neither a decision nor an event",
    # one value
    "unknown_version": "a record version that this ltrr does not read",
    "missing_key": "a key of the contract is missing",
    "wrong_value": "a value of a wrong type or outside its range",
    "bad_timestamp": "not a UTC time of the contract's form",
    "bad_propensity": "a propensity outside (0, 1], or one that differs from that of its distribution",
    "bad_position": "slate positions that are not 1, 2, ... in order",
    "unknown_strategy": "a strategy that neither the settings nor a bundle that may still serve names",
    "unknown_kind": "an event of a kind that the settings do not name",
    "other_action": "a foreign action that is no event: `logs.actions` does not name it",
    "out_of_range": "a number too large for its column",
    # a line of a decision service
    "not_activated": "a decision of a decision service whose plan was never shown",
    "after_label": "an observation of a decision service that came after the reward of its decision",
    # parts that contradict each other
    "propensity_sum": "propensities of all plans that do not add up to 1",
    "plan_not_drawn": "draws that are not those of the plan taken",
    "entity_not_drawn": "a slate with an entity that no draw returned",
    "entity_twice": "a slate with the same entity twice",
    "bad_ranks": "a block with gaps in its ranks, or two blocks of a strategy with the same rank",
    "contradiction": "a record with parts that contradict each other",
    # its date, and rows of earlier lines
    "future": "a date later than that of its folder, by more than clock_skew_seconds",
    "late": "a record or event of a closed date",
    "duplicate": "an impression_id or event_id that an earlier line has",
    "same_search": "a further document of a search that adds no page to it, such as a request for facets",
    "forgotten": "a line of a user who asked to be forgotten",
    # an event and its impression
    "not_shown": "an entity that was not on the slate of the impression when its date closed",
    "outside_window": "a time before the impression, or after the window of its kind",
    "unmatched": "no impression of this id within late_days nights",
}

# where, expected -> word; the first match counts. A failed check reads `<where>: expected <what>,
# got <what>`.
_RULES: tuple[tuple[str, str, str], ...] = (
    (r"record_version", r"", "unknown_version"),
    (r"at", r"a UTC time", "bad_timestamp"),
    (r"kind", r"", "unknown_kind"),
    (r"strategies", r"", "unknown_strategy"),
    (r"propensities", r"", "propensity_sum"),
    (r"(.*\.)?((version_)?propensity|floor)", r"", "bad_propensity"),
    (r"(slate\[\d+\]\.)?position", r"", "bad_position"),
    (r"slate", r"positions", "bad_position"),
    (r"slate", r"each entity once", "entity_twice"),
    (r"slate", r"entities of the draws", "entity_not_drawn"),
    (r"draws", r"the blocks of", "plan_not_drawn"),
    (r"(looks|draws|off_path|ranks) ?.*", r"(ranks without gaps|each rank once)", "bad_ranks"),
    (
        r"(looks|draws|off_path)( .*)?|shortlist|(taken_)?features|history|decisions|shadow",
        r"(?!a list|an object)",
        "contradiction",
    ),
)
NO_FAULTS = frozenset({"forgotten", "other_action", "same_search", "not_activated", "after_label"})
"""Reasons that are no fault of the logs: the check of the rejected share leaves them out."""

_FAILED_CHECK = re.compile(r"(?P<where>.*?): expected (?P<expected>.*), got (?P<got>.*)", re.DOTALL)

# A detail shows a value only if it is a number, a list of numbers or one of these words, and never
# of these keys.
_PLAIN = re.compile(r"(nothing|none|others|one twice|[-+0-9.e\[\](), ]{1,60}(\.\.\.)?)")
_PERSONAL = re.compile(r"(user|session|query_text|context|record|event)\b.*")
MAX_SHOWN = 3


def reason_word(failed: str) -> str:
    """Reason for a failed check.

    >>> reason_word("user: expected text that is not empty, got nothing")
    'missing_key'
    >>> reason_word("decisions[0].propensity: expected a number above 0 and up to 1, got 1.5")
    'bad_propensity'
    >>> reason_word("draws: expected the blocks of title:2, got title:1")
    'plan_not_drawn'
    >>> reason_word("draws: expected a list, got 3")
    'wrong_value'
    """
    parts = _FAILED_CHECK.fullmatch(failed)
    if parts is None:
        return "contradiction"
    if parts["got"] == "nothing":
        return "missing_key"
    for where, expected, word in _RULES:
        if re.fullmatch(where, parts["where"]) and re.match(expected, parts["expected"]):
            return word
    return "wrong_value"


def reason_detail(failed: Sequence[str]) -> str:
    """Failed checks without values that could identify a person; at most three of them.

    >>> reason_detail(["user: expected text that is not empty, got 4711"])
    'user: expected text that is not empty, got another value'
    >>> reason_detail(["propensities: expected a sum of 1, got 0.9", "floor: expected x, got 0"])
    'propensities: expected a sum of 1, got 0.9; floor: expected x, got 0'
    >>> reason_detail(["slate: expected entities of the draws, got ['e9']"])
    'slate: expected entities of the draws, got another value'
    """
    shown = "; ".join(_without_values(one) for one in failed[:MAX_SHOWN])
    return shown if len(failed) <= MAX_SHOWN else f"{shown}; and {len(failed) - MAX_SHOWN} more"


def _without_values(failed: str) -> str:
    parts = _FAILED_CHECK.fullmatch(failed)
    if parts is None:
        return "unreadable"
    is_shown = _PLAIN.fullmatch(parts["got"]) and (parts["got"] == "nothing" or not _PERSONAL.fullmatch(parts["where"]))
    return f"{parts['where']}: expected {parts['expected']}, got {parts['got'] if is_shown else 'another value'}"
