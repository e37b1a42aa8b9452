"""How often does the gate promote what is no better, how soon what is, and does it see a slice that is harmed?

    python benchmarks/gate.py [--json OUT] [--table OUT] [--streams 10000] [--seed 1]

A stream is 60 nights of a champion that logs and of challengers that come and go as `ltrr.estimation.sequential` says.
An impression's term of the paired doubly robust difference is (w - 1)(r - q): w is log-normal, r a count of events, q
a constant reward model; heavy tails and all, no normal increments anywhere. A night's sums are drawn as counts of
(weight, reward) cells; where users return, as sums of every single user, who is one cluster over the whole window.

Nothing here promotes but `judge_looks`; where no score reaches the level at which a single look would have spent
everything, it need not be asked (asserted on a sample). Exits 1 where a bar does not hold; about twenty minutes on
one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.gate_study.bounds import compare_bounds, looks_of
from benchmarks.gate_study.challengers import DESIGN, Challenger
from benchmarks.gate_study.measures import measure_false, measure_gains, measure_slices
from benchmarks.gate_study.report import bars_of, tables
from ltrr.estimation.sequential import traffic_factor


def main() -> int:
    """Run every scenario, print the tables, and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    began = perf_counter()
    result: dict[str, Any] = {
        "streams": told.streams,
        "seed": told.seed,
        "factors": {alpha: traffic_factor(DESIGN, alpha, 0.8) for alpha in (DESIGN.share, DESIGN.alpha)},
        "false": measure_false(told.streams, told.seed),
        "gains": measure_gains(told.streams, told.seed),
        "slices": measure_slices(told.streams, told.seed),
        "bounds": {
            name: compare_bounds(*looks_of(Challenger(1.1, gain), told.streams, told.seed), DESIGN.share)
            for name, gain in (("equal", 0.0), ("better", DESIGN.effect))
        },
    }
    result["bars"] = bars_of(result)
    print(tables(result))
    print(f"traffic factors at 80 %: {result['factors']}")
    for name, holds in result["bars"].items():
        print(f"{'holds' if holds else 'MISSED'}: {name}")
    if told.json:
        told.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if told.table:
        told.table.write_text(tables(result), encoding="utf-8")
    missed = [name for name, holds in result["bars"].items() if not holds]
    print(
        f"{len(result['bars']) - len(missed)} of {len(result['bars'])} bars hold, {told.streams} streams each, "
        f"{perf_counter() - began:.0f} s; not: {'; '.join(missed) or 'none'}"
    )
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
