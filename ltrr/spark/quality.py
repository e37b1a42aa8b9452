"""Checks of a night's data: kept as rows, and a failed one stops the night until someone answers for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pyspark.sql import DataFrame, SparkSession

from ltrr.errors import DataQualityError
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table


@dataclass(frozen=True)
class Check:
    """One check of one night.

    Attributes:
        name: what was looked at, unique within the night.
        figure: what was found; None where it is undefined, for example a share of nothing.
        limit: the bound that it must hold; None where the figure is reported only.
        outcome: `reported` decides nothing.
        detail: in words, for the one who must decide.
    """

    name: str
    figure: float | None
    limit: float | None
    outcome: Literal["ok", "failed", "reported"]
    detail: str


def at_most(name: str, figure: float | None, limit: float, detail: str) -> Check:
    """A figure that must not exceed its limit; an undefined one breaks no limit.

    >>> at_most("rejected share", 0.09, 0.01, "1000 of 11000 lines").outcome
    'failed'
    >>> at_most("rejected share", None, 0.01, "no lines").outcome
    'ok'
    """
    return Check(name, figure, limit, "ok" if figure is None or figure <= limit else "failed", detail)


def check_rows(spark: SparkSession, night: date, checks: Sequence[Check], accepted: str | None) -> DataFrame:
    """The checks as rows of `data_quality`; `accepted` is the operator's reason to go on, kept with what it excuses."""
    rows = [
        (
            night,
            check.name,
            check.figure,
            check.limit,
            "accepted" if check.outcome == "failed" and accepted else check.outcome,
            f"{check.detail}; accepted: {accepted}" if check.outcome == "failed" and accepted else check.detail,
        )
        for check in checks
    ]
    return spark.createDataFrame(rows, schema_of(table("data_quality")))


def stop_on_failures(night: date, checks: Sequence[Check], accepted: str | None) -> None:
    """Nothing where all checks hold or the operator answers for those that do not.

    Raises:
        DataQualityError: naming every check that failed, with figure and limit.
    """
    failed = [check for check in checks if check.outcome == "failed"]
    if failed and not accepted:
        raise DataQualityError(
            f"the logs of {night} failed {len(failed)} of {len(checks)} quality checks",
            which=", ".join(check.name for check in failed),
            expected=", ".join(f"{check.name} within {check.limit}" for check in failed),
            got=", ".join(f"{check.figure} ({check.detail})" for check in failed),
            todo="see `ltrr tables show data_quality`; mend the logs, or go on with --accept-quality REASON",
        )
