"""Declaration of a log format: how its lines are recognized, and converted or refused.

`ltrr.logs.formats` is the registry and says how to add a format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ltrr.artifacts.manifest import PolicySettings
from ltrr.logs.line_batch import LineBatch

Content = Mapping[str, Any]

SERVICE_PATHS: Mapping[str, str] = {
    "plan": "i.id",
    "query_text": "c.query_text",
    "user": "c.user",
    "session": "c.session",
    "surface": "c.surface",
}
"""Value of a decision service's line -> its path by default; that of the plan within its action."""


class Record(NamedTuple):
    """One line as a record, not checked yet.

    Attributes:
        kind: `decision` or `event` of ltrr's own contract; `search`, a search without decision and
            slate, as `ltrr.logs.search_rows` describes it; `choice`, a plan that a decision service
            chose, with its reward and without a slate, as `ltrr.logs.service_lines` makes it;
            `observation`, one that came after the decision of such a service; or `structure`, a
            line that belongs to the layout of the file and has no record.
        content: The record; empty for `structure`.
        clock: Form of its time, one of `ltrr.logs.clocks.FORMS`; empty if the contract of the
            format allows only one form.
    """

    kind: Literal["decision", "event", "search", "choice", "observation", "structure"]
    content: Content
    clock: str = ""


@dataclass(frozen=True)
class LineContext:
    """Facts about a line that it does not contain itself.

    Attributes:
        file_name: Name of its file.
        actions: Name of a foreign action -> kind of event of the settings (`logs.actions`).
        service_paths: Name of a value of a decision service's line -> its path
            (`logs.service_paths`).
        policy: Policy of the home; None where lines are only inspected.
    """

    file_name: str = ""
    actions: Mapping[str, str] = field(default_factory=dict)
    service_paths: Mapping[str, str] = field(default_factory=lambda: dict(SERVICE_PATHS))
    policy: PolicySettings | None = None


class LineFaultError(Exception):
    """A line of a known format that has no record.

    Args:
        reason: A word of `ltrr.logs.reasons.REASONS`.
        detail: Which, expected, got; without values that could name a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


ReadColumns = Callable[[LineBatch, Any, Any], Any]
"""(lines, `LineReader` of the night, Arrow schema of the rows) -> `column_lines.ColumnRows`
of each kind of line."""

Convert = Callable[[Content, LineContext], Record]
"""(JSON object of the line, its context) -> record. It may raise `LineFaultError`, or
`KeyError`, `TypeError`, `ValueError` and their like where the object lacks a key or a value has
another type."""


@dataclass(frozen=True)
class LineFormat:
    """Lines of one kind, each a JSON object.

    Attributes:
        name: Name in messages.
        keys: Groups of keys. An object that has every key of one group is of this format.
        convert: Conversion of one object to a record of ltrr's contract, which then passes the same
            checks as a record that a service wrote. None for a format that is refused.
        refusal: Reason why ltrr does not read the format; empty if it does.
        shown_keys: Keys that excerpts of rejected lines may show, next to those of ltrr's own
            records.
        read_columns: Reader of many lines at once (`ltrr.logs.column_lines`), or None. It takes
            only lines that this format would convert to the same rows one by one.
    """

    name: str
    keys: tuple[frozenset[str], ...]
    convert: Convert | None = None
    refusal: str = ""
    shown_keys: frozenset[str] = frozenset()
    read_columns: ReadColumns | None = None

    def recognizes(self, content: Content) -> bool:
        """Whether an object is a line of this format.

        >>> bulk = LineFormat("bulk", (frozenset({"index"}), frozenset({"create", "id"})))
        >>> bulk.recognizes({"index": {}}), bulk.recognizes({"create": {}})
        (True, False)
        >>> bulk.recognizes({"create": {}, "id": 1})
        True
        """
        return any(group <= content.keys() for group in self.keys)
