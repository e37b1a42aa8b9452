"""The registry of log formats: the reader of each format, and the meaning of its columns.

To add a format, write its reader in a module of its own and add one line to `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from ltrr.errors import UsageError
from ltrr.ope import dsjson
from ltrr.ope.csv_rows import list_csv_columns, read_csv, read_typed_csv
from ltrr.ope.detection import DetectedFormat, detect_format
from ltrr.ope.log_paths import CANNOT_READ, LogPath, find_log
from ltrr.ope.ndjson import list_ndjson_keys, read_ndjson
from ltrr.ope.npz_arrays import list_npz_arrays, read_npz
from ltrr.ope.parquet_rows import list_parquet_columns, read_parquet
from ltrr.ope.rows import LogColumns
from ltrr.ope.vw_lines import COLUMNS as VW_COLUMNS
from ltrr.ope.vw_lines import read_vw_lines


@dataclass(frozen=True)
class LogFormat:
    """Reader and columns of one log format.

    Args:
        read: (session, path, columns) -> rows, with the column `skipped` if some are no decisions.
        columns: Default meaning of its columns.
        meaning: One-line description.
        list_columns: (session, log) -> names of the log's columns; None if any name may be read.
    """

    read: Callable[[SparkSession, str, LogColumns], DataFrame]
    columns: LogColumns
    meaning: str
    list_columns: Callable[[SparkSession, LogPath], tuple[str, ...]] | None = None


def choose_format(path: str, name: str | None) -> DetectedFormat:
    """The format of a log: the named one, or the one that its files show.

    Raises:
        UsageError: The name is unknown, there is no such path, or no format was recognised.
    """
    if name is None:
        return detect_format(find_log(path))
    if name not in FORMATS:
        raise UsageError("unknown log format", which="--format", expected=", ".join(FORMATS), got=name)
    return DetectedFormat(name, "")


def find_default_columns(spark: SparkSession, path: str, format_name: str) -> LogColumns:
    """Meaning of the columns of a log, as far as their names show it.

    Columns of the format that this log lacks are left out. `pscore` is the logging propensity, and
    `action` the action, in logs with the names of Open Bandit Pipeline.
    """
    known = FORMATS[format_name]
    if known.list_columns is None:
        return known.columns
    held = known.list_columns(spark, find_log(path))
    return fit_to_names(known.columns, held) if held else known.columns


def fit_to_names(columns: LogColumns, held: Collection[str]) -> LogColumns:
    """The columns without optional ones that are missing, with the names of known data sets.

    >>> fit_to_names(LogColumns("pi"), ["reward", "pscore", "action"]).map_meanings()["action"]
    'action'
    >>> fit_to_names(LogColumns("pi", features=("x", "y"), fold_by="t"), ["y"]).map_meanings()
    {'target_propensity': 'pi', 'reward': 'reward', 'logging_propensity': 'logging_propensity', \
'features[0]': 'y'}
    """
    fitted = replace(
        columns,
        features=tuple(name for name in columns.features if name in held),
        fold_by=columns.fold_by if columns.fold_by in held else None,
        action=columns.action if columns.action in held else None,
    )
    for found in _KNOWN_NAMES:
        names = {found.reward, found.logging_propensity}
        if names <= set(held) and not {columns.reward, columns.logging_propensity} <= set(held):
            action = found.action if found.action in held else None
            fitted = replace(fitted, reward=found.reward, logging_propensity=found.logging_propensity, action=action)
            break
    return fitted


def read_foreign_log(spark: SparkSession, path: str, format_name: str, columns: LogColumns) -> DataFrame:
    """Rows of a log; each is a decision or has the reason why it is skipped.

    Args:
        spark: Spark session.
        path: File, folder, or address that Spark reads.
        format_name: One of `FORMATS`.
        columns: Meaning of the log's columns; the reader may leave out all others. With dsjson and
            ndjson a name is a path into the record, such as c.Geo.state.

    Raises:
        UsageError: The format is unknown, or Spark cannot read the log.
        LtrrError: A file is damaged.
    """
    chosen = choose_format(path, format_name).name
    try:
        return FORMATS[chosen].read(spark, path, columns)
    except AnalysisException as fault:
        cause = str(fault).partition("\n")[0]
        raise UsageError(CANNOT_READ, which=path, expected=format_name, got=cause) from fault


def _read_delta(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    return spark.read.format("delta").load(find_log(path).root)


def _list_delta_columns(spark: SparkSession, log: LogPath) -> tuple[str, ...]:
    return tuple(spark.read.format("delta").load(log.root).columns)


_OBD = LogColumns(
    "",
    reward="click",
    logging_propensity="propensity_score",
    action="item_id",
    features=("position", "user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"),
    fold_by="timestamp",
)
_OBP = LogColumns("", reward="reward", logging_propensity="pscore", action="action")
_KNOWN_NAMES = (_OBP, _OBD)
"""Names that show the meaning of columns, in any format with columns."""

FORMATS: dict[str, LogFormat] = {
    "obd": LogFormat(read_csv, _OBD, "CSV of the Open Bandit Dataset", lambda _, log: list_csv_columns(log)),
    "dsjson": LogFormat(
        dsjson.read_dsjson,
        dsjson.COLUMNS,
        "decision logs of Vowpal Wabbit and Azure Personalizer, one JSON object a line",
    ),
    "vw": LogFormat(read_vw_lines, VW_COLUMNS, "Vowpal Wabbit's text, action:cost:probability | features"),
    "csv": LogFormat(read_typed_csv, LogColumns(""), "CSV with a header", lambda _, log: list_csv_columns(log)),
    "ndjson": LogFormat(read_ndjson, LogColumns(""), "JSON objects, one a line", lambda _, log: list_ndjson_keys(log)),
    "parquet": LogFormat(read_parquet, LogColumns(""), "a file or folder of Parquet", list_parquet_columns),
    "npz": LogFormat(read_npz, LogColumns(""), "arrays saved with numpy.savez", list_npz_arrays),
    "delta": LogFormat(_read_delta, LogColumns(""), "a Delta table's folder", _list_delta_columns),
}
