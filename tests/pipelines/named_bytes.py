"""Search for the id and the key of a user in every byte of a home."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ltrr.core.hashing import user_key


def user_with_small_key(secret: str) -> str:
    """A user id whose key is smaller than almost every other.

    Statistics of files hold the smallest and the largest values.
    """
    return next(name for n in count() if user_key(secret, name := f"person-who-left-{n}").startswith("000"))


def files_naming(folder: Path, names: Sequence[str], *, without: Path | None = None) -> list[str]:
    """Files below a folder, relative to it, that hold one of the names; sorted."""
    wanted = [name.encode() for name in names]
    files = [file for file in folder.rglob("*") if file.is_file() and not (without and file.is_relative_to(without))]
    return sorted(
        str(file.relative_to(folder))
        for file in files
        if any(name in text for text in texts_of(file) for name in wanted)
    )


def texts_of(file: Path) -> Iterator[bytes]:
    """Content of a file: its bytes, and what they hold if they are compressed or columns."""
    raw = file.read_bytes()
    yield raw
    if file.name.endswith(".gz"):
        yield gzip.decompress(raw)
    elif file.name.endswith(".zst"):
        yield pa.input_stream(pa.BufferReader(raw), compression="zstd").read()
    elif file.name.endswith(".parquet"):
        yield str(pq.ParquetFile(file).read().to_pylist()).encode()
