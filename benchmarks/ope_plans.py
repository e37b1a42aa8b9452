"""Estimators on logs of draws and on logs of plans, compared with the exact truth.

    python benchmarks/ope_plans.py [--data DIR] [--json OUT] [--table OUT] [--scale 1.0] [--seed 1]

Worlds: `music`, generated, and with --data `msrd`, real films. Six strategies, blocks of 2, budget
4. Logs: uniform, and epsilon .3 before each draw. The judged targets differ from the logging policy
in all draws, or in the last draw alone. From logs whose plans were chosen at once, the benchmark
judges a target of plans. Each case has many logs of 2,000 and of 10,000 impressions; the truth is a
sum over all searches and plans. Exits 1 where a bar is missed; nine minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.command_line import (
    DATA_HELP,
    ROWS_HELP,
    TABLE_HELP,
    add_outputs,
    new_parser,
    report_bars,
    write_rows,
    write_text,
)
from benchmarks.plan_logs.report import bars_of, markdown, print_rows
from benchmarks.plan_logs.study import Row, study_world
from ltrr.simulation.msrd import msrd_world
from ltrr.simulation.music import music_world
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.world import World

REPETITIONS = {2_000: 300, 10_000: 200}
"""Number of impressions -> logs."""


def worlds(data: Path | None) -> list[World]:
    """The worlds whose data are available, each with six strategies."""
    cache = default_cache()
    found = [music_world(cache_folder=cache)]
    if data is None:
        print("msrd is skipped: --data is missing, the folder with corpus.jsonl.gz and judgments.tsv.gz\n")
        return found
    return [*found, msrd_world(data, hybrid=False, cache_folder=cache)]


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser, json_help=ROWS_HELP, table_help=TABLE_HELP)
    parser.add_argument("--data", type=Path, help=DATA_HELP)
    parser.add_argument("--scale", type=float, default=1.0, help="Factor of the number of logs")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> int:
    """Print the rows and the bars; return 1 where a bar is missed."""
    options = build_parser().parse_args()
    repetitions = {n: max(20, round(times * options.scale)) for n, times in REPETITIONS.items()}
    rows: list[Row] = []
    for world in worlds(options.data):
        started = perf_counter()
        rows += study_world(world, repetitions, options.seed)
        print(f"{world.name}: {perf_counter() - started:.0f} s", file=sys.stderr)
        # After each world, so that a failure in the second does not lose the rows of the first.
        write_rows(options.json, rows)
        write_text(options.table, markdown(rows))
    print_rows(rows)
    misses = bars_of(rows)
    print()
    return report_bars({bar: not missed for bar, missed in misses.items()}, misses=misses)


if __name__ == "__main__":
    sys.exit(main())
