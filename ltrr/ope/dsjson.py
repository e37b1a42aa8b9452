"""Decision logs of Vowpal Wabbit and Azure Personalizer (dsjson): one JSON object a line."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.ope.rows import SKIPPED, LogColumns

COLUMNS = LogColumns("", action="action", action_propensities="action_propensities", fold_by="event_id")
"""Meaning of the columns of `read_dsjson`."""

_DECISION = (
    "_label_cost double, _label_probability double, _labelIndex int, _skipLearn boolean, EventId string, "
    "RewardValue string, a array<int>, p array<double>"
)


def read_dsjson(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """Rows of a log, one for each line.

    The log has arrays of probabilities in the order of `a`; the rows have them in the order of
    actions. Lines that are no decisions (late observations, checkpoints) and decisions that were
    never activated (`_skipLearn`) get the reason why they are skipped.
    """
    lines = spark.read.text(path).where(F.trim("value") != "")
    record = F.from_json("value", _DECISION)
    parsed = lines.select("value", record.alias("r"))
    known = {"reward", "logging_propensity", "action", "action_propensities", "event_id"}
    given = {name: _get_json(name) for name in set(columns.map_meanings().values()) - known}
    if columns.target_propensity in given:
        text = given[columns.target_propensity]
        ordered = F.to_json(_order_by_action(F.from_json(text, "array<double>")))
        given[columns.target_propensity] = F.when(text.startswith("["), ordered).otherwise(text)
    return parsed.select(
        _skip_reason().alias(SKIPPED),
        (-F.col("r._label_cost")).alias("reward"),
        F.col("r._label_probability").alias("logging_propensity"),
        F.col("r._labelIndex").alias("action"),
        _order_by_action(F.col("r.p")).alias("action_propensities"),
        F.col("r.EventId").alias("event_id"),
        *(column.alias(name) for name, column in given.items()),
    )


def _get_json(path: str) -> Column:
    return F.get_json_object("value", f"$.{path}")


def _order_by_action(probabilities: Column) -> Column:
    """Probabilities in the order of the actions' numbers, which `a` contains."""
    pairs = F.array_sort(F.arrays_zip(F.col("r.a").alias("a"), probabilities.alias("p")))
    return F.transform(pairs, lambda pair: pair["p"])


def _skip_reason() -> Column:
    return (
        F.when(~F.trim("value").startswith("{"), F.lit("not a JSON object"))
        .when(F.col("r._label_probability").isNotNull() & F.coalesce("r._skipLearn", F.lit(False)), "not activated")
        .when(F.col("r._label_probability").isNotNull() | F.col("r._labelIndex").isNotNull(), None)
        .when(F.col("r.RewardValue").isNotNull(), "an observation that came after its decision")
        .otherwise("not a decision record")
    )
