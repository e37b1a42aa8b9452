"""What shadow mode predicts and proposes, against the truth of a world.

    python benchmarks/shadow.py --world music --seeds 20 [--json OUT]
    python benchmarks/shadow.py --world msrd --data DIR --seeds 20 [--json OUT]

Each seed is a log of 40,000 searches on static pages: one block of each of the first strategies.
Values are learned from it with the code of the nights. The benchmark predicts the gain of the first
canary, computes its true gain, and runs the proposed canary night by night through the sequential
gate. The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

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
    trials = study_logs(task, range(1, options.seeds + 1), options.jobs)
    for trial in trials:
        print(trial)
    learned = [trial for trial in trials if trial["learned"]]
    covered = sum(trial["is_covered"] for trial in learned)
    announced = [trial for trial in learned if trial["nights_announced"] is not None]
    reached = [t for t in announced if t["verdict"] != "keep" and t["verdict_night"] <= t["nights_announced"]]
    figures = {
        "world": options.world,
        "searches": options.searches,
        "logs": len(trials),
        "learned": len(learned),
        "covered": covered,
        "announced": len(announced),
        "reached": len(reached),
    }
    print(figures)
    write_json(options.json, {**figures, "trials": trials})
    bars = {
        "the range holds the true gain": covered >= COVERED * len(trials),
        "the canary has its verdict within the announced nights": len(reached) >= REACHED * len(announced) > 0,
    }
    return report_bars(bars, f"{len(trials)} logs of {options.searches} searches")


if __name__ == "__main__":
    sys.exit(main())
