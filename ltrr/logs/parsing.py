"""Parsing of a folder's lines in one pass: one row per line, with nested rows of the tables.

At 1,000x the data there are more files and more blocks of files, one task each, and no shuffle: the
task that reads a line parses it. Spark cannot divide a .gz file, so it is one task of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from ltrr.logs.column_lines import record_batch
from ltrr.logs.folder import relative_path
from ltrr.logs.line_rows import LineReader, LineRow, rejected_row
from ltrr.logs.parsed_rows import parsed_schema

# Columns of this size cost little memory, and their fixed costs are small next to their parsing.
_BYTES_A_BATCH = 16 << 20
# Rows of dictionaries take ten times the memory of their line.
_ROWS_ONE_BY_ONE = 2_000


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
            for run in _split_by_block(large):
                own = (run.column("file_url")[0].as_py(), run.column("block_start")[0].as_py())
                if own != block:
                    block = own
                    source, number = f"{folder}/{relative_path(block[0], root)}", 0
                yield from parse_run(run.column("line").to_pylist(), reader, schema, source, block[1], number)
                number += run.num_rows

    return parse


def _split_by_block(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Parts of one block of a file, of about `_BYTES_A_BATCH`."""
    urls, starts = (pc.run_end_encode(batch.column(name)).run_ends for name in ("file_url", "block_start"))
    ends = sorted({*urls.to_pylist(), *starts.to_pylist()})
    most = max(1, batch.num_rows * _BYTES_A_BATCH // max(batch.nbytes, 1))
    first = 0
    for end in ends:
        while first < end:
            rows = min(most, end - first)
            yield batch.slice(first, rows)
            first += rows


def parse_run(
    lines: Sequence[bytes], reader: LineReader, schema: pa.Schema, source: str, start: int = 0, before: int = 0
) -> Iterator[pa.RecordBatch]:
    """Rows of some lines of a block: those that are read as columns, then the others one by one.

    Args:
        lines: Lines of one file.
        reader: Reader of the night.
        schema: `parsed_schema`, as Arrow has it.
        source: File, relative to the logs folder.
        start: First byte of the block.
        before: Number of lines of the block before these.
    """
    name = source.rpartition("/")[2]
    is_left = np.ones(len(lines), dtype=bool)
    for read in reader.read_columns(lines, name, schema):
        rows = len(read.places)
        place = {
            "source": pa.repeat(source, rows),
            "block_start": pa.repeat(pa.scalar(start, pa.int64()), rows),
            "line": pa.array(read.places + before + 1, pa.int64()),
        }
        yield record_batch(schema, {**place, **read.columns}, rows)
        is_left[read.places] = False
    rest = np.flatnonzero(is_left).tolist()
    for first in range(0, len(rest), _ROWS_ONE_BY_ONE):
        part = rest[first : first + _ROWS_ONE_BY_ONE]
        parsed = [
            {"source": source, "block_start": start, "line": before + n + 1, **reader.row(lines[n], name)} for n in part
        ]
        yield from _to_arrow(parsed, [lines[n] for n in part], schema)


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
