"""Coverage of confidence intervals, and verdicts about intervals with too low a coverage.

    python benchmarks/ope_coverage.py [--json OUT] [--table OUT] [--repetitions 10000] [--seed 1]

A cell is a world of known truth. Its parameters are the number of decisions, the reward rate, the
overlap of the log with the judged policy, and the decisions of each user. A log is simulated as
counts of kinds of users, where a kind is the contribution of one user to every sum. One multinomial
draw replaces a hundred thousand rows and has exactly the same distribution. Every method judges
each log. The benchmark counts the logs whose interval lies below or above the truth, and their
verdicts.

R is counted over users. It equals R over decisions where each user makes one decision. The R of a
cell is the median over its logs, and its verdict is the most frequent one. The exit code is 1 if a
bar is missed. The run takes a minute on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.command_line import TABLE_HELP, add_outputs, new_parser, report_bars, write_json, write_text
from benchmarks.coverage_study.methods import (
    CONFIDENCE,
    TERMS,
    WIDTH_LOGS,
    Logs,
    bernstein_interval,
    bootstrap_widths,
    cressie_read_interval,
    delta_interval,
    doubly_robust_interval,
    logit_ratio_interval,
    normal_interval,
)
from benchmarks.coverage_study.report import bars, table
from benchmarks.coverage_study.worlds import OVERLAPS, Cell, World, cells, logs_of, world_of
from ltrr.arrays import Longs
from ltrr.estimation.intervals import bernstein_ratio, degrees_of_freedom, estimate_ratio
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.verdict import TRUST, judge_evidence
from ltrr.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings()


def judge(cell: Cell, repetitions: int, seed: int) -> dict[str, Any]:
    """Coverage, widths and verdicts of one cell."""
    rng = np.random.default_rng(
        [seed, cell.decisions, int(cell.rate * 1e4), list(OVERLAPS).index(cell.overlap), cell.per_user]
    )
    world = world_of(cell, rng)
    features, parts, first = world.features(), [], None
    for counts in logs_of(world, cell.users, repetitions, rng):
        first = counts[:WIDTH_LOGS] if first is None else first
        parts.append(counts.astype(np.float64) @ features)
    logs = Logs(cell.users, np.vstack(parts))
    assert first is not None
    check_against_library(world, first[0], logs)
    intervals = {
        "delta snips": delta_interval(logs, "wr", "w"),
        "delta ips": delta_interval(logs, "wr", "n"),
        "delta dr": doubly_robust_interval(logs, cell.rate),
        "normal snips": normal_interval(logs, "wr", "w"),
        "normal ips": normal_interval(logs, "wr", "n"),
        "logit snips": logit_ratio_interval(logs, "wr", "w"),
        "bernstein snips": bernstein_interval(logs, "wr", "w", world.widest),
        "bernstein ips": bernstein_interval(logs, "wr", "n", world.widest),
        "cressie-read": cressie_read_interval(logs),
    }
    summaries = list(logs.summaries())
    verdicts = np.array([judge_evidence(summary, SETTINGS)[0] for summary in summaries])
    widths = {name: high - low for name, (low, high) in intervals.items()}
    reference = widths["delta snips"].mean()
    missed = {name: (high < world.truth, low > world.truth) for name, (low, high) in intervals.items()}
    bootstrap = bootstrap_widths(world, first, rng) / widths["delta snips"][: len(first)].mean()
    return asdict(cell) | {
        "users": cell.users,
        "truth": world.truth,
        "evidence": float(np.nanmedian([summary.evidence for summary in summaries])),
        "evidence_of_users": float(np.median(logs.total("wr") ** 2 / np.maximum(logs.product("wr", "wr"), 1e-12))),
        "effective_sample_size": float(np.median([summary.effective_sample_size for summary in summaries])),
        "verdict": Counter(verdicts.tolist()).most_common(1)[0][0],
        "trusted": float((verdicts == TRUST).mean()),
        "methods": {
            name: {
                "coverage": float(1.0 - (below | above).mean()),
                "below": float(below.mean()),
                "above": float(above.mean()),
                "trusted_and_missed": float(((below | above) & (verdicts == TRUST)).mean()),
                "width": float(widths[name].mean() / reference) if reference else float("nan"),
            }
            for name, (below, above) in missed.items()
        },
        "bootstrap_width": float(bootstrap.mean()),
    }


def check_against_library(world: World, counts: Longs, logs: Logs) -> None:
    """Assert on one log that the intervals of this study equal those of the library."""
    users = np.repeat(world.sums, counts, axis=0)
    if len(users) > 10_000:
        return
    sums = ClusteredSums.of(
        {name: users[:, at].tolist() for at, name in enumerate(TERMS)},
        np.arange(len(users)).astype(str).tolist(),
        tails=["wr"],
    )
    for denominator in ("w", "n"):
        estimate = replace(estimate_ratio(sums, "wr", denominator), degrees=degrees_of_freedom(sums, "wr"))
        low, high = delta_interval(logs, "wr", denominator)
        if not sums.totals[0]:  # without rewards: undefined for the library, a point here
            continue
        np.testing.assert_allclose((estimate.low(0.975), estimate.high(0.975)), (low[0], high[0]), atol=1e-5)
        exact = bernstein_ratio(sums, "wr", denominator, widest=world.widest, confidence=CONFIDENCE)
        mine = bernstein_interval(logs, "wr", denominator, world.widest)
        np.testing.assert_allclose(exact, (mine[0][0], mine[1][0]), atol=1e-5)


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser, table_help=TABLE_HELP)
    parser.add_argument("--repetitions", type=int, default=10_000, help="Number of logs of each cell")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> int:
    """Judge and print every cell, then print the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    started, rows = perf_counter(), []
    for cell in cells():
        row = judge(cell, options.repetitions, options.seed)
        rows.append(row)
        covers = " ".join(f"{name} {method['coverage']:.3f}" for name, method in row["methods"].items())
        print(
            f"{cell.decisions:6d} {cell.rate:5g} {cell.overlap} {cell.per_user:2d} R {row['evidence_of_users']:8.1f} "
            f"{row['verdict']:10s} {covers}",
            flush=True,
        )
    misses = bars(rows, options.repetitions)
    result = {"repetitions": options.repetitions, "seed": options.seed, "cells": rows, "bars": misses}
    write_json(options.json, result)
    write_text(options.table, table(rows))
    size = f"{len(rows)} cells x {options.repetitions} logs, {perf_counter() - started:.0f} s"
    return report_bars({name: not missed for name, missed in misses.items()}, size, misses)


if __name__ == "__main__":
    sys.exit(main())
