"""Logs of JSON objects, one a line, with columns of any name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from ltrr.logs.json_paths import RepeatedKeyError, find_value, to_text
from ltrr.ope.byte_streams import Lines, read_head
from ltrr.ope.json_lines import REPEATED, read_record, read_records
from ltrr.ope.log_paths import LogPath, find_log
from ltrr.ope.named_columns import check_names
from ltrr.ope.rows import SKIPPED, LogColumns, find_features_alone
from ltrr.ope.text_rows import PLACE, decode, is_number, read_text_rows, with_numbers

_ROWS_AT_ONCE = 1 << 12
_SAMPLE_LINES = 100


def read_ndjson(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """Rows of a log, one for each line, with the needed columns as text.

    A name is a key, or a path such as c.geo.state. Lines that are damaged, or have a needed key
    twice, get the reason why they are skipped.

    Raises:
        UsageError: A column of a number or of the user is in none of the first lines.
    """
    log = find_log(path)
    named = columns.map_meanings()
    keys = list_ndjson_keys(log)
    if keys:
        sparse = ("features", "slices", "fold_by")
        held = {meaning: name for meaning, name in named.items() if not meaning.startswith(sparse)}
        check_names({m: name for m, name in held.items() if name.partition(".")[0] not in keys}, keys)
    names = list(dict.fromkeys(named.values()))
    schema = ", ".join(f"`{name}` string" for name in (SKIPPED, PLACE, *names))
    rows = read_text_rows(spark, log, partial(_to_rows, names), schema)
    return with_numbers(rows, _list_number_features(log, columns))


def list_ndjson_keys(log: LogPath) -> tuple[str, ...]:
    """The keys of the first lines of a log, in order; none if no line is an object."""
    return tuple(dict.fromkeys(key for record in _read_sample(log) for key in record))


def _read_sample(log: LogPath) -> list[dict[str, Any]]:
    lines = [line for address in log.files[:1] for line in decode(read_head(address)).splitlines()[:_SAMPLE_LINES]]
    return [record for record in map(read_record, lines) if isinstance(record, dict)]


def _list_number_features(log: LogPath, columns: LogColumns) -> list[str]:
    """Features that are numbers in the first lines; the others are text."""
    sample = _read_sample(log)
    numbers = []
    for name in find_features_alone(columns):
        try:
            values = [find_value(record, name) for record in sample]
        except RepeatedKeyError:
            continue
        known = [value for value in values if value is not None]
        if known and all(is_number(value) and not isinstance(value, str) for value in known):
            numbers.append(name)
    return numbers


def _to_rows(names: list[str], lines: Lines, file_name: str) -> Iterator[pa.RecordBatch]:
    columns: dict[str, list[str | None]] = {name: [] for name in (SKIPPED, PLACE, *names)}
    for record, place in read_records(lines, file_name):
        values: list[str | None] = [None] * len(names)
        reason = record if isinstance(record, str) else None
        if not isinstance(record, str):
            try:
                values = [to_text(find_value(record, name)) for name in names]
            except RepeatedKeyError:
                reason = REPEATED
        for column, value in zip(columns.values(), (reason, place, *values), strict=True):
            column.append(value)
        if len(columns[PLACE]) == _ROWS_AT_ONCE:
            yield _to_batch(columns)
            columns = {name: [] for name in columns}
    yield _to_batch(columns)


def _to_batch(columns: dict[str, list[str | None]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({name: pa.array(values, pa.string()) for name, values in columns.items()})
