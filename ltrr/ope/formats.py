"""The registry of log formats: the reader of each format, and the meaning of its columns.

To add a format, write its reader in a module of its own and add one line to `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from ltrr.errors import UsageError
from ltrr.ope import dsjson
from ltrr.ope.rows import LogColumns


@dataclass(frozen=True)
class LogFormat:
    """Reader and columns of one log format.

    Args:
        read: (session, path, columns) -> rows, with the column `skipped` if some are no decisions.
        columns: Default meaning of its columns.
        meaning: One-line description.
    """

    read: Callable[[SparkSession, str, LogColumns], DataFrame]
    columns: LogColumns
    meaning: str


def read_foreign_log(spark: SparkSession, path: str, format_name: str, columns: LogColumns) -> DataFrame:
    """Rows of a log; each is a decision or has the reason why it is skipped.

    Args:
        spark: Spark session.
        path: File, folder, or address that Spark reads.
        format_name: One of `FORMATS`.
        columns: Meaning of the log's columns. With dsjson a name is a path into the record, such as
            c.Geo.state.

    Raises:
        UsageError: The format is unknown, or Spark cannot read the log.
    """
    if format_name not in FORMATS:
        raise UsageError("unknown log format", which="--format", expected=", ".join(FORMATS), got=format_name)
    try:
        return FORMATS[format_name].read(spark, path, columns)
    except AnalysisException as fault:
        cause = str(fault).partition("\n")[0]
        raise UsageError("the log cannot be read", which=path, expected=format_name, got=cause) from fault


def _obd(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    return spark.read.csv(path, header=True, escape='"')


def _parquet(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    return spark.read.parquet(path)


def _delta(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    return spark.read.format("delta").load(path)


FORMATS: dict[str, LogFormat] = {
    "obd": LogFormat(
        _obd,
        LogColumns(
            "",
            reward="click",
            logging_propensity="propensity_score",
            action="item_id",
            features=("position", "user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"),
            fold_by="timestamp",
        ),
        "CSV of the Open Bandit Dataset, with a column for the policy judged",
    ),
    "dsjson": LogFormat(
        dsjson.read_dsjson,
        dsjson.COLUMNS,
        "decision logs of Vowpal Wabbit and Azure Personalizer, one JSON object a line",
    ),
    "parquet": LogFormat(_parquet, LogColumns(""), "a file or folder of Parquet"),
    "delta": LogFormat(_delta, LogColumns(""), "a Delta table's folder"),
}
