"""`ltrr ope-draws`: what a policy would have earned, from any log made draw by draw."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Annotated

import typer

from ltrr.cli.options import Config, Json, Set
from ltrr.cli.output import show_json, show_rows, stdout
from ltrr.config import load_section
from ltrr.errors import UsageError
from ltrr.estimation.estimators import DRAW_ESTIMATORS
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.ope.draw_log import DrawLogReport, DrawLogSettings, estimate_draw_log
from ltrr.ope.draw_rows import DrawColumns
from ltrr.ope.formats import read_foreign_log
from ltrr.ope.rows import LogColumns
from ltrr.spark.faults import explain_engine_faults
from ltrr.spark.session import SparkSettings, build_session

_SHOWN = {
    "estimator": "estimator",
    "value": "value",
    "low": "low",
    "high": "high",
    "evidence": "R",
    "effective_sample_size": "ESS",
    "largest_weight": "largest weight",
    "mean_weight": "mean weight",
    "verdict": "verdict",
    "reasons": "reasons",
}
_NAMES = ", ".join(DRAW_ESTIMATORS)
_FORMATS = ("parquet", "delta")
_MEANINGS = tuple(column.name for column in fields(DrawColumns))


def ope_draws(
    log: Annotated[str, typer.Argument(help="File, folder or address of the log; a row is an impression.")],
    target_propensities: Annotated[
        str,
        typer.Option(
            help="Array column: the judged policy's probability of each draw, or of each draw in every state."
        ),
    ],
    format_: Annotated[str, typer.Option("--format", help=f"Format of the log: {' | '.join(_FORMATS)}.")] = "parquet",
    column: Annotated[
        list[str] | None,
        typer.Option(help=f"MEANING=COLUMN; may be repeated. Meanings: {', '.join(_MEANINGS)}."),
    ] = None,
    reward: Annotated[str, typer.Option(help="Kind of the rewards: page_reward | found_reward.")] = "page_reward",
    page_size: Annotated[int | None, typer.Option(help="Number of entities on a page; found_reward needs it.")] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option(help=f"Estimator to report, by default all; may be repeated: {_NAMES}."),
    ] = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Estimate what a policy would have earned from a log whose pages were drawn block by block.

    The log needs three arrays for each impression: the reward of each draw, the probability with
    which it was made, and the probability with which the policy to judge would have made it.
    docs/how-to/judge-draws.md explains columns and report.
    """
    if format_ not in _FORMATS:
        raise UsageError("unknown log format", which="--format", expected=", ".join(_FORMATS), got=format_)
    columns = DrawColumns(**{"target_propensities": target_propensities, **_parse_columns(column or [])})
    verdict = load_section(EvaluationSettings, None, config, changes or ())
    settings = DrawLogSettings(reward, page_size, tuple(estimator or ()), verdict)
    spark = build_session("ltrr-ope-draws", load_section(SparkSettings, None, config, changes or ()))
    with explain_engine_faults("the log cannot be read", which=log):
        report = estimate_draw_log(read_foreign_log(spark, log, format_, LogColumns("")), columns, settings)
    if as_json:
        shown = {"log": log, "format": format_, "columns": columns.map_meanings(), "settings": asdict(settings)}
        answer = {"estimates": report.rows, "left_out": report.left_out, "agreement": report.agreement}
        show_json(shown | answer)
        return
    _show(f"{target_propensities} judged on {log} by {reward}", report)


def _parse_columns(texts: list[str]) -> dict[str, str]:
    """Meaning -> column, from texts MEANING=COLUMN."""
    named = {}
    for text in texts:
        meaning, equals, name = text.partition("=")
        if meaning not in _MEANINGS or not equals or not name:
            expected = f"MEANING=COLUMN, a meaning of {', '.join(_MEANINGS)}"
            raise UsageError("this names no column", which="--column", expected=expected, got=text)
        named[meaning] = name
    return named


def _show(title: str, report: DrawLogReport) -> None:
    impressions = report.rows[0]["impressions"] if report.rows else 0
    rows = [{shown: row[key] for key, shown in _SHOWN.items()} for row in report.rows]
    show_rows(rows, f"{title}: {impressions:,} impressions", as_json=False)
    for reason in dict.fromkeys(report.left_out.values()):
        names = ", ".join(name for name, why in report.left_out.items() if why == reason)
        stdout().print(f"left out: {names}: {reason}")
    if report.agreement:
        stdout().print(report.agreement)
