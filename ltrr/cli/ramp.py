"""`ltrr policies ramp`: the first canary after shadow mode."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from ltrr.artifacts.bundle import read_manifest
from ltrr.artifacts.pointer import current
from ltrr.cli.decisions import By, show_release
from ltrr.cli.options import Common, with_common
from ltrr.cli.output import show, show_json
from ltrr.cli.shadow import Nights, show_report
from ltrr.config import Settings
from ltrr.errors import UsageError
from ltrr.estimation.verdict import DO_NOT_USE
from ltrr.pipelines.shadow_report import ShadowReport, make_report
from ltrr.shadow.first_canary import begin_first_canary
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session


@with_common
def ramp_policy(
    common: Common,
    by_whom: By,
    nights: Nights = None,
    share: Annotated[
        float | None, typer.Option("--share", help="Share of the users; by default the smallest that has a verdict.")
    ] = None,
    floor: Annotated[
        float | None, typer.Option("--floor", help="Floor of exploration; by default the proposed one.")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason; required with --publish.")] = "",
    is_published: Annotated[
        bool, typer.Option("--publish", help="Publish the version and begin the canary; without it, only propose.")
    ] = False,
) -> None:
    """Propose the first canary after shadow mode: its share, floor and risk. --publish begins it.

    The canary serves the newest policy of the nights to a share of the users. The others keep the
    static page, and the gate compares both groups.
    """
    settings = common.settings()
    version = current(settings.paths.policies, settings.policy.name)
    _check_shadow(settings, version)
    if floor is not None:
        # The report prices the given floor like those of the settings.
        floors = tuple(sorted({*settings.shadow.floors, floor}))
        settings = replace(settings, shadow=replace(settings.shadow, floors=floors))
    warehouse = Warehouse(build_session("ltrr policies ramp", settings.spark), settings.paths.tables)
    report = make_report(warehouse, settings, version, nights, floor)
    chosen = report.ramp.share if share is None else share
    exploration = report.floor if floor is None else floor
    lines = _list_risks(report, chosen, exploration)
    if common.as_json and not is_published:
        show_json({**report.to_json(), "proposal": {"share": chosen, "floor": exploration, "risk": lines}})
    elif not common.as_json:
        show_report(report)
        for line in lines:
            show(line)
    if is_published:
        _check_allowed(report, chosen, why, is_by_hand=share is not None)
        root, name = settings.paths.policies, settings.policy.name
        release = begin_first_canary(root, name, version, chosen or 0.0, exploration, why=why, by_whom=by_whom)
        show_release(common, settings, release, release.version)


def _check_shadow(settings: Settings, version: str) -> None:
    if not read_manifest(settings.paths.policies, settings.policy.name, version).shadow:
        raise UsageError(
            "the policy is not in shadow mode",
            which=version,
            expected="a policy that `ltrr policies init --shadow` started",
            got="one that serves its choices",
            todo="begin a canary of any version with `ltrr policies canary`",
        )


def _list_risks(report: ShadowReport, share: float | None, floor: float) -> list[str]:
    """The proposal, and what it puts at risk, in sentences."""
    if share is None:
        return ["no canary is proposed: give --share yourself, or wait for more traffic"]
    whole, searches = report.whole, report.ramp.searches_a_night * share
    return [
        f"proposal: a canary for {share:.1%} of the users with the floor {floor:g}",
        (
            f"at risk: {searches:,.0f} searches a night, whose reward is predicted to change by {whole.low:+.1%} to "
            f"{whole.high:+.1%}; of all users' reward {share * whole.low:+.2%} to {share * whole.high:+.2%}"
        ),
        "`ltrr policies canary --end` gives the static page back to all users at once",
    ]


def _check_allowed(report: ShadowReport, share: float | None, why: str, *, is_by_hand: bool) -> None:
    """Check that a canary may begin.

    Raises:
        UsageError: There is no reason or share, or the report expects no gain and no person chose
            the share.
    """
    whole = report.whole
    if not why:
        raise UsageError("a canary needs a reason", which="--why", expected="the reason", got="nothing")
    against = whole.verdict == DO_NOT_USE or not whole.high > 0.0
    if share is None or (against and not is_by_hand):
        raise UsageError(
            "the report proposes no canary",
            which=report.version,
            expected="a predicted gain that may be above zero, on enough users and traffic",
            got=f"{whole.verdict}, {whole.low:+.1%} to {whole.high:+.1%}: {'; '.join(whole.reasons)}",
            todo="run more nights in shadow mode, or choose the share yourself with --share",
        )
