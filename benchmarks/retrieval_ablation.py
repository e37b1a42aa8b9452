"""What learned plans lose without one thing, and with a tenth of the log.

    python benchmarks/retrieval_ablation.py --world msrd --data DIR [--json OUT] [--table OUT] [--seeds 2] [--jobs 2]

The planner over learned values as in `retrieval.py`, learned anew each time: without the strategies' scores, without
the memory (as a strategy and as evidence), without learned values of candidates (reciprocal ranks and clicks stand in),
without text (what entities' stored fields say), and from a log of 20,000 searches. Strategy history is no input of
learned values: what it is worth to a planner that has none is the difference between `hit_rate_planner` and
`reciprocal_rank_planner`. The gap of a row is that of its own log: with less evidence the memory brings less.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.learned_retrieval.judging import LogStudy, Without
from benchmarks.learned_retrieval.report import Judged, rows_of
from benchmarks.retrieval import world_of
from ltrr.core.plans import PlanSpace

CASES = {
    "everything": (200_000, Without()),
    "without scores": (200_000, Without(scores=True)),
    "without memory": (200_000, Without(memory=True)),
    "without block values": (200_000, Without(values=True)),
    "without text": (200_000, Without(text=True)),
    "20,000 searches": (20_000, Without()),
}
"""Case -> searches logged, and what is left out."""

SHOWN = (
    ("all_blocks", "value_planner"),
    ("first_look", "value_planner"),
    ("blind", "share_planner"),
    ("first_look", "hit_rate_planner"),
    ("first_look", "reciprocal_rank_planner"),
)

Task = tuple[str, Path | None, str, int]


def study(task: Task) -> Judged:
    """One log of one case, in a process of its own."""
    name, data, case, seed = task
    world = world_of(name, data, hybrid=False)
    space = PlanSpace(world.strategies, world.block_size, world.budget)
    impressions, without = CASES[case]
    return LogStudy(world, space, impressions, seed, without).planners()


def markdown(rows: list[dict[str, Any]], world: str, seeds: int) -> str:
    """The table of docs/retrieval.md."""
    lines = [f"`{world}`, mean over {seeds} seed(s); recall (share of the gap), unseen / head.", ""]
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


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=("msrd", "music"), default="msrd")
    parser.add_argument("--data", type=Path, help="folder with corpus.jsonl.gz and judgments.tsv.gz, for msrd")
    parser.add_argument("--json", type=Path, help="rows, one JSON object a line")
    parser.add_argument("--table", type=Path, help="the table as Markdown")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="logs at a time; one takes some 3 GB")
    arguments = parser.parse_args()
    world_of(arguments.world, arguments.data, hybrid=False)
    seeds = range(1, arguments.seeds + 1)
    tasks = [(arguments.world, arguments.data, case, seed) for case in CASES for seed in seeds]
    # Logs are what runs side by side: threads of small matrix products would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as processes:
        judged = list(processes.map(study, tasks))
    rows = [
        {"case": case, **row}
        for place, case in enumerate(CASES)
        for row in rows_of(judged[place * arguments.seeds : (place + 1) * arguments.seeds])
    ]
    table = markdown(rows, arguments.world, arguments.seeds)
    print(table)
    if arguments.json:
        arguments.json.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    if arguments.table:
        arguments.table.write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
