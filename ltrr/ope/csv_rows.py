"""Logs as delimited text with a header: columns of any name, all read as text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.csv as pc
from pyspark.sql import DataFrame, SparkSession

from ltrr.errors import LtrrError, UsageError
from ltrr.ope.byte_streams import Lines, find_binary_kind, read_head
from ltrr.ope.detection import detect_file, find_delimiter
from ltrr.ope.log_paths import CANNOT_READ, LogPath, find_log
from ltrr.ope.named_columns import check_names, list_shortly
from ltrr.ope.rows import SKIPPED, LogColumns, find_features_alone
from ltrr.ope.text_rows import PLACE, decode, is_number, name_place, read_text_rows, with_numbers

_SAMPLE_ROWS = 200
WRONG_WIDTH = "a row with more or fewer fields than the header"

Header = tuple[tuple[str, ...], str]
"""Names of the columns, and the character between fields."""


def read_csv(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """Rows of a log with the needed columns as text.

    Each file has its own header: the order of columns may differ. Rows with too many or too few
    fields get the reason why they are skipped.

    Raises:
        UsageError: A file lacks a needed column or has it twice.
    """
    log, named = only_logs(find_log(path)), columns.map_meanings()
    names = list(dict.fromkeys(named.values()))
    if not log.files:
        return spark.read.csv(path, header=True, escape='"')
    headers = {log.name(address): read_csv_header(address) for address in log.files if read_head(address, 1)}
    fullest = max(headers, key=lambda name: len(set(names) & set(headers[name][0])), default="")
    for name, (held, _) in headers.items():
        if name != fullest:
            _check_same_columns(name, held, names, fullest, headers[fullest][0])
        check_names({meaning: column for meaning, column in named.items() if column not in held}, held)
        repeated = [column for column in names if Counter(held)[column] > 1]
        if repeated:
            raise UsageError(
                CANNOT_READ, which=name, expected="each column once", got=f"twice in the header: {', '.join(repeated)}"
            )
    schema = ", ".join(f"`{name}` string" for name in (SKIPPED, PLACE, *names))
    return read_text_rows(spark, log, partial(_to_rows, names, headers), schema)


def read_typed_csv(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """As `read_csv`; features that are numbers in the first rows are doubles, the others text."""
    rows, log = read_csv(spark, path, columns), find_log(path)
    first = next((address for address in log.files if read_head(address, 1)), None)
    if first is None:
        return rows
    held, delimiter = read_csv_header(first)
    lines = decode(read_head(first)).splitlines()[1 : _SAMPLE_ROWS + 1]
    sample = [row for row in csv.reader(lines[:-1] or lines, delimiter=delimiter) if len(row) == len(held)]
    values = {name: [row[held.index(name)] for row in sample] for name in find_features_alone(columns)}
    return with_numbers(rows, [name for name, texts in values.items() if texts and all(map(is_number, texts))])


def list_csv_columns(log: LogPath) -> tuple[str, ...]:
    """Columns of the first file of a log that is not empty."""
    first = next((address for address in only_logs(log).files if read_head(address, 1)), None)
    return read_csv_header(first)[0] if first else ()


def only_logs(log: LogPath) -> LogPath:
    """The log without the table of items that is in each folder of the Open Bandit Dataset."""
    files = tuple(address for address in log.files if not address.endswith("/item_context.csv"))
    return replace(log, files=files) if files and log.is_folder else log


def read_csv_header(address: str) -> Header:
    """Header of a file.

    A name that is empty becomes `_c` with its position, as in Spark.
    """
    head = read_head(address)
    if head.lstrip().startswith(b"{") or find_binary_kind(head):
        raise UsageError(
            "a file is not CSV",
            which=address,
            expected="a header",
            got=find_binary_kind(head) or detect_file(head).sign,
            todo="correct --format, or leave it out",
        )
    first = decode(head).lstrip("\r\n").partition("\n")[0].rstrip("\r")
    delimiter = find_delimiter(first)
    names = next(csv.reader(io.StringIO(first), delimiter=delimiter), [])
    return tuple(name.strip() or f"_c{place}" for place, name in enumerate(names)), delimiter


def _check_same_columns(
    name: str, held: tuple[str, ...], needed: list[str], fullest: str, others: tuple[str, ...]
) -> None:
    if missing := [column for column in needed if column not in held and column in others]:
        raise UsageError(
            "the files of the log have different columns",
            which=name,
            expected=f"{', '.join(missing)} as in {fullest}",
            got=list_shortly(held),
            todo="take the file out of the folder, or write all files with the same columns",
        )


def _to_rows(names: list[str], headers: dict[str, Header], lines: Lines, file_name: str) -> Iterator[pa.RecordBatch]:
    held, delimiter = headers[file_name]
    text = lines.text if lines.text.isascii() else decode(lines.text).encode()
    first = 0
    if lines.start == 0:
        text = text.lstrip(b"\r\n")
        text, first = text.partition(b"\n")[2], 1
    if not text.strip():
        return
    wrong: list[int | None] = []

    def skip(row: pc.InvalidRow) -> str:
        wrong.append(row.number)
        return "skip"

    try:
        rows = pc.read_csv(
            pa.BufferReader(text),
            read_options=pc.ReadOptions(column_names=list(_unique(held)), use_threads=False, block_size=len(text) + 1),
            parse_options=pc.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=True
            ),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(_unique(held), pa.string()),
                include_columns=names,
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as fault:
        place = name_place(file_name, lines, first)
        raise LtrrError(
            CANNOT_READ, which=place, expected="CSV", got=str(fault), todo="look for a quote that is not closed"
        ) from fault
    places = [name_place(file_name, lines, first + number) for number in range(rows.num_rows)]
    yield from _with_fixed(rows, [None] * rows.num_rows, places)
    if wrong:
        lost = [name_place(file_name, lines, first + (number or 1) - 1) for number in wrong]
        nothing = pa.table({name: pa.nulls(len(wrong), pa.string()) for name in names})
        yield from _with_fixed(nothing, [WRONG_WIDTH] * len(wrong), lost)


def _with_fixed(rows: pa.Table, skipped: list[str | None], places: list[str]) -> Iterator[pa.RecordBatch]:
    fixed = {SKIPPED: pa.array(skipped, pa.string()), PLACE: pa.array(places, pa.string())}
    table = pa.table(fixed | {name: rows.column(name) for name in rows.column_names})
    yield from table.to_batches(max_chunksize=1 << 14)


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names; one that occurs before gets its position, since it is not read."""
    return tuple(f"{name} {place}" if name in names[:place] else name for place, name in enumerate(names))
