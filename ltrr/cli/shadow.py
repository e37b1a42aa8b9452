"""`ltrr shadow`: what a log of static pages shows about the policy that would serve."""

from __future__ import annotations

from typing import Annotated

import typer

from ltrr.artifacts.pointer import current
from ltrr.cli.options import Common, with_common
from ltrr.cli.output import show, show_json, show_rows
from ltrr.pipelines.shadow_report import ShadowReport, make_report
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session

shadow = typer.Typer(help="Report on shadow mode: static pages, and what the policy would draw.", no_args_is_help=True)

Nights = Annotated[
    int | None,
    typer.Option("--nights", min=1, help="Nights within which a canary should have its verdict; default: its life."),
]


@shadow.command("report")
@with_common
def report_shadow(
    common: Common,
    nights: Nights = None,
    version: Annotated[
        str | None, typer.Option("--version", help="A published version; by default the newest one.")
    ] = None,
) -> None:
    """Predict the gain over the static page, and say which exploration can show it.

    The prediction is a model's and is never trusted: the verdict is at most "take care".
    """
    settings = common.settings()
    chosen = version or current(settings.paths.policies, settings.policy.name)
    warehouse = Warehouse(build_session("ltrr shadow report", settings.spark), settings.paths.tables)
    report = make_report(warehouse, settings, chosen, nights)
    if common.as_json:
        show_json(report.to_json())
        return
    show_report(report)


def show_report(report: ShadowReport) -> None:
    """Print a report as tables and sentences."""
    rows = [
        {
            "searches": name,
            "number": gain.searches,
            "users": gain.users,
            "same plan": gain.same_plan,
            "same best plan": gain.same_greedy,
            "blocks fetched": gain.mass_fetched,
            "predicted gain": gain.gain,
            "low": gain.low,
            "high": gain.high,
            "breaks at": gain.breaks_at,
            "verdict": gain.verdict,
        }
        for name, gain in report.gains.items()
    ]
    show_rows(rows, f"Shadow mode, {report.first_date} to {report.last_date}: {report.version}", as_json=False)
    for line in report_lines(report):
        show(line)
    prices = [
        {
            "floor": price.floor,
            "predicted value": price.value,
            "nights, challenger of the settings": price.challenger_nights,
            "nights, any one plan": price.any_nights,
        }
        for price in report.ramp.prices
    ]
    show_rows(prices, "Floors of exploration: nights until a challenger has a verdict", as_json=False)


def report_lines(report: ShadowReport) -> list[str]:
    """The report in sentences."""
    whole, ramp = report.whole, report.ramp
    lines = [
        f"verdict: {whole.verdict}: {'; '.join(whole.reasons)}",
        (
            f"the policy draws the static plan with probability {whole.same_plan:.1%}, and the log has all blocks of "
            f"{whole.mass_fetched:.1%} of its probability: no more than that can this log show"
        ),
        (
            f"predicted gain of a canary with the floor {report.floor:g}: {whole.gain:+.1%}, between {whole.low:+.1%} "
            f"and {whole.high:+.1%} if blocks that were not shown are worth {report.sensitivity:g} times less or "
            f"more than predicted; it is gone at {whole.breaks_at:.2g} times"
        ),
    ]
    head = f"at {ramp.searches_a_night:,.0f} searches a night, a true gain of {ramp.effect:+.1%}"
    if ramp.share is None:
        lines.append(
            f"{head} has no verdict within {ramp.nights} nights at any share up to the largest: it takes "
            f"{ramp.searches_needed:,.0f} searches a night"
        )
    else:
        lines.append(
            f"{head} is seen with probability {ramp.power:.0%} by night {ramp.nights_needed:.0f} of a canary for "
            f"{ramp.share:.1%} of the users, the smallest share that does: `ltrr policies ramp`"
        )
        if ramp.effect > ramp.gate_effect:
            lines.append(
                f"a gain of {ramp.gate_effect:+.1%} has no verdict within {ramp.nights} nights at any share up to the "
                f"largest: it takes {ramp.searches_needed:,.0f} searches a night"
            )
    if report.no_plan:
        lines.append(f"{report.no_plan} of {report.decisions} static pages are no plan of the policy and are left out")
    return lines
