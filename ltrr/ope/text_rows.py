"""Rows of text logs, read by tasks block by block: each row knows its file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import isfinite

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.errors import UsageError
from ltrr.ope.byte_streams import Lines, list_blocks, read_lines
from ltrr.ope.log_paths import CANNOT_READ, LogPath

PLACE = "ltrr_place"
"""Optional column of a log: file and line of a row, shown with the row's fault."""

ToRows = Callable[[Lines, str], Iterator[pa.RecordBatch]]
"""(lines, name of their file) -> rows as Arrow batches."""

_TASKS_PER_CORE = 4
_BLOCKS = "address string, compression string, start bigint, stop bigint, name string"


def read_text_rows(spark: SparkSession, log: LogPath, to_rows: ToRows, schema: str) -> DataFrame:
    """Rows of a text log.

    Args:
        spark: Spark session.
        log: The log.
        to_rows: Reader of some lines; it is sent to tasks.
        schema: Schema of the rows.

    Raises:
        UsageError: The log's files are empty.
    """
    if not log.files:
        return (
            spark.read.text(log.given)
            .select(F.input_file_name(), "value")
            .mapInArrow(partial(_values_to_rows, to_rows), schema)
        )
    blocks = [(*block, log.name(address)) for address in log.files for block in list_blocks(address)]
    blocks = [block for block in blocks if block[1] or block[3] > 0]
    if not blocks:
        raise UsageError(CANNOT_READ, which=log.given, expected="at least one decision", got="an empty file")
    tasks = min(len(blocks), _TASKS_PER_CORE * spark.sparkContext.defaultParallelism)
    rows = spark.sparkContext.parallelize(blocks, tasks)
    return spark.createDataFrame(rows, _BLOCKS).mapInArrow(partial(_blocks_to_rows, to_rows), schema)


def name_place(name: str, lines: Lines, number: int) -> str:
    """File and line of a row.

    Args:
        name: Name of the file.
        lines: The lines.
        number: Number of the row among the lines, from 0.

    >>> name_place("log.json", Lines(b"", 10, 4_000), 2)
    'log.json line 13'
    >>> name_place("log.json", Lines(b"", None, 4_000), 2)
    'log.json, line 3 after byte 4000'
    """
    if lines.before is None:
        return f"{name}, line {number + 1} after byte {lines.start}"
    return f"{name} line {lines.before + number + 1}"


def with_numbers(rows: DataFrame, names: Iterable[str]) -> DataFrame:
    """The rows with these columns of text as doubles; null if a text is no number."""
    return rows.withColumns({name: F.col(f"`{name}`").try_cast("double") for name in names})


def is_number(text: object) -> bool:
    """Whether a value is a finite number, or the text of one.

    >>> is_number("1e-3"), is_number(2), is_number("1e400"), is_number(""), is_number(True)
    (True, True, False, False, False)
    """
    try:
        return not isinstance(text, bool) and isfinite(float(text))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def decode(text: bytes) -> str:
    """The bytes as UTF-8; a byte that is not becomes a replacement character."""
    return text.decode("utf-8", errors="replace")


def _blocks_to_rows(to_rows: ToRows, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for block in batch.to_pylist():
            for lines in read_lines(block["address"], block["compression"], block["start"], block["stop"]):
                yield from to_rows(lines, block["name"])


def _values_to_rows(to_rows: ToRows, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of lines that Spark read from a file system that Python does not know."""
    for batch in batches:
        for address, value in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield from to_rows(Lines(value.encode(), None, 0), address)
