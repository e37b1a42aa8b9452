"""Decision logs of Vowpal Wabbit and Azure Personalizer (dsjson): one JSON object a line."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.ope.rows import SKIPPED, LogColumns

COLUMNS = LogColumns("", action="action", action_propensities="action_propensities", fold_by="event_id")
"""Meaning of the columns that `read_dsjson` makes."""

_DECISION = (
    "_label_cost double, _label_probability double, _labelIndex int, _skipLearn boolean, EventId string, "
    "RewardValue string, a array<int>, p array<double>"
)


def read_dsjson(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """Rows of a log, one a line. Arrays of probabilities stand in the order of `a`; here in that of actions.

    Lines that are no decisions (late observations, checkpoints) and decisions that were never
    activated (`_skipLearn`) are left out, with the reason.
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
