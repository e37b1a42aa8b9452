"""Columns of a parsed line: rows of the log tables, nested in one row per line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from pyspark.sql import types as T

from ltrr.tables.catalog import table
from ltrr.tables.table import Column

_IMPRESSION = table("impressions").columns
_IN_IMPRESSION = frozenset(column.name for column in _IMPRESSION)
# Columns that come from events, which the decision record does not have.
_FROM_EVENTS = frozenset({"clicks", "page_reward"})
_EVENT = tuple(
    table("events").column(name)
    for name in ("event_id", "impression_id", "entity_id", "kind", "at", "value", "position", "arrival_date")
)
NESTED = ("decisions", "draws", "candidates", "slate_rows")
"""Tables whose rows are nested in the row of a line, each under its name."""


def own_columns(name: str) -> tuple[Column, ...]:
    """Columns of a nested table that its impression does not have.

    >>> [column.name for column in own_columns("slate_rows")]
    ['position', 'entity_id', 'features']
    """
    return tuple(c for c in table(name).columns if c.name not in _IN_IMPRESSION | _FROM_EVENTS)


def _struct(columns: Iterable[Column]) -> str:
    return "struct<" + ",".join(f"{column.name}:{column.type}" for column in columns) + ">"


def parsed_schema() -> T.StructType:
    """Columns of `parse_lines`.

    Grain: source, block_start, line. `line` is 1-based within the block of the file that one task
    reads, and the block starts at `block_start` bytes. `with_offset` turns both into the number of
    the line in the file. If `reason` is null, either `impression` and the arrays of its rows are
    set, or `event`.
    """
    nested = ", ".join(f"{name} array<{_struct(own_columns(name))}>" for name in NESTED)
    schema = T.StructType.fromDDL(
        "source string, block_start bigint, line bigint, line_hash string, format string, clock string, "
        "reason string, detail string, excerpt string, "
        f"impression {_struct(_IMPRESSION)}, {nested}, event {_struct(_EVENT)}"
    )
    return cast("T.StructType", schema)
