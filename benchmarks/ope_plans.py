"""Estimators on logs of draws and on logs of plans, compared with the exact truth.

    python benchmarks/ope_plans.py [--data DIR] [--json OUT] [--table OUT] [--scale 1.0] [--seed 1]

The worlds are `music`, which is generated, and with --data `msrd`, which has real films. There are
six strategies, blocks of 2, and a budget of 4. The logging policies are uniform, and epsilon .3
before each draw. The judged targets differ from the logging policy in all draws, or in the last
draw alone. From logs whose plans were chosen in one step, the benchmark judges a target of plans.
Each case has many logs of 2,000 and of 10,000 impressions. The truth is a sum over all searches and
plans. The exit code is 1 if a bar is missed. The run takes nine minutes on one core.
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
"""Number of impressions of a log -> number of logs."""


def worlds(data: Path | None) -> list[World]:
    """Worlds with available data, each with six strategies."""
    cache = default_cache()
    found = [music_world(cache_folder=cache)]
    if data is None:
        print("msrd is skipped: set --data to the folder with corpus.jsonl.gz and judgments.tsv.gz\n")
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
    """Print the rows and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    repetitions = {n: max(20, round(times * options.scale)) for n, times in REPETITIONS.items()}
    rows: list[Row] = []
    for world in worlds(options.data):
        started = perf_counter()
        rows += study_world(world, repetitions, options.seed)
        print(f"{world.name}: {perf_counter() - started:.0f} s", file=sys.stderr)
        # Files are written after each world: a failure in the second keeps the rows of the first.
        write_rows(options.json, rows)
        write_text(options.table, markdown(rows))
    print_rows(rows)
    misses = bars_of(rows)
    print()
    return report_bars({bar: not missed for bar, missed in misses.items()}, misses=misses)


if __name__ == "__main__":
    sys.exit(main())
