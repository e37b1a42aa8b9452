"""Parsing of a folder's lines in one pass: one row per line, with nested rows of the tables.

At 1,000x the data there are more files and more blocks of files, one task each, and no shuffle: the
task that reads a line parses it. Spark cannot divide a .gz file, so it is one task of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from ltrr.logs.folder import relative_path
from ltrr.logs.line_rows import LineReader, LineRow, rejected_row
from ltrr.tables.catalog import table
from ltrr.tables.table import Column

ROWS_A_BATCH = 2_000

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


def parse_lines(lines: DataFrame, reader: LineReader, root: str) -> DataFrame:
    """Rows of `parsed_schema`, one per line.

    `source` is the path of the file from the night's folder on. The frame must come straight from
    the files, because lines are counted in the order in which a task reads them.

    Args:
        lines: Lines, as `read_lines` gives them.
        reader: Reader of the night.
        root: Path of the night's folder without scheme and host (`folder.root_of`).
    """
    schema = parsed_schema()
    return lines.mapInArrow(_parser(reader, root, to_arrow_schema(schema, timezone="UTC")), schema)


def with_offset(parsed: DataFrame, lines_before: Sequence[tuple[str, int, int]]) -> DataFrame:
    """Add `offset`, the 1-based number of the line in its file; drop `block_start` and `line`.

    Args:
        parsed: Rows of `parsed_schema`.
        lines_before: Source, block_start, and number of lines of the file before the block, for
            every block but the first of a file.

    `lines_before` has one row per block of 128 MB: at 1,000x the data still a broadcast of a few
    thousand rows.

    >>> schema = "source string, block_start bigint, line bigint"
    >>> parsed = spark.createDataFrame([("a", 0, 2), ("a", 50, 1)], schema)
    >>> [tuple(row) for row in with_offset(parsed, [("a", 50, 2)]).orderBy("offset").collect()]
    [('a', 2), ('a', 3)]
    """
    if not lines_before:
        return parsed.withColumnRenamed("line", "offset").drop("block_start")
    before = parsed.sparkSession.createDataFrame(
        list(lines_before), "source string, block_start bigint, lines_before bigint"
    )
    offset = F.col("line") + F.coalesce(F.col("lines_before"), F.lit(0))
    joined = parsed.join(F.broadcast(before), on=["source", "block_start"], how="left")
    return joined.withColumn("offset", offset).drop("block_start", "line", "lines_before")


def _parser(
    reader: LineReader, root: str, schema: pa.Schema
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    folder = root.rpartition("/")[2]

    def parse(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        block: tuple[str, int] = ("", 0)
        source, number = "", 0
        for large in batches:
            for start in range(0, large.num_rows, ROWS_A_BATCH):
                rows: list[LineRow] = []
                lines: list[bytes] = []
                for line in large.slice(start, ROWS_A_BATCH).to_pylist():
                    if (line["file_url"], line["block_start"]) != block:
                        block = (line["file_url"], line["block_start"])
                        source, number = f"{folder}/{relative_path(block[0], root)}", 0
                    number += 1
                    place = {"source": source, "block_start": block[1], "line": number}
                    rows.append({**place, **reader.row(line["line"], source.rpartition("/")[2])})
                    lines.append(line["line"])
                yield from _to_arrow(rows, lines, schema)

    return parse


def _to_arrow(rows: list[LineRow], lines: list[bytes], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows as Arrow; a row that does not fit its columns is rejected and stops no night."""
    try:
        yield pa.RecordBatch.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, UnicodeEncodeError, OverflowError) as fault:
        if len(rows) == 1:
            is_text = isinstance(fault, UnicodeEncodeError)
            word, detail = (
                ("not_utf8", "half of a surrogate pair")
                if is_text
                else ("out_of_range", "a number too large for its column")
            )
            place: dict[str, Any] = {key: rows[0][key] for key in ("source", "block_start", "line")}
            rejected = {**place, **rejected_row(lines[0], rows[0]["format"], word, detail)}
            yield pa.RecordBatch.from_pylist([rejected], schema=schema)
            return
        half = len(rows) // 2
        yield from _to_arrow(rows[:half], lines[:half], schema)
        yield from _to_arrow(rows[half:], lines[half:], schema)
