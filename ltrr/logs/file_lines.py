"""Lines of log files of every kind, as bytes with their place; rows become JSON lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.logs.file_rows import READERS, Lines

LINE_COLUMNS = "file_url string, block_start bigint, line binary"
_ROWS_A_BATCH = 2_000
_LARGEST_BATCH = 64 << 20


def read_lines(spark: SparkSession, root: str, names: Sequence[str]) -> DataFrame:
    """Lines of log files.

    Columns: file_url (percent-encoded), block_start, line. Lines are bytes, not text: a line that
    is not UTF-8 must arrive unchanged, so that it is rejected and not repaired. A truncated or
    missing file is an error, whatever the defaults of the session are.

    Spark reads plain text and gzip; it divides plain text. A file of another kind is read by one
    task (`ltrr.logs.file_rows`), and a row of CSV or Parquet is a line of JSON.

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
    rows = [(f"{base}/{quote(name)}", ending) for name, ending in files]
    # A file a task: none of these kinds can be divided by bytes.
    listed = spark.sparkContext.parallelize(rows, len(rows))
    return spark.createDataFrame(listed, "file_url string, ending string").mapInArrow(_read_files, LINE_COLUMNS)


def _read_files(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for file in batch.to_pylist():
            yield from _to_batches(file["file_url"], READERS[file["ending"]])


def _to_batches(url: str, read: Callable[[str], Lines]) -> Iterator[pa.RecordBatch]:
    lines: list[bytes] = []
    size = 0
    for line in read(url):
        lines.append(line)
        size += len(line)
        if len(lines) == _ROWS_A_BATCH or size > _LARGEST_BATCH:
            yield _to_batch(url, lines)
            lines, size = [], 0
    yield _to_batch(url, lines)


def _to_batch(url: str, lines: list[bytes]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array([url] * len(lines), pa.string()),
            pa.array([0] * len(lines), pa.int64()),
            pa.array(lines, pa.binary()),
        ],
        names=["file_url", "block_start", "line"],
    )
