"""ltrr's own lines: decision records and events as `ltrr.artifacts` defines them."""

from __future__ import annotations

from ltrr.logs.line_format import Content, LineContext, LineFormat, Record
from ltrr.logs.record_columns import read_columns

_OF_DECISIONS = frozenset({"record_version", "decisions", "slate", "draws"})
_OF_EVENTS = frozenset({"event_id"})


def to_own_record(content: Content, context: LineContext) -> Record:
    """The unchanged object with its kind. If no key shows the kind, the name of the file decides.

    >>> to_own_record({"slate": []}, LineContext("x.ndjson")).kind
    'decision'
    >>> to_own_record({"event_id": "v1"}, LineContext("x.ndjson")).kind
    'event'
    >>> to_own_record({"impression_id": "i1"}, LineContext("decisions-1.ndjson")).kind
    'decision'
    """
    if _OF_DECISIONS & content.keys():
        return Record("decision", content)
    if _OF_EVENTS & content.keys():
        return Record("event", content)
    return Record("decision" if context.file_name.startswith("decisions-") else "event", content)


LTRR_LINES = LineFormat(
    "ltrr",
    tuple(frozenset({key}) for key in sorted(_OF_DECISIONS | _OF_EVENTS)),
    to_own_record,
    read_columns=read_columns,
)
