"""What shadow mode predicts and proposes, against the truth of a world.

    python benchmarks/shadow.py --world music --seeds 20 [--json OUT]
    python benchmarks/shadow.py --world msrd --data DIR --seeds 20 [--json OUT]

Each seed is a log of 40,000 searches on static pages: one block of each of the first strategies.
Values are learned from it with the code of the nights. The benchmark predicts the gain of the first
canary, computes its true gain, and runs the proposed canary night by night through the sequential
gate. The exit code is 1 if a bar is missed.

A run that was interrupted continues: logs that OUT has for the same world and size are kept.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.command_line import report_bars, write_json
from benchmarks.learned_retrieval.runs import logs_parser, study_logs, world_of
from benchmarks.shadow_study.trial import run_trial
from benchmarks.shadow_study.world_log import StaticLog
from ltrr.core.plans import PlanSpace
from ltrr.simulation.truth_table import equal_split

COVERED, REACHED = 0.9, 0.8
"""Minimum shares of the logs whose range holds the truth, and whose canary has its verdict."""


def study(name: str, data: Path | None, searches: int, seed: int) -> dict[str, Any]:
    """Figures of one log, computed in its own process."""
    world = world_of(name, data, hybrid=True)
    space = PlanSpace(world.strategies, world.block_size, world.budget)
    return run_trial(StaticLog.of(world, space, equal_split(space)[0], searches, seed), searches)


def main() -> int:
    """Run the study of one world."""
    parser = logs_parser(__doc__, seeds=20)
    parser.add_argument("--searches", type=int, default=40_000, help="Number of searches of each log")
    options = parser.parse_args()
    world_of(options.world, options.data, hybrid=True)
    task = partial(study, options.world, options.data, options.searches)
    trials = _kept_trials(options.json, options.world, options.searches)
    if trials:
        print(f"{len(trials)} logs are kept from {options.json}: {sorted(trials)}; remove it to compute them again")
    rest = [seed for seed in range(1, options.seeds + 1) if seed not in trials]
    for trial in study_logs(task, rest, options.jobs):
        print(trial, flush=True)
        trials[trial["seed"]] = trial
        figures = _sum_up(options.world, options.searches, list(trials.values()))
        write_json(options.json, figures)
    chosen = [trials[seed] for seed in range(1, options.seeds + 1)]
    figures = _sum_up(options.world, options.searches, chosen)
    print({name: value for name, value in figures.items() if name != "trials"})
    write_json(options.json, figures)
    bars = {
        "the range holds the true gain": figures["covered"] >= COVERED * len(chosen),
        "the canary has its verdict within the announced nights": (
            figures["reached"] >= REACHED * figures["announced"] > 0
        ),
    }
    return report_bars(bars, f"{len(chosen)} logs of {options.searches} searches")


def _kept_trials(file: Path | None, world: str, searches: int) -> dict[int, dict[str, Any]]:
    """Seed -> figures of the logs that an earlier run has written."""
    if file is None or not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    if (found.get("world"), found.get("searches")) != (world, searches):
        raise SystemExit(f"{file} has figures of another world or size: give another file, or remove it")
    return {trial["seed"]: trial for trial in found["trials"]}


def _sum_up(world: str, searches: int, trials: list[dict[str, Any]]) -> dict[str, Any]:
    learned = [trial for trial in trials if trial["learned"]]
    covered = sum(trial["is_covered"] for trial in learned)
    announced = [trial for trial in learned if trial["nights_announced"] is not None]
    reached = [t for t in announced if t["verdict"] != "keep" and t["verdict_night"] <= t["nights_announced"]]
    return {
        "world": world,
        "searches": searches,
        "logs": len(trials),
        "learned": len(learned),
        "covered": covered,
        "announced": len(announced),
        "reached": len(reached),
        "trials": sorted(trials, key=lambda trial: trial["seed"]),
    }


if __name__ == "__main__":
    sys.exit(main())
