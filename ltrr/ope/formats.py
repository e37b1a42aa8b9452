"""Logs of other makers as frames with the columns that `LogColumns` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.errors import UsageError
from ltrr.ope.rows import SKIPPED, LogColumns

_DECISION = (
    "_label_cost double, _label_probability double, _labelIndex int, _skipLearn boolean, EventId string, "
    "RewardValue string, a array<int>, p array<double>"
)


@dataclass(frozen=True)
class LogFormat:
    """How logs of one kind are read.

    Args:
        read: (session, path, columns) -> rows.
        columns: what its columns mean, unless told otherwise.
        meaning: in words.
    """

    read: Callable[[SparkSession, str, LogColumns], DataFrame]
    columns: LogColumns
    meaning: str


def foreign_log(spark: SparkSession, path: str, format_name: str, columns: LogColumns) -> DataFrame:
    """Rows of a log, one a decision or a reason why it is none.

    Args:
        spark: session.
        path: file, folder, or address that Spark reads.
        format_name: one of `FORMATS`.
        columns: named in the log's own terms; with dsjson a name is a path into the record, such as c.Geo.state.

    Raises:
        UsageError: no such format, or nothing that can be read there.
    """
    if format_name not in FORMATS:
        raise UsageError("unknown format of a log", which="--format", expected=", ".join(FORMATS), got=format_name)
    try:
        return FORMATS[format_name].read(spark, path, columns)
    except AnalysisException as fault:
        said = str(fault).partition("\n")[0]
        raise UsageError("the log cannot be read", which=path, expected=format_name, got=said) from fault


def _obd(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    return spark.read.csv(path, header=True, escape='"')


def _parquet(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    return spark.read.parquet(path)


def _delta(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    return spark.read.format("delta").load(path)


def _dsjson(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """One JSON object a line. Arrays of probabilities stand in the order of `a`; here they are put in that of actions.

    Lines that are no decisions (observations that came late, checkpoints) and decisions that were never activated
    (`_skipLearn`) are left out, with the reason.
    """
    lines = spark.read.text(path).where(F.trim("value") != "")
    record = F.from_json("value", _DECISION)
    parsed = lines.select("value", record.alias("r"))
    known = {"reward", "logging_propensity", "action", "action_propensities", "event_id"}
    given = {name: _at(name) for name in set(columns.named().values()) - known}
    if columns.target_propensity in given:
        text = given[columns.target_propensity]
        ordered = F.to_json(_by_action(F.from_json(text, "array<double>")))
        given[columns.target_propensity] = F.when(text.startswith("["), ordered).otherwise(text)
    return parsed.select(
        _why_skipped().alias(SKIPPED),
        (-F.col("r._label_cost")).alias("reward"),
        F.col("r._label_probability").alias("logging_propensity"),
        F.col("r._labelIndex").alias("action"),
        _by_action(F.col("r.p")).alias("action_propensities"),
        F.col("r.EventId").alias("event_id"),
        *(column.alias(name) for name, column in given.items()),
    )


def _at(path: str) -> Column:
    return F.get_json_object("value", f"$.{path}")


def _by_action(probabilities: Column) -> Column:
    """Of each action in the order of its number; `a` says whose probability each one is."""
    pairs = F.array_sort(F.arrays_zip(F.col("r.a").alias("a"), probabilities.alias("p")))
    return F.transform(pairs, lambda pair: pair["p"])


def _why_skipped() -> Column:
    return (
        F.when(~F.trim("value").startswith("{"), F.lit("not a JSON object"))
        .when(F.col("r._label_probability").isNotNull() & F.coalesce("r._skipLearn", F.lit(False)), "not activated")
        .when(F.col("r._label_probability").isNotNull() | F.col("r._labelIndex").isNotNull(), None)
        .when(F.col("r.RewardValue").isNotNull(), "an observation that came after its decision")
        .otherwise("not a decision record")
    )


FORMATS: Mapping[str, LogFormat] = {
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
        _dsjson,
        LogColumns("", action="action", action_propensities="action_propensities", fold_by="event_id"),
        "decision logs of Vowpal Wabbit and Azure Personalizer, one JSON object a line",
    ),
    "parquet": LogFormat(_parquet, LogColumns(""), "a file or folder of Parquet"),
    "delta": LogFormat(_delta, LogColumns(""), "a Delta table's folder"),
}
