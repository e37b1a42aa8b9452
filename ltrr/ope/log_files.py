"""Logs in Parquet files that the tasks of a job can read directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import fsspec
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from ltrr.ope.rows import SKIPPED, LogColumns
from ltrr.spark.delta import is_readable_as_parquet

_NUMBERS = (T.DoubleType, T.FloatType, T.LongType, T.IntegerType, T.ShortType, T.ByteType)
_KEYS = (T.StringType, T.LongType, T.IntegerType, T.ShortType, T.ByteType, T.BooleanType)
"""Types whose values Spark and Arrow write as the same text."""


@dataclass(frozen=True)
class LogFiles:
    """Parquet files, as addresses that fsspec opens; the driver knows their names but not their rows."""

    addresses: tuple[str, ...]


def find_log_files(log: DataFrame, columns: Sequence[LogColumns], delta_path: str | None = None) -> LogFiles | None:
    """The files of a log that tasks can read directly; None where Spark must read it.

    Spark is needed for arrays, actions and numbers written as text, for a reward model to be
    fitted, for columns that are in the folders' names, and for Delta tables with deletion vectors,
    partitions or renamed columns.

    Args:
        log: All rows of the log, directly from Parquet or Delta.
        columns: Columns of every policy judged.
        delta_path: Path of the Delta table; None where the log is no table.
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
    """A file on any file system, for use in a `with`. Addresses in Spark's own notation are accepted."""
    return fsspec.open(unquote(address).replace("s3a://", "s3://"), "rb")


def read_columns(columns: LogColumns) -> dict[str, str]:
    """Meaning -> column, of the columns that are read where no reward model is fitted."""
    return {meaning: name for meaning, name in columns.named().items() if meaning != "fold_by"}


def _is_plain(types: dict[str, T.DataType], columns: LogColumns) -> bool:
    read = read_columns(columns)
    kinds = {meaning: _KEYS if meaning == "user" or meaning.startswith("slices") else _NUMBERS for meaning in read}
    return (
        not (columns.features or columns.action or columns.action_propensities)
        and all(isinstance(types.get(name), kinds[meaning]) for meaning, name in read.items())
        and not any("." in name for name in read.values())  # Arrow takes a dot for a path into a structure.
    )
