"""Lines of log files of every kind, as bytes with their place; rows become JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.logs.file_rows import READERS, Lines, list_row_groups, read_parquet
from ltrr.logs.folder import read_fault

PARQUET = ".parquet"
_PARTS = "file_url string, ending string, part int, first_row bigint"
LINE_COLUMNS = "file_url string, block_start bigint, line binary"
_ROWS_A_BATCH = 2_000
_LARGEST_BATCH = 64 << 20


def read_lines(spark: SparkSession, root: str, names: Sequence[str]) -> DataFrame:
    """Lines of log files.

    Columns: file_url (percent-encoded), block_start, line. Lines are bytes, not text: a line that
    is not UTF-8 must arrive unchanged, so that it is rejected and not repaired. A truncated or
    missing file is an error, whatever the defaults of the session are.

    Spark reads plain text and gzip; it divides plain text. A row of CSV or Parquet is a line of
    JSON (`ltrr.logs.file_rows`). A task reads a row group of Parquet, or a whole file of the kinds
    that cannot be divided.

    Args:
        spark: Spark session.
        root: Folder as a path or URL; empty for the root of the local file system.
        names: Paths of the files within the folder, not encoded.
    """
    kinds = {name: next((ending for ending in READERS if name.endswith(ending)), "") for name in names}
    lines = _read_text(spark, root, [name for name, ending in kinds.items() if not ending])
    others = [(name, ending) for name, ending in kinds.items() if ending]
    return lines.unionByName(_read_others(spark, root, others)) if others else lines


def _read_text(spark: SparkSession, root: str, names: Sequence[str]) -> DataFrame:
    if not names:
        return spark.createDataFrame([], LINE_COLUMNS)
    reader = spark.read.options(recursiveFileLookup=True, ignoreCorruptFiles=False, ignoreMissingFiles=False)
    # Spark reads a path as a pattern.
    literal = [re.sub(r"([\\*?\[\]{}])", r"\\\1", f"{root}/{name}") for name in names]
    return reader.text(literal, lineSep="\n").select(
        F.col("_metadata.file_path").alias("file_url"),
        F.col("_metadata.file_block_start").alias("block_start"),
        F.col("value").cast("binary").alias("line"),
    )


def _read_others(spark: SparkSession, root: str, files: Sequence[tuple[str, str]]) -> DataFrame:
    base = root if "://" in root else f"file://{quote(root)}"
    parts = [(f"{base}/{quote(name)}", ending, None, 0) for name, ending in files]
    frame = _to_frame(spark, parts)
    if any(ending == PARQUET for _, ending in files):
        # The driver gets one row per row group, as it later gets one per block of a file.
        try:
            found = frame.mapInArrow(_divide_files, _PARTS).collect()
        except (PySparkException, Py4JJavaError) as fault:
            raise read_fault(fault, root) from fault
        frame = _to_frame(spark, [tuple(row) for row in found])
    return frame.mapInArrow(_read_parts, LINE_COLUMNS)


def _to_frame(spark: SparkSession, parts: Sequence[tuple[Any, ...]]) -> DataFrame:
    """Parts of files, one per task."""
    return spark.createDataFrame(spark.sparkContext.parallelize(parts, len(parts)), _PARTS)


def _divide_files(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        divided = [part for file in batch.to_pylist() for part in _divide(file)]
        yield pa.RecordBatch.from_pylist(divided, schema=batch.schema)


def _divide(file: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row groups of a Parquet file; a file of another kind, or without rows, as it is."""
    sizes = list_row_groups(file["file_url"]) if file["ending"] == PARQUET else []
    if not sizes:
        yield file
    for group, (size, rows_to_end) in enumerate(zip(sizes, accumulate(sizes), strict=True)):
        yield {**file, "part": group, "first_row": rows_to_end - size}


def _read_parts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for file in batch.to_pylist():
            url, part = file["file_url"], file["part"]
            lines = READERS[file["ending"]](url) if part is None else read_parquet(url, part)
            yield from _to_batches(url, file["first_row"], lines)


def _to_batches(url: str, first_row: int, read: Lines) -> Iterator[pa.RecordBatch]:
    lines: list[bytes] = []
    size = 0
    for line in read:
        lines.append(line)
        size += len(line)
        if len(lines) == _ROWS_A_BATCH or size > _LARGEST_BATCH:
            yield _to_batch(url, first_row, lines)
            lines, size = [], 0
    yield _to_batch(url, first_row, lines)


def _to_batch(url: str, first_row: int, lines: list[bytes]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array([url] * len(lines), pa.string()),
            pa.array([first_row] * len(lines), pa.int64()),
            pa.array(lines, pa.binary()),
        ],
        names=["file_url", "block_start", "line"],
    )
