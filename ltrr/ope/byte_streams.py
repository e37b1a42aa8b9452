"""Bytes of a log's text files: compressed or not, whole or in blocks of lines."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import pyarrow as pa

from ltrr.errors import LtrrError, UsageError
from ltrr.ope.log_paths import open_file
from ltrr.spark.fault_rules import DAMAGED_FILE

BLOCK_BYTES = 1 << 26
"""Bytes of an uncompressed file that one task reads; a compressed file cannot be split."""

_CHUNK_BYTES = 1 << 23
_MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zst", b"\xfd7zXZ": "xz"}
PARQUET = "a Parquet file"
_BINARY = {
    b"PAR1": PARQUET,
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"ARROW1": "an Arrow file",
    b"SQLite": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x04": "a Python pickle",
    b"\x93NUMPY": "an array of numpy.save: save columns with numpy.savez(FILE, **columns)",
    b"PK\x03\x04": "a ZIP file or a workbook",
    b"\xff\xfe": "text in UTF-16, not UTF-8",
    b"\xfe\xff": "text in UTF-16, not UTF-8",
}
_DAMAGES = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)


def _open_zstd(raw: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))


_OPENERS: dict[str, Callable[[Any], Any]] = {
    "gz": lambda raw: gzip.GzipFile(fileobj=raw),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zst": _open_zstd,
}
"""End of a file's name -> how the file is opened."""


@dataclass(frozen=True)
class Lines:
    """Some whole lines of a file.

    Attributes:
        text: The lines, as bytes.
        before: Number of lines before them in the file; None if the block starts within the file.
        start: Number of bytes before them.
    """

    text: bytes
    before: int | None
    start: int


def find_binary_kind(head: bytes) -> str:
    """What a file is by its first bytes; empty if it may be text in UTF-8.

    >>> find_binary_kind(b"PAR1..."), find_binary_kind(b"reward,pi")
    ('a Parquet file', '')
    """
    return next((looks for magic, looks in _BINARY.items() if head.startswith(magic)), "")


def find_compression(address: str) -> str:
    """How a file is compressed: by its name, else by its first bytes; empty if it is not."""
    ending = address.rpartition(".")[2].lower()
    ending = {"zstd": "zst", "gzip": "gz"}.get(ending, ending)
    if ending in _OPENERS:
        return ending
    with open_file(address) as raw:
        head = raw.read(8)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


@contextmanager
def open_stream(address: str, compression: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed.

    Raises:
        LtrrError: The compressed file is damaged, cut off, or not compressed.
    """
    try:
        with open_file(address) as raw:
            yield _OPENERS[compression](raw) if compression else raw
    except (*_DAMAGES, OSError) as fault:
        if not compression or (isinstance(fault, OSError) and fault.errno):
            raise
        raise LtrrError(
            DAMAGED_FILE,
            which=address,
            expected="a whole file in the compression that its name says",
            got=f"{type(fault).__name__}: {fault}",
            todo="have the file delivered again, or take it out of the folder",
        ) from fault


def list_blocks(address: str) -> list[tuple[str, str, int, int]]:
    """(address, compression, start, end) of the parts of a file that tasks read.

    The end of a compressed file is -1.

    Raises:
        UsageError: The file is not text.
    """
    compression = find_compression(address)
    if compression:
        return [(address, compression, 0, -1)]
    with open_file(address) as raw:
        if looks := find_binary_kind(raw.read(8)):
            raise UsageError(
                "a file is not text",
                which=address,
                expected="text in UTF-8",
                got=looks,
                todo="correct --format, or take the file out of the folder",
            )
        size = raw.seek(0, 2)
    return [(address, "", start, min(start + BLOCK_BYTES, size)) for start in range(0, max(size, 1), BLOCK_BYTES)]


def read_lines(address: str, compression: str, start: int, end: int) -> Iterator[Lines]:
    """The lines of a block, which begin in it, in chunks; the byte order mark is left out."""
    with open_stream(address, compression) as stream:
        if start:
            stream.seek(start - 1)
            start += len(stream.readline()) - 1
        before: int | None = None if start else 0
        place = start
        while end < 0 or place < end:
            size = _CHUNK_BYTES if end < 0 else min(_CHUNK_BYTES, end - place)
            text = stream.read(size)
            if not text:
                return
            if not text.endswith(b"\n"):
                text += _read_line(stream)
            yield Lines(text.removeprefix(b"\xef\xbb\xbf") if place == 0 else text, before, place)
            place += len(text)
            before = None if before is None else before + text.count(b"\n")


def _read_line(stream: IO[bytes]) -> bytes:
    """The rest of a line; streams of Arrow have no `readline`."""
    if not isinstance(stream, pa.NativeFile):
        return stream.readline()
    parts = []
    while part := stream.read(1):
        parts.append(part)
        if part == b"\n":
            break
    return b"".join(parts)


def read_head(address: str, size: int = 1 << 16) -> bytes:
    """The first bytes of a file, decompressed, without a byte order mark."""
    with open_stream(address, find_compression(address)) as stream:
        return stream.read(size).removeprefix(b"\xef\xbb\xbf")
