"""Estimators of logs made draw by draw, and of logs of plans, against exact truth.

    python benchmarks/ope_plans.py [--data DIR] [--json OUT] [--table OUT] [--scale 1.0] [--seed 1]

Worlds: `music`, generated, and with --data `msrd`, real films. Six strategies, blocks of 2, budget 4. Logs: uniform,
and epsilon .3 before each draw. Judged are targets that differ from the logging policy in all draws, and in the last
alone; and from logs whose plans were chosen at once, a target of plans. For each, many logs of 2,000 and of 10,000
impressions; the truth is a sum over all searches and plans. Exits 1 if a bar does not hold; nine minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.plan_logs.report import bars_of, markdown, print_rows
from benchmarks.plan_logs.study import Row, study_world
from ltrr.simulation.msrd import msrd_world
from ltrr.simulation.music import music_world
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.world import World

REPETITIONS = {2_000: 300, 10_000: 200}
"""Number of impressions -> logs."""


def worlds(data: Path | None) -> list[World]:
    """Those that can be had; both with six strategies."""
    cache = default_cache()
    found = [music_world(cache_folder=cache)]
    if data is None:
        print("msrd is skipped: --data DIR, the folder with corpus.jsonl.gz and judgments.tsv.gz, is not given\n")
        return found
    return [*found, msrd_world(data, hybrid=False, cache_folder=cache)]


def main() -> int:
    """Print the rows and the bars; 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with corpus.jsonl.gz and judgments.tsv.gz, for msrd")
    parser.add_argument("--json", type=Path, help="rows, one JSON object a line")
    parser.add_argument("--table", type=Path, help="the tables as Markdown")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of logs")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    repetitions = {n: max(20, round(times * arguments.scale)) for n, times in REPETITIONS.items()}
    rows: list[Row] = []
    for world in worlds(arguments.data):
        started = perf_counter()
        rows += study_world(world, repetitions, arguments.seed)
        print(f"{world.name}: {perf_counter() - started:.0f} s", file=sys.stderr)
        # After each world: an hour later nobody wants to have lost the first.
        if arguments.json:
            arguments.json.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
        if arguments.table:
            arguments.table.write_text(markdown(rows), encoding="utf-8")
    print_rows(rows)
    bars = bars_of(rows)
    print()
    for bar, failures in bars.items():
        print(f"{'BROKEN' if failures else 'holds '}  {bar}" + "".join(f"\n        {failure}" for failure in failures))
    broken = [bar for bar, failures in bars.items() if failures]
    print(f"bars: {len(bars) - len(broken)} of {len(bars)} hold" + (": not " + "; not ".join(broken) if broken else ""))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
