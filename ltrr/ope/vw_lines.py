"""Logs as Vowpal Wabbit text with one action taken a line: action:cost:probability | features."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from ltrr.ope.byte_streams import Lines
from ltrr.ope.log_paths import find_log
from ltrr.ope.rows import SKIPPED, LogColumns
from ltrr.ope.text_rows import PLACE, decode, name_place, read_text_rows

COLUMNS = LogColumns("", action="action")
"""Meaning of the columns of `read_vw_lines`; actions count from 0, VW's from 1."""

MULTI_LINE = "a line of an example over several lines (cb_adf): not read, use the dsjson log"
SEVERAL = "a line with costs of several actions: which one was taken is unknown"
UNLABELLED = "a line without a label action:cost:probability"

_NAMES = (SKIPPED, PLACE, "reward", "logging_propensity", "action")
_LABEL = re.compile(r"(?:^|\s)(\d+):([^:\s]+):([^:\s]+)(?=\s|$)")


def read_vw_lines(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
    """Rows of a log, one for each line, with values as text."""
    return read_text_rows(spark, find_log(path), _to_rows, ", ".join(f"{name} string" for name in _NAMES))


def read_label(line: str) -> tuple[str, str, str] | str:
    """(action from 0, reward, probability) of a line, or the reason why it has none.

    >>> read_label("2:-1:0.25 | a b"), read_label("| a b")
    (('1', '1', '0.25'), 'a line without a label action:cost:probability')
    """
    label, bar, _ = line.partition("|")
    if label.startswith("shared") or (bar and label.startswith("0:")):
        return MULTI_LINE
    labels = _LABEL.findall(label)
    if len(labels) != 1:
        return SEVERAL if labels else UNLABELLED
    [(action, cost, probability)] = labels
    reward = cost[1:] if cost.startswith("-") else "0" if cost == "0" else f"-{cost}"
    return str(int(action) - 1), reward, probability


def _to_rows(lines: Lines, file_name: str) -> Iterator[pa.RecordBatch]:
    columns: dict[str, list[str | None]] = {name: [] for name in _NAMES}
    for number, raw in enumerate(lines.text.split(b"\n")):
        line = decode(raw).strip()
        if line:
            label = read_label(line)
            place = name_place(file_name, lines, number)
            action, reward, chance = (None, None, None) if isinstance(label, str) else label
            values = (label if isinstance(label, str) else None, place, reward, chance, action)
            for name, value in zip(_NAMES, values, strict=True):
                columns[name].append(value)
    yield pa.RecordBatch.from_pydict({name: pa.array(values, pa.string()) for name, values in columns.items()})
