"""Logs as saved arrays (numpy.savez), such as a dictionary of Open Bandit Pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from ltrr.errors import UsageError
from ltrr.ope.log_paths import CANNOT_READ, LogPath, find_log, open_file
from ltrr.ope.named_columns import check_names
from ltrr.ope.rows import LogColumns


def read_npz(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """Rows of a log whose columns are arrays of one length.

    A matrix, [N, A], is a column of arrays. Of probabilities by position, [N, A, L], a row has
    those at its own `position`, from 0, as in Open Bandit Pipeline. The driver holds the arrays.

    Raises:
        UsageError: An array is missing or holds Python objects.
    """
    log, named = find_log(path), columns.map_meanings()
    held = list_npz_arrays(spark, log)
    check_names({meaning: name for meaning, name in named.items() if name not in held}, held)
    names = list(dict.fromkeys(named.values()))
    arrays = _load(log, [*names, *(["position"] if "position" in held else [])])
    rows = len(arrays[columns.reward]) if columns.reward in arrays else len(arrays[names[0]])
    found = {name: _to_column(name, arrays, rows, path) for name in names}
    return spark.createDataFrame(pa.table(found))


def list_npz_arrays(_: SparkSession, log: LogPath) -> tuple[str, ...]:
    """Names of the arrays of a file."""
    with open_file(log.files[0]) as file, np.load(file, allow_pickle=False) as saved:
        return tuple(saved.files)


def _load(log: LogPath, names: list[str]) -> dict[str, NDArray[np.generic]]:
    if len(log.files) != 1:
        raise UsageError(CANNOT_READ, which=log.given, expected="one file of arrays", got=f"{len(log.files)} files")
    arrays = {}
    with open_file(log.files[0]) as file, np.load(file, allow_pickle=False) as saved:
        for name in names:
            try:
                arrays[name] = saved[name]
            except ValueError:
                if name == "position":  # None if the page has one position.
                    continue
                raise UsageError(
                    "an array holds Python objects, which are not loaded from files",
                    which=f"{name} in {Path(log.root).name}",
                    expected="numbers or text",
                    todo="save it as an array of one type",
                ) from None
    return arrays


def _to_column(name: str, arrays: dict[str, NDArray[np.generic]], rows: int, path: str) -> pa.Array:
    values = arrays[name]
    if values.ndim == 3 and "position" in arrays:
        values = values[np.arange(rows), :, arrays["position"].astype(np.int64)]
    elif values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (1, 2) or len(values) != rows:
        raise UsageError(
            "an array does not have one value, or one list, for each decision",
            which=f"{name} in {path}",
            expected=f"shape ({rows},) or ({rows}, actions)",
            got=str(arrays[name].shape),
        )
    return pa.array(values) if values.ndim == 1 else pa.array(list(values))
