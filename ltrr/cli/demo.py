"""`ltrr demo`: the whole loop against a world of known truth."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ltrr.cli.options import Json, Set, check_home
from ltrr.cli.output import show, show_json, stderr
from ltrr.config import Settings, load_settings
from ltrr.demo.first_policy import write_demo_settings
from ltrr.demo.home import claim_home
from ltrr.demo.loop import NightReport, challenger_policy, current_policy, run_nights
from ltrr.demo.report import (
    night_lines,
    nights_table,
    ranker_lines,
    regret_rows,
    regret_table,
    standing,
    trial_table,
    truth_tables,
    whereabouts,
    with_challenger,
)
from ltrr.demo.trial import plan_rows
from ltrr.demo.worlds import IMPRESSIONS, WorldChoice, build_world, check_choice
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.simulation.ranker_truth import ranker_table
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.truth_table import truth_table
from ltrr.simulation.world import World
from ltrr.spark.session import build_session

FIRST_DATE = date(2026, 3, 2)
# Known to everyone who reads this line, and used for invented people only.
DEMO_SECRET = "the demo's people are invented"  # noqa: S105


def demo(
    world: Annotated[
        str, typer.Option("--world", help="music (generated) or msrd (real films and queries).")
    ] = "music",
    data: Annotated[Path | None, typer.Option("--data", help="Folder of the world's data (msrd).")] = None,
    nights: Annotated[int, typer.Option("--nights", min=1, help="Days served and nights learned.")] = 4,
    impressions: Annotated[
        int | None, typer.Option("--impressions", min=100, help="Searches a day; by default what the gate needs.")
    ] = None,
    home: Annotated[
        Path,
        typer.Option(
            "--home", callback=check_home, help="Folder of the demo; an earlier demo's is replaced, never another's."
        ),
    ] = Path("demo-home"),
    hybrid: Annotated[bool, typer.Option(help="Whether the fusion of lexical and semantic is a strategy.")] = True,
    seed: Annotated[int, typer.Option("--seed", help="Of the people's behaviour.")] = 7,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Days of service and nights of learning in a world of known truth, then what the policy was truly worth."""
    started = time.monotonic()
    console = stderr()
    choice = WorldChoice(world, data, hybrid)
    check_choice(choice)
    claim_home(home)
    if SECRET_VARIABLE not in os.environ:
        os.environ[SECRET_VARIABLE] = DEMO_SECRET
        console.print(f"{SECRET_VARIABLE} is not set: the demo uses a secret of its own, which protects nobody")
    with _bar(console, "searching the world") as advance:
        real = build_world(choice, default_cache(), advance)
    for note in real.notes:
        console.print(f"world {real.name}: {note}")
    write_demo_settings(home, real.policy_settings(), FIRST_DATE)
    settings = load_settings(home, None, changes or ())
    publish_first_champion(settings.paths.policies, settings.policy, settings.first_date)
    spark = build_session("ltrr demo", settings.spark)
    reports: list[NightReport] = []
    with _bar(console, "starting") as advance:
        for report in run_nights(
            real,
            settings,
            spark,
            nights=nights,
            impressions=impressions or IMPRESSIONS[world],
            seed=seed,
            say=advance.say,
            progress=advance,
        ):
            reports.append(report)
            console.print(night_lines(report))
        advance.say("true values of every policy")
        outcome = _outcome(real, settings, reports, advance)
        if world == "msrd" and data is not None:
            six = build_world(WorldChoice(world, data, hybrid=False), default_cache(), advance)
            outcome["trial"] = [row for row in plan_rows(six) if row["slice"] in ("unseen", "head")]
    outcome["seconds"] = round(time.monotonic() - started, 1)
    if as_json:
        show_json(outcome)
    else:
        _print(outcome, reports, home, settings)


def _outcome(world: World, settings: Settings, reports: list[NightReport], advance: _Advance) -> dict[str, Any]:
    policy = current_policy(settings)
    truth: list[Mapping[str, Any]] = [*truth_table(world, policy, progress=advance)]
    challenger = reports[-1].challenger
    if challenger:
        advance.say("true values of the challenger")
        truth = with_challenger(truth, truth_table(world, challenger_policy(settings, challenger), progress=advance))
    return {
        "world": world.name,
        "strategies": list(world.strategies),
        "notes": list(world.notes),
        "policy_version": policy.version,
        "nights": [report.to_json() for report in reports],
        "regret": regret_rows(reports),
        "truth": truth,
        "ranker": ranker_table(world, policy),
    }


def _print(outcome: dict[str, Any], reports: list[NightReport], home: Path, settings: Settings) -> None:
    show(nights_table(reports))
    show("")
    show(regret_table(outcome["regret"]))
    for table in truth_tables(outcome["truth"]):
        show("")
        show(table)
    show("")
    show(ranker_lines(outcome["ranker"]))
    if "trial" in outcome:
        show("")
        show(trial_table(outcome["trial"]))
    show("")
    show(standing(outcome["truth"], reports[-1].challenger))
    show(f"\n{outcome['seconds']:.0f} seconds. Where things are, and what opens them:")
    for thing, command in whereabouts(home, settings.policy.name, str(reports[-1].day)):
        show(f"  {thing}\n      {command}")


class _Advance:
    """Progress of one long work: called with (done, all), told what is being done."""

    def __init__(self, progress: Progress, text: str) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=None)

    def __call__(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def say(self, text: str) -> None:
        """Name what is being done; on a pipe, a line each."""
        self._progress.update(self._task, description=text, completed=0, total=None)
        if not self._progress.console.is_terminal:
            self._progress.console.print(text)


@contextmanager
def _bar(console: Console, text: str) -> Iterator[_Advance]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Advance(progress, text)
