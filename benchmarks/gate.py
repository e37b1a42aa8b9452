"""Error rates of the gate: false promotions, nights until a true promotion, detected harm.

    python benchmarks/gate.py [--json OUT] [--table OUT] [--streams 10000] [--seed 1]

A stream is 60 nights of a champion that logs and of challengers that start and end by the rules of
`ltrr.estimation.sequential`. The term of an impression in the paired doubly robust difference is
(w - 1)(r - q): w is log-normal, r a count of events, q a constant reward model. The terms keep
their heavy tails; no increment is drawn from a normal distribution. The sums of a night are drawn
as counts of (weight, reward) cells. In the scenario with returning users, sums are kept for every
user, and a user is one cluster over the whole window.

Only `judge_looks` promotes. It is not called while no score reaches the critical value of a single
look that spends the whole alpha. On a sample of streams the benchmark asserts that it would not
promote. The exit code is 1 if a bar is missed. The run takes twenty minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter
from typing import Any

from benchmarks.command_line import TABLE_HELP, add_outputs, new_parser, report_bars, write_json, write_text
from benchmarks.gate_study.bounds import compare_bounds, looks_of
from benchmarks.gate_study.challengers import DESIGN, Challenger
from benchmarks.gate_study.measures import measure_false, measure_gains, measure_slices
from benchmarks.gate_study.report import bars_of, tables
from ltrr.estimation.sequential import traffic_factor


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser, table_help=TABLE_HELP)
    parser.add_argument("--streams", type=int, default=10_000, help="Number of streams of each scenario")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> int:
    """Run every scenario, print the tables and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    started = perf_counter()
    result: dict[str, Any] = {
        "streams": options.streams,
        "seed": options.seed,
        "factors": {alpha: traffic_factor(DESIGN, alpha, 0.8) for alpha in (DESIGN.share, DESIGN.alpha)},
        "false": measure_false(options.streams, options.seed),
        "gains": measure_gains(options.streams, options.seed),
        "slices": measure_slices(options.streams, options.seed),
        "bounds": {
            name: compare_bounds(*looks_of(Challenger(1.1, gain), options.streams, options.seed), DESIGN.share)
            for name, gain in (("equal", 0.0), ("better", DESIGN.effect))
        },
    }
    result["bars"] = bars_of(result)
    print(tables(result))
    print(f"traffic factors at 80 %: {result['factors']}")
    write_json(options.json, result)
    write_text(options.table, tables(result))
    return report_bars(result["bars"], f"{options.streams} streams each, {perf_counter() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
