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
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
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

    Raises:
        LtrrError: The file is damaged or cut off, or a field has no end.
    """
    csv.field_size_limit(_LARGEST_FIELD)
    with _open(url) as file:
        packed = gzip.GzipFile(fileobj=file) if url.endswith(".gz") else file
        text = io.TextIOWrapper(packed, encoding="utf-8-sig", errors="surrogateescape", newline="")
        try:
            yield from _csv_lines(text)
        except (csv.Error, EOFError, OSError, zlib.error) as fault:
            raise damaged_file(url, "CSV", fault) from fault


def _csv_lines(text: Iterable[str]) -> Lines:
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


def read_parquet(url: str, group: int | None = None) -> Lines:
    """Rows of a Parquet file, or of one of its row groups.

    Raises:
        LtrrError: The file is no Parquet file, or is damaged.
    """
    with _open(url) as file:
        try:
            rows = pq.ParquetFile(file)
            groups = None if group is None else [group]
            for batch in rows.iter_batches(batch_size=2_000, row_groups=groups):
                columns = [_as_plain(column) for column in batch.columns]
                for row in pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist():
                    yield _to_line(row)
        except (pa.ArrowException, OSError) as fault:
            raise damaged_file(url, "Parquet", fault) from fault


def list_row_groups(url: str) -> list[int]:
    """Number of rows of each row group of a Parquet file, from its footer.

    Raises:
        LtrrError: The file is no Parquet file, or its footer is damaged.
    """
    with _open(url) as file:
        try:
            footer = pq.ParquetFile(file).metadata
            return [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
        except (pa.ArrowException, OSError) as fault:
            raise damaged_file(url, "Parquet", fault) from fault


READERS: Mapping[str, Callable[[str], Lines]] = {
    ".zst": read_zstandard,
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".parquet": read_parquet,
}
"""Ending of a file's name -> its reader, from the percent-encoded URL of the file to its lines."""


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row by columns as an object; a dot in a name stands for an object within it.

    Empty text, null and numbers that are not finite stand for a key that is not there. If a column
    and an object have one name, the other columns of the object keep their whole names.

    >>> nested({"query_id": "q1", "event_attributes.position.ordinal": "3", "user_id": ""})
    {'query_id': 'q1', 'event_attributes': {'position': {'ordinal': '3'}}}
    >>> nested({"a.b": 1, "a": 2}), nested({"a": {"b": float("nan")}, "c": [float("inf"), 1.0]})
    ({'a': 2, 'a.b': 1}, {'a': {}, 'c': [None, 1.0]})
    """
    content: dict[str, Any] = {}
    # Short names first, whatever the order of the columns is.
    for name, value in sorted(row.items(), key=lambda item: item[0].count(".")):
        kept = _only_finite(value)
        if kept is None or kept == "":
            continue
        *outer, last = name.split(".")
        place: Any = content
        for part in outer:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place
        if isinstance(place, dict):
            place[last] = kept
        else:
            content[name] = kept
    return content


def _only_finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if (kept := _only_finite(item)) is not None}
    return [_only_finite(item) for item in value] if isinstance(value, list) else value


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


def _as_plain(column: pa.Array) -> pa.Array:
    """Values that Python can have: times up to the year 9999 and text, whatever the file holds."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.unit == "ns":
            column = column.cast(pa.timestamp("us", kind.tz), safe=False)
        return _converted(column, column.cast(pa.int64()).cast(pa.string()))
    if pa.types.is_date(kind):
        return _converted(column, column.cast(pa.int32() if kind == pa.date32() else pa.int64()).cast(pa.string()))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _converted(column, column.cast(pa.binary()))
    return column


def _converted(column: pa.Array, otherwise: pa.Array) -> pa.Array:
    """The column if Python can have all its values, else another form of them."""
    try:
        column.to_pylist()
    except (OverflowError, ValueError):
        return otherwise
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
