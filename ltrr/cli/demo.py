"""`ltrr demo`: the whole loop against a world of known truth."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession
from rich.console import Console

from ltrr.cli.options import Hybrid, Json, Set, WorldData, WorldName, check_home
from ltrr.cli.output import narrow_stderr, narrow_stdout, show_json
from ltrr.cli.progress import StepProgress, jobs_left_text, show_step
from ltrr.config import Settings, load_settings
from ltrr.demo.durations import duration_text
from ltrr.demo.first_policy import write_demo_settings
from ltrr.demo.full_report import write_report
from ltrr.demo.home import claim_home
from ltrr.demo.loop import SERVE, NightReport, challenger_policy, current_policy, run_nights
from ltrr.demo.report import (
    REGRET_CAPTION,
    TRUTH_CAPTION,
    night_lines,
    nights_table,
    order_table,
    regret_rows,
    regret_table,
    result_commands,
    trial_table,
    values_table,
    with_challenger,
)
from ltrr.demo.sentences import ranker_sentence, recall_sentences
from ltrr.demo.trial import plan_rows
from ltrr.demo.worlds import IMPRESSIONS, WorldChoice, build_world, check_choice
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.pipelines.jobs import JOBS
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.simulation.ranker_truth import ranker_table
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.truth_table import truth_table
from ltrr.simulation.world import World
from ltrr.spark.session import build_session

FIRST_DATE = date(2026, 3, 2)
# Public, and used for invented users only.
DEMO_SECRET = "the demo's people are invented"  # noqa: S105
TRUE_VALUES = "true values"


def demo(
    world: WorldName = "music",
    data: WorldData = None,
    nights: Annotated[int, typer.Option("--nights", min=1, help="Number of days served and nights learned.")] = 4,
    impressions: Annotated[
        int | None,
        typer.Option("--impressions", min=100, help="Searches per day; by default what the gate needs."),
    ] = None,
    home: Annotated[
        Path,
        typer.Option(
            "--home", callback=check_home, help="Folder of the demo. A demo's folder is replaced, no other one is."
        ),
    ] = Path("demo-home"),
    hybrid: Hybrid = True,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the users' behaviour.")] = 7,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Run days of service and nights of learning in a world of known truth; show true values."""
    started = time.monotonic()
    console = narrow_stderr()
    choice = WorldChoice(world, data, hybrid)
    check_choice(choice)
    real, settings = _prepare_home(choice, home, changes or [], console)
    with show_step(console, "starting Spark"):
        spark = build_session("ltrr demo", settings.spark)
    searches = impressions or IMPRESSIONS[world]
    _print_text(
        console, f"{nights} {'nights' if nights > 1 else 'night'} of {searches:,} searches and {len(JOBS)} jobs"
    )
    with DemoProgress(console, nights, settings.first_date) as watcher:
        reports = _run_nights(real, settings, spark, watcher, impressions=searches, seed=seed)
        outcome = _compute_outcome(real, settings, reports, watcher)
        if world == "msrd" and data is not None:
            six = build_world(WorldChoice(world, data, hybrid=False), default_cache(), watcher.advance)
            outcome["trial"] = [row for row in plan_rows(six) if row["slice"] in ("unseen", "head")]
    outcome["seconds"] = round(time.monotonic() - started, 1)
    full = write_report(home, reports, outcome)
    if as_json:
        show_json(outcome)
    else:
        _print_outcome(outcome, reports, home, settings, full)


def _prepare_home(choice: WorldChoice, home: Path, changes: list[str], console: Console) -> tuple[World, Settings]:
    """Empty the home, build the world, and publish the first policy."""
    claim_home(home)
    if SECRET_VARIABLE not in os.environ:
        os.environ[SECRET_VARIABLE] = DEMO_SECRET
        _print_text(console, f"{SECRET_VARIABLE} is not set: the demo uses a public one for invented users")
    with show_step(console, "building the world") as progress:
        world = build_world(choice, default_cache(), progress.advance)
    for note in world.notes:
        _print_text(console, f"world {world.name}: {note}")
    write_demo_settings(home, world.policy_settings(), FIRST_DATE)
    settings = load_settings(home, None, changes)
    publish_first_champion(settings.paths.policies, settings.policy, settings.first_date)
    return world, settings


class DemoProgress(StepProgress):
    """Progress of all nights of a demo.

    A terminal shows one line that changes; other outputs get a line per finished step.

    Args:
        console: Console of the progress.
        nights: Number of nights.
        first: Date of the first night.
    """

    def __init__(self, console: Console, nights: int, first: date) -> None:
        super().__init__(console, [*((SERVE, *JOBS) * nights), TRUE_VALUES])
        self.nights, self._first = nights, first

    def start_step(self, step: str, day: date) -> None:
        """Show a step of a night as running."""
        self.start(f"night {self.number(day)} of {self.nights} {step}")

    def end_step(self, step: str, day: date, seconds: float) -> None:
        """Count a step of a night as done; without a terminal, print its time and the jobs left."""
        self.end(seconds)
        if not self.console.is_terminal:
            left = len(JOBS) - 1 - JOBS.index(step) if step in JOBS else len(JOBS)
            self.print(
                f"night {self.number(day)} of {self.nights}, {step}: {duration_text(seconds)}, {jobs_left_text(left)}"
            )

    def number(self, day: date) -> int:
        """Number of a night, from 1."""
        return (day - self._first).days + 1


def _run_nights(
    world: World, settings: Settings, spark: SparkSession, progress: DemoProgress, *, impressions: int, seed: int
) -> list[NightReport]:
    """Run all nights; after each, print what it served, learned and decided."""
    reports: list[NightReport] = []
    for report in run_nights(
        world, settings, spark, nights=progress.nights, impressions=impressions, seed=seed, watcher=progress
    ):
        reports.append(report)
        for line in night_lines(report, progress.number(report.day), progress.nights):
            progress.print(line)
    return reports


def _compute_outcome(
    world: World, settings: Settings, reports: list[NightReport], progress: DemoProgress
) -> dict[str, Any]:
    policy = current_policy(settings)
    progress.start(f"{TRUE_VALUES} of every policy")
    truth: list[Mapping[str, Any]] = [*truth_table(world, policy, progress=progress.advance)]
    challenger = reports[-1].challenger
    if challenger:
        progress.start(f"{TRUE_VALUES} of the challenger")
        other = truth_table(world, challenger_policy(settings, challenger), progress=progress.advance)
        truth = with_challenger(truth, other)
    outcome = {
        "world": world.name,
        "strategies": list(world.strategies),
        "notes": list(world.notes),
        "policy_version": policy.version,
        "nights": [report.to_json() for report in reports],
        "regret": regret_rows(reports),
        "truth": truth,
        "ranker": ranker_table(world, policy),
    }
    progress.end()
    return outcome


def _print_outcome(
    outcome: dict[str, Any], reports: list[NightReport], home: Path, settings: Settings, full: Path
) -> None:
    console = narrow_stdout()
    console.print("", nights_table(reports), "", regret_table(outcome["regret"]))
    _print_text(console, REGRET_CAPTION)
    console.print("")
    if "trial" in outcome:
        console.print(trial_table(outcome["trial"]), "")
    console.print(order_table(outcome["ranker"]))
    _print_text(console, ranker_sentence(outcome["ranker"]))
    console.print("", values_table(outcome["truth"]))
    _print_text(console, TRUTH_CAPTION)
    _print_text(console, f"\n{recall_sentences(outcome['truth'], reports[-1].challenger)}")
    _print_text(console, f"\nDone in {duration_text(outcome['seconds'])}. All figures and reasons: {full}")
    for thing, command in result_commands(home, settings.policy.name, str(reports[-1].day)):
        _print_text(console, thing)
        # Not folded, so that users can copy the whole command.
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def _print_text(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)
