"""Logs in Parquet files that the tasks of a job can read directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import fsspec
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from ltrr.ope import log_paths
from ltrr.ope.rows import SKIPPED, LogColumns
from ltrr.spark.delta import is_readable_as_parquet

_NUMBERS = (T.DoubleType, T.FloatType, T.LongType, T.IntegerType, T.ShortType, T.ByteType)
_KEYS = (T.StringType, T.LongType, T.IntegerType, T.ShortType, T.ByteType, T.BooleanType)
"""Types whose values Spark and Arrow write as the same text."""


@dataclass(frozen=True)
class LogFiles:
    """Parquet files of a log, as addresses that fsspec opens."""

    addresses: tuple[str, ...]


def find_log_files(log: DataFrame, columns: Sequence[LogColumns], delta_path: str | None = None) -> LogFiles | None:
    """The files of a log if tasks can read them directly; None if Spark must read the log.

    Spark is needed for arrays, actions and numbers as text, to fit a reward model, for columns in
    the names of folders, and for Delta tables with deletion vectors, partitions or renamed columns.

    Args:
        log: All rows of the log, directly from Parquet or Delta.
        columns: Columns of every policy judged.
        delta_path: Path of the Delta table; None if the log is no table.
    """
    types = {entry.name: entry.dataType for entry in log.schema}
    if SKIPPED in types or not all(_is_plain(types, one) for one in columns):
        return None
    if delta_path is not None and not is_readable_as_parquet(log.sparkSession, delta_path):
        return None
    addresses = tuple(sorted(log.inputFiles()))
    if not addresses:
        return None
    with open_file(addresses[0]) as file:
        held = set(pq.ParquetFile(file).schema_arrow.names)
    needed = {name for one in columns for name in read_columns(one).values()}
    return LogFiles(addresses) if needed <= held else None


def open_file(address: str) -> fsspec.core.OpenFile:
    """A file on any file system, for a `with` statement; the address is as Spark writes it."""
    return log_paths.open_file(unquote(address))


def read_columns(columns: LogColumns) -> dict[str, str]:
    """Meaning -> column, for the columns that are read if no reward model is fitted."""
    return {meaning: name for meaning, name in columns.map_meanings().items() if meaning != "fold_by"}


def _is_plain(types: dict[str, T.DataType], columns: LogColumns) -> bool:
    read = read_columns(columns)
    kinds = {meaning: _KEYS if meaning == "user" or meaning.startswith("slices") else _NUMBERS for meaning in read}
    return (
        not (columns.features or columns.action or columns.action_propensities)
        and all(isinstance(types.get(name), kinds[meaning]) for meaning, name in read.items())
        and not any("." in name for name in read.values())  # Arrow reads a dot as a path into a structure.
    )
