"""A policy as a table: its probability of each action, the same for all rows with the same key.

The table has a column `probability`, a column of the action, and any number of other columns, by
which its rows are found for a decision: with the columns item_id, position, probability, the
policy depends on the position alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.errors import DataQualityError, UsageError
from ltrr.estimation.weights import ROUNDING
from ltrr.ope.formats import FORMATS, choose_format, read_foreign_log
from ltrr.ope.log_paths import find_log
from ltrr.ope.rows import SKIPPED, LogColumns
from ltrr.ope.text_rows import PLACE

PROBABILITY = "probability"
MOST_ROWS = 1_000_000
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class PolicyTable:
    """A policy's probabilities of all actions, by key.

    Attributes:
        name: Name of the policy, from the file's name.
        keys: Columns of the log by which its rows are found.
        probabilities: Values of the keys, as text -> probability of each action, in order.
    """

    name: str
    keys: tuple[str, ...]
    probabilities: dict[tuple[str, ...], list[float]]

    def add_to(self, log: DataFrame) -> DataFrame:
        """The log with the array of probabilities of all actions in a column of the policy's name.

        It is null for a row whose key the table lacks.
        """
        rows = [(*key, chances) for key, chances in self.probabilities.items()]
        names = [f"key_{place}" for place in range(len(self.keys))]
        schema = ", ".join([*(f"{name} string" for name in names), f"`{self.name}` array<double>"])
        table = F.broadcast(log.sparkSession.createDataFrame(rows, schema))
        if not self.keys:
            return log.crossJoin(table)
        matches = [F.col(f"`{key}`").cast("string") == F.col(name) for key, name in zip(self.keys, names, strict=True)]
        return log.join(table, on=matches, how="left").drop(*names)


def read_policy_table(spark: SparkSession, path: str, action: str | None, held: Collection[str] | None) -> PolicyTable:
    """A policy from a file of any format of `ltrr ope` with columns.

    Args:
        spark: Spark session.
        path: File of the table.
        action: Column of the action in the log, which the table has, too, or `action`.
        held: Columns of the log; None if unknown.

    Raises:
        UsageError: The table lacks a column, or has one that the log lacks; or the log has no
            action.
        DataQualityError: The probabilities of a key do not add up to 1, or lack an action.
    """
    if action is None:
        raise UsageError(
            "the table of a policy needs the action taken",
            which="--action",
            expected="the column of the action in the log, from 0",
            got="none",
        )
    found = find_log(path)
    known = FORMATS[choose_format(path, None).name]
    names = [name for name in (known.list_columns(spark, found) if known.list_columns else ()) if name[:2] != "_c"]
    its_action = next((name for name in (action, "action") if name in names), None)
    keys = tuple(name for name in names if name not in (its_action, PROBABILITY))
    unknown = [name for name in keys if held and name not in held]
    if its_action is None or PROBABILITY not in names or unknown:
        raise UsageError(
            "the table of a policy has other columns than it needs",
            which=path,
            expected=f"{action or 'action'}, {PROBABILITY}, and columns of the log",
            got=", ".join(names),
        )
    columns = LogColumns(PROBABILITY, reward="", logging_propensity="", others=(its_action, *keys))
    rows = read_foreign_log(spark, path, choose_format(path, None).name, columns)
    if SKIPPED in rows.columns:
        rows = rows.drop(SKIPPED, PLACE)
    chosen = rows.select(*(F.col(f"`{name}`").cast("string") for name in (*keys, its_action, PROBABILITY)))
    by_key: dict[tuple[str, ...], dict[int, float]] = {}
    for *key, number, chance in chosen.limit(MOST_ROWS).collect():
        chances = by_key.setdefault(tuple(key), {})
        shown = ", ".join(f"{name} {value}" for name, value in zip((its_action, *keys), (number, *key), strict=True))
        place, value = _read_row(path, number, chance, shown)
        if place in chances:
            raise DataQualityError(
                "the table of a policy has an action twice", which=path, expected="one row for each action", got=shown
            )
        chances[place] = value
    return PolicyTable(Path(path).stem, keys, {key: _to_list(path, key, chances) for key, chances in by_key.items()})


def _read_row(path: str, number: str | None, chance: str | None, shown: str) -> tuple[int, float]:
    try:
        return int(float(number or "")), float(chance or "")
    except ValueError:
        raise DataQualityError(
            "a row of the table of a policy is no probability of an action",
            which=path,
            expected="an action from 0 and a number",
            got=f"{shown}, {PROBABILITY} {chance}",
        ) from None


def _to_list(path: str, key: tuple[str, ...], chances: dict[int, float]) -> list[float]:
    total = sum(chances.values())
    is_complete = sorted(chances) == list(range(len(chances)))
    if is_complete and abs(total - 1.0) <= _TOLERANCE and min(chances.values()) >= -ROUNDING:
        return [chances[number] for number in range(len(chances))]
    raise DataQualityError(
        "the probabilities of a policy are not those of all actions",
        which=f"{path}, key {', '.join(key)}" if key else path,
        expected="a row for each action from 0, with probabilities that add up to 1",
        got=f"{len(chances)} actions up to {max(chances)}, sum {total:.6g}",
    )
