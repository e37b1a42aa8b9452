"""Speed of judging ten policies by ten estimators with intervals: ltrr, numpy, and sb-obp.

    python benchmarks/ope_speed.py --json OUT --table docs/studies/speed.md
        --obp-python .venv-obp/bin/python

The benchmark writes a made-up log to Parquet: reward, logging propensity, q of the action taken,
user, and for each policy its propensity of the action taken and the mean of q under it. Each way
reads the same files in its own process. The best of several rounds counts, and the estimates of all
ways are compared:

    numpy        one process, doubles; all sums and cross products for delta-method intervals,
                 a batch at a time
    ltrr         `estimate_policies` in a warm Spark session on all cores, exact sums
    by user      both again with users as clusters
    sb-obp       one policy and one estimator a call, on fewer rows (`--obp-rows`), scaled by rows

It also measures the scoring of decisions where the log lacks a candidate's propensities (see
`speed_study/scoring.py`). The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.command_line import add_outputs, new_parser, report_bars, write_json
from benchmarks.processes import figures_of_module
from benchmarks.speed_study.numpy_scan import POLICIES, RATIOS, M, measure_numpy, measure_numpy_users, write_log
from benchmarks.speed_study.report import LTRR, LTRR_USERS, NUMPY, NUMPY_USERS, WAYS, table, write_section
from benchmarks.speed_study.scoring import SCORING, VW_TEXT, measure_scoring
from benchmarks.speed_study.timing import best_of_rounds
from ltrr.ope.estimates import OpeSettings, estimate_policies
from ltrr.ope.log_files import find_log_files
from ltrr.ope.rows import LogColumns
from ltrr.spark.session import SparkSettings, build_session

SCORED = "scoring"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of each way: small matrix products are slower on several threads.

Spark starts its Python workers with one thread.
"""

BARS = {"scan": 1.5, "points": 10.0, "intervals": 200.0, "scoring": 0.7}
"""Limits: `scan` is the maximum multiple of numpy's seconds.

The others are minimum speeds, as multiples of sb-obp's speed and of Vowpal Wabbit's on text.
"""


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser, table_help="Page of the documentation in which the section is replaced")
    parser.add_argument("--rows", type=int, default=5_000_000, help="Number of decisions in the log")
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds, of which the best counts")
    parser.add_argument("--obp-python", type=Path, help="Python that has sb-obp (make setup-obp)")
    parser.add_argument("--obp-rows", type=int, default=200_000, help="Number of decisions that sb-obp judges")
    parser.add_argument("--scored", type=int, default=50_000, help="Number of decisions that a candidate scores")
    parser.add_argument("--measure", choices=(*WAYS, SCORED), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Measure each way in turn, print the table and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure](options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="ope-speed-") as folder:
        write_log(options.rows, Path(folder))
        measured = {way: measure_way(way, folder, options) for way in WAYS}
        theirs = obp_figures(Path(folder), options) if options.obp_python else None
        scoring = measure_way(SCORED, folder, options)
    figures = summarize(measured, theirs, options) | {"scoring": {"decisions": options.scored} | scoring}
    bars = check(figures)
    print("\n".join(table(figures)))
    write_json(options.json, figures | {"bars": bars})
    if options.table:
        write_section(options.table, table(figures), figures)
    return report_bars(bars)


def measure_way(way: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of one way, measured in its own process."""
    arguments = ("--measure", way, "--folder", folder, "--rounds", options.rounds, "--scored", options.scored)
    return figures_of_module("benchmarks.ope_speed", *arguments, environment=ONE_THREAD)


def measure_ltrr(options: argparse.Namespace) -> dict[str, Any]:
    """Figures of the scan of the files in a warm Spark session."""
    spark = build_session("ope-speed", SparkSettings())
    user = "user" if options.measure == LTRR_USERS else None
    policies = [LogColumns(f"pi_{n}", user=user, q_taken="q", q_target=f"v_{n}") for n in range(POLICIES)]
    settings = OpeSettings(largest_weight=M)

    def work() -> list[list[tuple[float, float, float]]]:
        log = spark.read.parquet(str(options.folder / "log"))
        reports = estimate_policies(log, policies, settings, find_log_files(log, policies))
        return [[(row["value"], row["low"], row["high"]) for row in report.rows] for report in reports]

    for _ in range(2):  # the JVM compiles the code of a scan while it runs
        work()
    figures = best_of_rounds(work, options.rounds)
    spark.stop()
    return figures


def obp_figures(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of sb-obp for one policy on fewer rows, from `ope_speed_reference`."""
    rows = pq.ParquetFile(min((folder / "log").glob("*.parquet")))
    first = next(rows.iter_batches(options.obp_rows)).to_pydict()
    arrays = {name: np.array(first[name]) for name in ("reward", "logging_propensity", "q", "other", "pi_0")}
    np.savez(folder / "rows.npz", **arrays)
    arguments = (folder / "rows.npz", "--largest-weight", M, "--rounds", options.rounds)
    return figures_of_module("benchmarks.ope_speed_reference", *arguments, python=options.obp_python)


def summarize(measured: dict[str, Any], theirs: dict[str, Any] | None, options: argparse.Namespace) -> dict[str, Any]:
    """All figures; the seconds of sb-obp are scaled by policies and rows."""
    answers = {way: np.array(measured[way].pop("answer")) for way in WAYS}
    furthest = {
        ours: float(np.abs(answers[ours] / answers[other] - 1.0).max())
        for ours, other in ((LTRR, NUMPY), (LTRR_USERS, NUMPY_USERS))
    }
    figures: dict[str, Any] = {
        "rows": options.rows,
        "policies": POLICIES,
        "estimators": len(RATIOS),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[1],
        "measured": str(datetime.now(UTC).date()),
        "ways": measured,
        "furthest": furthest,
    }
    if theirs:
        scale = POLICIES * options.rows / theirs["rows"]
        figures["sb_obp"] = {
            "rows": theirs["rows"],
            "points": theirs["points"] * scale,
            "intervals": theirs["intervals"] * scale,
            "replicates": theirs["replicates"],
        }
    return figures


def check(figures: dict[str, Any]) -> dict[str, bool]:
    """Bar -> whether it is met."""
    ours, numpys = (figures["ways"][way]["seconds"] for way in (LTRR, NUMPY))
    bars = {
        f"one scan takes {ours / numpys:.2f} x plain numpy, at most {BARS['scan']}": ours <= BARS["scan"] * numpys,
        "both say the same to 1e-6": max(figures["furthest"].values()) <= 1e-6,
    }
    for name in ("points", "intervals") if "sb_obp" in figures else ():
        times = figures["sb_obp"][name] / ours
        bars[f"{times:,.0f} x sb-obp's {name}, at least {BARS[name]:.0f}"] = times >= BARS[name]
    scored = figures["scoring"]["core_microseconds"]
    rate = scored[VW_TEXT] / scored[SCORING]
    bars[f"scoring at {rate:.2f} x Vowpal Wabbit's rate on text, at least {BARS['scoring']}"] = rate >= BARS["scoring"]
    bars["a batch's probabilities equal those online to 1e-6"] = figures["scoring"]["furthest"] <= 1e-6
    return bars


MEASURES = {
    SCORED: measure_scoring,
    NUMPY: measure_numpy,
    NUMPY_USERS: measure_numpy_users,
    LTRR: measure_ltrr,
    LTRR_USERS: measure_ltrr,
}


if __name__ == "__main__":
    sys.exit(main())
