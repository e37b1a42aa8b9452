"""Decision logs of Vowpal Wabbit and Azure Personalizer (dsjson): one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.logs.json_paths import RepeatedKeyError
from ltrr.ope.byte_streams import Lines
from ltrr.ope.dsjson_records import read_decision
from ltrr.ope.json_lines import REPEATED, read_records
from ltrr.ope.log_paths import find_log
from ltrr.ope.rows import SKIPPED, SLOTS, LogColumns
from ltrr.ope.text_rows import PLACE, read_text_rows

COLUMNS = LogColumns("", action="action", action_propensities="action_propensities", fold_by="event_id", pdrop="pdrop")
"""Meaning of the columns of `read_dsjson`."""

SLOT = "slot"
"""Column of `to_slot_rows`: the slot's id."""

MOST_SLOTS = 100
"""Number of different ids above which a slot is named by its position."""

_FIXED = ("reward", "logging_propensity", "action", "action_propensities", "event_id", "pdrop")
_SLOT = "slot: string, position: string, reward: string, logging_propensity: string, target: string"
_ROWS_AT_ONCE = 1 << 11


def read_dsjson(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """Rows of a log, one for each line, with values as text.

    The log has arrays of probabilities in the order of `a`; the rows have them in the order of
    actions. A decision of several slots (`_outcomes`) is one row: the propensities are the products
    over its slots, the reward is the sum. Lines that are no decisions, damaged lines and decisions
    that were never activated get the reason why they are skipped.
    """
    given = list(dict.fromkeys(set(columns.map_meanings().values()) - set(_FIXED)))
    texts = ", ".join(f"`{name}` string" for name in (SKIPPED, PLACE, *_FIXED, *given))
    schema = f"{texts}, {SLOTS} array<struct<{_SLOT}>>"
    to_rows = partial(_to_rows, columns.target_propensity, columns.reward, given)
    return read_text_rows(spark, find_log(path), to_rows, schema)


def to_slot_rows(log: DataFrame, columns: LogColumns) -> DataFrame:
    """Rows of decisions -> one row for each slot of a decision, with its own values.

    Args:
        log: Rows of `read_dsjson`.
        columns: Meaning of the columns; reward, propensities and the target become the slot's.
    """
    slots = log.where(F.col(SKIPPED).isNull()).select("*", F.explode(SLOTS).alias("one_slot"))
    ids = slots.select("one_slot.slot").distinct().limit(MOST_SLOTS + 1).count()
    name = "one_slot.slot" if ids <= MOST_SLOTS else "one_slot.position"
    return slots.withColumns(
        {
            SLOT: F.col(name),
            columns.reward: F.col("one_slot.reward"),
            columns.logging_propensity: F.col("one_slot.logging_propensity"),
            columns.target_propensity: F.col("one_slot.target"),
        }
    ).drop("one_slot", SLOTS)


def _to_rows(target: str, reward: str, given: list[str], lines: Lines, file_name: str) -> Iterator[pa.RecordBatch]:
    names = [SKIPPED, PLACE, *_FIXED, *given, SLOTS]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for record, place in read_records(lines, file_name):
        row: dict[str, Any] = {SKIPPED: record}
        if isinstance(record, dict):
            try:
                row = read_decision(record, target, reward, given)
            except RepeatedKeyError:
                row = {SKIPPED: REPEATED}
        row[PLACE] = place
        for name in names:
            columns[name].append(row.get(name))
        if len(columns[PLACE]) == _ROWS_AT_ONCE:
            yield _to_batch(columns)
            columns = {name: [] for name in names}
    yield _to_batch(columns)


def _to_batch(columns: dict[str, list[Any]]) -> pa.RecordBatch:
    fields = [pa.field(part.partition(": ")[0], pa.string()) for part in _SLOT.split(", ")]
    types = {SLOTS: pa.list_(pa.struct(fields))}
    return pa.RecordBatch.from_pydict(
        {name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()}
    )
