"""Comparison of lines that are read as columns with the same lines read one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from ltrr.logs.formats import formats_named
from ltrr.logs.line_rows import LineReader
from ltrr.logs.parsed_rows import parsed_schema
from ltrr.logs.parsing import parse_run
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from tests.logs.log_lines import NIGHT, SPACE

HISTORY = LineReader(
    NIGHT, date(2026, 2, 1), frozenset(SPACE.strategies), LogSettings(), Pseudonyms("s"), is_history=True
)
NIGHTLY = replace(HISTORY, is_history=False, first_open=date(2026, 3, 1))
UBI = replace(HISTORY, formats=formats_named("ubi"))


@cache
def arrow_schema() -> pa.Schema:
    """Arrow schema of the parsed rows; Spark makes it."""
    return to_arrow_schema(parsed_schema(), timezone="UTC")


def line_by_line(reader: LineReader) -> LineReader:
    """The same reader without columns."""
    return replace(reader, formats=tuple(replace(one, read_columns=None) for one in reader.formats))


def rows(reader: LineReader, lines: list[bytes]) -> list[dict[str, Any]]:
    """Rows of lines, in their order."""
    batches = parse_run(lines, reader, arrow_schema(), "dt=2026-03-02/log-1.ndjson")
    found = pa.Table.from_batches(batches, arrow_schema()).to_pylist()
    return sorted(found, key=lambda row: row["line"])


def check_equal(reader: LineReader, lines: list[bytes]) -> int:
    """Number of lines that are read as columns, after the comparison of all rows."""
    # As text, in which NaN equals NaN.
    assert list(map(str, rows(reader, lines))) == list(map(str, rows(line_by_line(reader), lines)))
    return sum(len(read.places) for read in reader.read_columns(lines, "log-1.ndjson", arrow_schema()))
