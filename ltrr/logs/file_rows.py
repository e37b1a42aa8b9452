"""Readers of the files that Spark cannot read as lines: Zstandard, CSV and Parquet.

A row of columns becomes one line of JSON, whose keys are the columns that are not empty; a dot in
the name of a column makes an object within an object, as exports of OpenSearch write it. Each file
is read by its own columns and types, so files of one night may differ in both.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import IO, Any
from urllib.parse import unquote

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from ltrr.errors import LtrrError

Lines = Iterator[bytes]
_CHUNK = 4 << 20
_MARK = b"\xef\xbb\xbf"
# A row of CSV may hold a field of this many characters; a page of 10 KB was pasted before.
_LARGEST_FIELD = 64 << 20


def read_zstandard(url: str) -> Lines:
    """Lines of a Zstandard file.

    Raises:
        LtrrError: The file is damaged or cut off.
    """
    rest = b""
    is_first = True
    with _open(url) as file:
        for chunk in _unpacked(file, url):
            data = rest + (chunk.removeprefix(_MARK) if is_first else chunk)
            is_first = False
            *lines, rest = data.split(b"\n")
            yield from lines
    if rest:
        yield rest


def read_csv(url: str) -> Lines:
    """Rows of a CSV file with a header; a row with more or fewer fields stays as it is.

    Such a row is no JSON, so its line is rejected with its place, and the others are kept.
    """
    csv.field_size_limit(_LARGEST_FIELD)
    with _open(url) as file:
        packed = gzip.GzipFile(fileobj=file) if url.endswith(".gz") else file
        text = io.TextIOWrapper(packed, encoding="utf-8-sig", errors="surrogateescape", newline="")
        rows = csv.reader(text)
        header = next(rows, None)
        for row in rows:
            if not row:
                # A blank line, often the last one, is no row.
                continue
            if header is None or len(row) != len(header):
                yield ",".join(row).encode("utf-8", "surrogateescape")
            else:
                yield _to_line(dict(zip(header, row, strict=True)))


def read_parquet(url: str) -> Lines:
    """Rows of a Parquet file."""
    with _open(url) as file:
        try:
            table = pq.ParquetFile(file)
        except pa.ArrowInvalid as fault:
            raise damaged_file(url, "Parquet", fault) from fault
        for batch in table.iter_batches(batch_size=2_000):
            columns = [_without_nanoseconds(column) for column in batch.columns]
            for row in pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist():
                yield _to_line(row)


READERS: Mapping[str, Callable[[str], Lines]] = {
    ".zst": read_zstandard,
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".parquet": read_parquet,
}
"""Ending of a file's name -> its reader, from the percent-encoded URL of the file to its lines."""


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row by columns as an object; a dot in a name stands for an object within it.

    Empty text and null stand for a key that is not there.

    >>> nested({"query_id": "q1", "event_attributes.position.ordinal": "3", "user_id": ""})
    {'query_id': 'q1', 'event_attributes': {'position': {'ordinal': '3'}}}
    """
    content: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or value == "":
            continue
        *outer, last = name.split(".")
        place = content
        for part in outer:
            inside = place.setdefault(part, {})
            # A column and an object of the same name: the object keeps both.
            place = inside if isinstance(inside, dict) else place.setdefault(f"{part}.", {})
        place[last] = value
    return content


def _to_line(row: Mapping[str, Any]) -> bytes:
    text = json.dumps(nested(row), ensure_ascii=False, default=_to_text)
    # Bytes that are no UTF-8 stay as they were, and the line is rejected for them.
    return text.encode("utf-8", "surrogateescape")


def _to_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _without_nanoseconds(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def _open(url: str) -> IO[bytes]:
    # fsspec knows `s3`; Hadoop calls it s3a.
    return fsspec.open(unquote(url).replace("s3a://", "s3://"), "rb")  # type: ignore[no-any-return]


def _unpacked(file: IO[bytes], url: str) -> Iterator[bytes]:
    try:
        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except (OSError, pa.ArrowException) as fault:
        raise damaged_file(url, "Zstandard", fault) from fault


def damaged_file(url: str, expected: str, fault: Exception) -> LtrrError:
    """The error for a log file that cannot be read to its end."""
    return LtrrError(
        "a log file cannot be read to its end",
        which=unquote(url),
        expected=f"complete {expected} data",
        got=" ".join(str(fault).split()),
        todo="have the logging service write the file again; nothing of this night was committed",
    )
