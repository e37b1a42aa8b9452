"""Detection of wrong propensities: alarms of correct and corrupted logs, and reported power.

    python benchmarks/propensities.py [--json OUT] [--table OUT]
        [--decisions 10000] [--logs 10000] [--seed 1]

Logs of ltrr: a night of a trained policy is replayed from its bundle
(`propensities_study/replay.py`). Logs of other systems: worlds of known propensities have logs with
the probabilities of all actions, logs with that of the drawn action alone, and logs in which a user
repeats one draw ten times. The benchmark counts the correct logs with any alarm of
`ltrr.estimation.calibration`. Then it corrupts logs exactly as much as the first correct log of
each world reports that it would reveal with 99 % power. The exit code is 1 if a bar is missed. The
run takes about fifteen minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter

from benchmarks.command_line import TABLE_HELP, add_outputs, new_parser, report_bars, write_json, write_text
from benchmarks.propensities_study.alarms import study_correct, study_power
from benchmarks.propensities_study.report import check, markdown
from benchmarks.propensities_study.worlds import WORLDS, cells, power_cells


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser, table_help=TABLE_HELP)
    parser.add_argument("--decisions", type=int, default=10_000, help="Number of decisions of the replayed night")
    parser.add_argument("--trials", type=int, default=2_000, help="Number of corruptions of the night")
    parser.add_argument("--logs", type=int, default=10_000, help="Number of correct logs of each kind")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> int:
    """Print the tables and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    started = perf_counter()
    correct = [study_correct(cell, max(options.logs // 36, WORLDS), options.seed) for cell in cells()]
    power = [row for cell in power_cells() for row in study_power(cell, max(options.logs // 25, 20), options.seed)]
    # Imported here: the studies before it do not need Spark.
    from benchmarks.propensities_study.replay import study_replay

    replay = study_replay(options.decisions, options.trials, options.seed)
    bars = check(replay, correct, power, options.trials)
    text = markdown(replay, correct, power, bars)
    print(text)
    write_text(options.table, text + "\n")
    figures = {"replay": replay, "honest": correct, "power": power, "bars": bars}
    write_json(options.json, figures | {"seconds": perf_counter() - started})
    return report_bars(bars)


if __name__ == "__main__":
    sys.exit(main())
