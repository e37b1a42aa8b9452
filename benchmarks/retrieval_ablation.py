"""Recall of learned plans without one input, and with a tenth of the log.

    python benchmarks/retrieval_ablation.py --world msrd --data DIR [--json OUT] [--table OUT]
        [--seeds 2] [--jobs 2]

The benchmark trains the planner of `retrieval.py` again for each case:

- without the scores of the strategies;
- without the memory, as a strategy and as evidence;
- without learned values of candidates: reciprocal ranks and clicks replace them;
- without text: the stored fields of entities;
- from a log of 20,000 searches.

Strategy history is not an input of learned values. Its effect on a planner without learned values
is the difference between `hit_rate_planner` and `reciprocal_rank_planner`. The gap of a row is the
gap of its own log: with less evidence the memory finds less.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.command_line import write_rows, write_text
from benchmarks.learned_retrieval.judging import Ablation, LogStudy
from benchmarks.learned_retrieval.report import LogResults, rows_of
from benchmarks.learned_retrieval.runs import logs_parser, study_logs, world_of
from ltrr.core.plans import PlanSpace

CASES = {
    "everything": (200_000, Ablation()),
    "without scores": (200_000, Ablation(scores=True)),
    "without memory": (200_000, Ablation(memory=True)),
    "without block values": (200_000, Ablation(values=True)),
    "without text": (200_000, Ablation(text=True)),
    "20,000 searches": (20_000, Ablation()),
}
"""Case -> number of logged searches, and inputs that are withheld."""

SHOWN = (
    ("all_blocks", "value_planner"),
    ("first_look", "value_planner"),
    ("blind", "share_planner"),
    ("first_look", "hit_rate_planner"),
    ("first_look", "reciprocal_rank_planner"),
)

Task = tuple[str, Path | None, str, int]


def study(task: Task) -> LogResults:
    """Results of one log of one case, computed in its own process."""
    name, data, case, seed = task
    world = world_of(name, data, hybrid=False)
    space = PlanSpace(world.strategies, world.block_size, world.budget)
    impressions, ablation = CASES[case]
    return LogStudy(world, space, impressions, seed, ablation).run_planners()


def markdown(rows: list[dict[str, Any]], world: str, seeds: int) -> str:
    """The table of the documentation."""
    mean = f"mean over {seeds} seed{'s' * (seeds > 1)}"
    lines = [f"`{world}`, {mean}: recall (closed share of the gap to the oracle), unseen / head.", ""]
    lines += ["| case | " + " | ".join(f"{policy}, {observe}" for observe, policy in SHOWN) + " |"]
    lines += ["|---|" + "---|" * len(SHOWN)]
    cells = {(row["case"], row["observe"], row["policy"], row["slice"]): row for row in rows if "share" in row}
    for case in CASES:
        entries = []
        for observe, policy in SHOWN:
            unseen, head = (cells[case, observe, policy, part] for part in ("unseen", "head"))
            entries.append(
                f"{unseen['recall']:.3f} ({unseen['share']:+.2f}) / {head['recall']:.3f} ({head['share']:+.2f})"
            )
        lines.append(f"| {case} | " + " | ".join(entries) + " |")
    return "\n".join(lines) + "\n"


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    return logs_parser(__doc__, seeds=2)


def main() -> int:
    """Print the table; there are no bars."""
    options = build_parser().parse_args()
    # The rankings are computed and cached here, before several processes need them.
    world_of(options.world, options.data, hybrid=False)
    tasks = [(options.world, options.data, case, seed) for case in CASES for seed in range(1, options.seeds + 1)]
    judged = list(study_logs(study, tasks, options.jobs))
    rows = [
        {"case": case, **row}
        for place, case in enumerate(CASES)
        for row in rows_of(judged[place * options.seeds : (place + 1) * options.seeds])
    ]
    table = markdown(rows, options.world, options.seeds)
    print(table)
    write_rows(options.json, rows)
    write_text(options.table, table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
