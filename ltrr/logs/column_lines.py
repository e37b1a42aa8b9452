"""Lines of a known format as columns: JSON parsed by Arrow, without a Python loop over its values.

A format that reads columns takes the lines that it proves to be good. Every other line goes through
`LineReader.row`, which gives its row or its reason; so both ways give the same rows, and a test
compares them on random lines. There are two differences: a key that is twice in a line rejects it
only if ltrr reads the key, and so does a value that is nested too deeply or too long for Python.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ltrr.arrays import Bools, Longs
from ltrr.logs.line_batch import LineBatch
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings

_LARGEST_BLOCK = (1 << 31) - 1
# A part of at most this number of lines with a fault is read one by one. To parse a part costs
# about as much as to read ten lines.
_SMALLEST_PART = 32
ESCAPED_LETTERS = tuple(b"\\u00%d" % high for high in (4, 5, 6, 7))
"""Letters that are written as escapes: the bytes of a line may not show its keys."""
# Number of bytes in which the sign before a value is searched. Longer white space counts as a sign.
_NEAR = 32


class NightFacts(Protocol):
    """Facts about the night that a reader of columns needs; `LineReader` has them."""

    @property
    def night(self) -> date:
        """Date of the folder."""

    @property
    def first_open(self) -> date:
        """Oldest date that may still change."""

    @property
    def strategies(self) -> frozenset[str]:
        """Strategies that a record may name."""

    @property
    def settings(self) -> LogSettings:
        """Kinds of event, foreign actions and clock skew."""

    @property
    def pseudonyms(self) -> Pseudonyms:
        """Pseudonyms of users."""

    @property
    def is_history(self) -> bool:
        """Whether a row arrived on the date of its time."""

    @property
    def key_version(self) -> int:
        """Version of the query key of the home."""


class ColumnRows(NamedTuple):
    """Rows of the lines that were read as columns.

    Attributes:
        places: Index of each line within the batch, ascending, [N].
        columns: Name of a column of the parsed rows -> its values, [N]; missing ones are null.
            Rejected lines have a reason and a detail; `LineReader` adds their excerpts.
    """

    places: Longs
    columns: Mapping[str, pa.Array]


@dataclass(frozen=True)
class Parsed:
    """Lines that Arrow could parse.

    Attributes:
        places: Index of each line within the batch, ascending, [N].
        table: Their values by the schema, [N].
    """

    places: Longs
    table: pa.Table


def parse_objects(
    lines: Sequence[bytes],
    schemas: Sequence[pa.Schema],
    choose: Callable[[bytes], int],
    foreign: Sequence[bytes] = (),
    rewritten: Sequence[tuple[bytes, bytes]] = (),
    choose_for_all: Callable[[LineBatch], int | None] = lambda _: None,
) -> list[Parsed]:
    """Parse lines as objects, each by the schema that is chosen for it; others are left.

    A part with a fault is divided in halves until it is small: a bad line leaves a few of its
    neighbours to be read one by one, which costs less than to parse each of them alone.

    Args:
        lines: Lines without the line feed.
        schemas: Alternatives, such as a time as text or as a number. Other keys are ignored.
        choose: Function that looks at a line and returns the index of its schema, or -1 to leave
            the line.
        foreign: Texts of lines that are left, because another format would read them.
        rewritten: Texts, each with the text that Arrow reads in its place.
        choose_for_all: Function that returns the index of one schema for all lines, or None to
            choose for each of them. A line that does not fit its schema is left.

    >>> lines = [b'{"a": 1}', b'{"a": "x"}', b'{"a": 2, "b": []}']
    >>> schemas = [pa.schema([("a", kind)]) for kind in (pa.int64(), pa.string())]
    >>> parts = parse_objects(lines, schemas, lambda line: int(b"x" in line))
    >>> sorted((int(place), value) for part in parts
    ...        for place, value in zip(part.places, part.table["a"].to_pylist()))
    [(0, 1), (1, 'x'), (2, 2)]
    """
    batch = LineBatch.of(lines)
    found: list[Parsed] = []
    for schema, places in zip(schemas, _groups(batch, len(schemas), choose, foreign, choose_for_all), strict=True):
        _parse_part(batch, places, schema, rewritten, found)
    return found


def _groups(
    lines: LineBatch,
    schemas: int,
    choose: Callable[[bytes], int],
    foreign: Sequence[bytes],
    choose_for_all: Callable[[LineBatch], int | None],
) -> list[Longs]:
    """Places of the lines of each schema, as `parse_objects` chooses them."""
    is_plain = _plain_lines(lines, foreign)
    common = choose_for_all(lines)
    if common is not None and lines.are_objects and all(is_plain):
        return [np.arange(len(lines) if n == common else 0) for n in range(schemas)]
    chosen = np.array([choose(line) if is_plain[n] and _is_object(line) else -1 for n, line in enumerate(lines)])
    return [np.flatnonzero(chosen == n) for n in range(schemas)]


def _is_object(line: bytes) -> bool:
    stripped = line.strip()
    return stripped.startswith(b"{") and stripped.endswith(b"}")


def _parse_part(
    lines: LineBatch,
    places: Longs,
    schema: pa.Schema,
    rewritten: Sequence[tuple[bytes, bytes]],
    found: list[Parsed],
) -> None:
    if not len(places):
        return
    data = lines.pick(places).together
    for text, read in rewritten:
        data = data.replace(text, read)
    table = _parse(data, schema) if len(data) < _LARGEST_BLOCK else None
    # Two objects on one line would move all later rows.
    if table is not None and table.num_rows == len(places):
        found.append(Parsed(places, table))
    elif len(places) > _SMALLEST_PART:
        half = len(places) // 2
        _parse_part(lines, places[:half], schema, rewritten, found)
        _parse_part(lines, places[half:], schema, rewritten, found)


def _plain_lines(lines: LineBatch, foreign: Sequence[bytes]) -> Sequence[bool]:
    """Whether Arrow reads each line as Python does, and no other format would read it.

    The lines are tested together first, because most batches have no such line.
    """
    if not any(map(lines.holds, foreign)) and _is_plain(lines.together):
        return [True] * len(lines)
    held = [text for text in foreign if lines.holds(text)]
    return [not any(text in line for text in held) and _is_plain(line) for line in lines]


def _is_plain(data: bytes) -> bool:
    """Whether Arrow reads the text as Python does: it also takes NaN and bytes that are no text."""
    if any(_has_constant(data, word) for word in (b"NaN", b"Inf")):
        return False
    try:
        return data.isascii() or bool(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _has_constant(data: bytes, word: bytes) -> bool:
    """Whether a value may be a word that is no JSON number; also after such a sign in a text.

    >>> [_has_constant(text, b"Inf") for text in (b"[-Inf]", b'["Infant"]', b'["for: Inf"]')]
    [True, False, True]
    """
    place = data.find(word)
    while place >= 0:
        before = data[max(place - _NEAR, 0) : place].removesuffix(b"-").rstrip()
        if not before or before[-1:] in b"[:,":
            return True
        place = data.find(word, place + 1)
    return False


def _parse(data: bytes, schema: pa.Schema) -> pa.Table | None:
    try:
        return pj.read_json(
            io.BytesIO(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=max(len(data), 1) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        ).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return None


def column(table: pa.Table, *path: str) -> pa.Array:
    """A column of a table, or a field of nested structures; null where an outer one is null."""
    values = table.column(path[0])
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    for name in path[1:]:
        array = pc.struct_field(array, name)
    return array


def is_text(values: pa.Array) -> Bools:
    """Whether each value is text that is not empty, [N]."""
    filled = pc.fill_null(pc.greater(pc.binary_length(values), 0), fill_value=False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)


def is_given(values: pa.Array) -> Bools:
    """Whether each value is not null, [N]."""
    return np.asarray(pc.is_valid(values).to_numpy(zero_copy_only=False), dtype=bool)


def map_distinct(values: pa.Array, convert: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    """Values converted one by one, each distinct one once; null stays null.

    >>> map_distinct(pa.array(["a", None, "a"]), str.upper, pa.string()).to_pylist()
    ['A', None, 'A']
    """
    encoded = pc.dictionary_encode(values)
    distinct = pa.array([convert(value) for value in encoded.dictionary.to_pylist()], kind)
    return distinct.take(encoded.indices)


def hash_lines(lines: Sequence[bytes]) -> pa.Array:
    """SHA-256 of each line in hexadecimal digits.

    >>> [digits] = hash_lines([b"{}"]).to_pylist()
    >>> digits[:8], len(digits)
    ('44136fa3', 64)
    """
    return hex_digits(b"".join([hashlib.sha256(line).digest() for line in lines]), hashlib.sha256().digest_size)


def hex_digits(values: bytes, size: int) -> pa.Array:
    """Hexadecimal digits of values of this size in bytes, one after the other.

    >>> hex_digits(bytes([0, 1, 254, 255]), 2).to_pylist()
    ['0001', 'feff']
    """
    rows = len(values) // size
    offsets = np.arange(rows + 1, dtype=np.int32) * (2 * size)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(values.hex().encode()))


def record_batch(schema: pa.Schema, given: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
    """Rows of a schema from their columns; columns that are not given are null."""
    arrays = [given[f.name].cast(f.type) if f.name in given else pa.nulls(rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def struct_rows(kind: pa.StructType, given: Mapping[str, pa.Array], rows: int) -> pa.StructArray:
    """Structures of a type from their fields; fields that are not given are null."""
    fields = [kind.field(n) for n in range(kind.num_fields)]
    arrays = [given[f.name].cast(f.type) if f.name in given else pa.nulls(rows, f.type) for f in fields]
    return pa.StructArray.from_arrays(arrays, fields=fields)
