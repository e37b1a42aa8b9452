"""Quality checks of a night's data, stored as rows.

A failed check stops the night until the operator accepts it by name.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pyspark.sql import DataFrame, SparkSession

from ltrr.errors import DataQualityError, UsageError
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table

ACCEPTED_QUALITY = "accepted_quality"
"""Note of a job: the failed checks that the operator accepted, as JSON, check -> reason.

A repair accepts them again.
"""


@dataclass(frozen=True)
class Check:
    """One check of one night.

    Attributes:
        name: Name of the check, unique within the night.
        figure: Measured value; None if it is undefined, for example a share of no lines.
        limit: Bound of the figure; None if the figure is only reported.
        outcome: Result of the check; `reported` decides nothing.
        detail: Explanation for the operator, who decides.
    """

    name: str
    figure: float | None
    limit: float | None
    outcome: Literal["ok", "failed", "reported"]
    detail: str


def at_most(name: str, figure: float | None, limit: float, detail: str) -> Check:
    """A check that a figure does not exceed its limit; an undefined figure passes.

    >>> at_most("rejected share", 0.09, 0.01, "1000 of 11000 lines").outcome
    'failed'
    >>> at_most("rejected share", None, 0.01, "no lines").outcome
    'ok'
    """
    return Check(name, figure, limit, "ok" if figure is None or figure <= limit else "failed", detail)


def parse_accepted(options: Iterable[str]) -> dict[str, str]:
    """Check -> reason, from options NAME[,NAME]:REASON.

    A reason accepts only the checks that the option names.

    >>> parse_accepted(["rejected_share,clicks: a crawler, known", "replay:bundle lost"])
    {'rejected_share': 'a crawler, known', 'clicks': 'a crawler, known', 'replay': 'bundle lost'}

    Raises:
        UsageError: An option has no name or no reason.
    """
    accepted: dict[str, str] = {}
    for option in options:
        named, _, reason = option.partition(":")
        names = [name.strip() for name in named.split(",")]
        if not reason.strip() or not all(name and " " not in name for name in names):
            raise UsageError(
                "a quality check is accepted by its name",
                which="--accept-quality",
                expected="NAME[,NAME]:REASON, as the error of the failed check prints it",
                got=repr(option),
                todo="see the names with `ltrr tables show data_quality`",
            )
        accepted |= dict.fromkeys(names, reason.strip())
    return accepted


def read_accepted(note: str) -> dict[str, str]:
    """Accepted checks of a committed run, from its note; none if ltrr 0.1 wrote the note, as text.

    >>> read_accepted('{"clicks": "a holiday"}')
    {'clicks': 'a holiday'}
    >>> read_accepted(""), read_accepted("clicks: a holiday")
    ({}, {})
    """
    try:
        return dict(json.loads(note or "{}"))
    except ValueError:
        return {}


def render_accept_option(names: Iterable[str]) -> str:
    """The option that accepts these checks.

    >>> render_accept_option(["rejected_share", "impressions"])
    "--accept-quality 'rejected_share,impressions:REASON'"
    """
    return f"--accept-quality '{','.join(names)}:REASON'"


def check_rows(spark: SparkSession, night: date, checks: Sequence[Check], accepted: Mapping[str, str]) -> DataFrame:
    """The checks as rows of `data_quality`.

    Args:
        spark: Session of the frame.
        night: Logical date.
        checks: Checks of the night.
        accepted: Reasons of the operator by name of the check; they are stored with the check.
    """
    rows = [
        (night, check.name, check.figure, check.limit, "accepted", f"{check.detail}; accepted: {accepted[check.name]}")
        if check.outcome == "failed" and check.name in accepted
        else (night, check.name, check.figure, check.limit, check.outcome, check.detail)
        for check in checks
    ]
    return spark.createDataFrame(rows, schema_of(table("data_quality")))


def stop_on_failures(night: date, checks: Sequence[Check], accepted: Mapping[str, str]) -> None:
    """Stop the night if a check failed and the operator has not accepted it.

    Raises:
        DataQualityError: The message names every such check, with figure and limit.
    """
    failed = [check for check in checks if check.outcome == "failed" and check.name not in accepted]
    if failed:
        raise DataQualityError(
            f"the logs of {night} failed {len(failed)} of {len(checks)} quality checks",
            which=", ".join(check.name for check in failed),
            expected=", ".join(f"{check.name} within {check.limit}" for check in failed),
            got=", ".join(f"{check.figure} ({check.detail})" for check in failed),
            todo="see `ltrr tables show data_quality`; correct the logs, or continue with "
            f"{render_accept_option(name for name in (*accepted, *(check.name for check in failed)))}",
        )
