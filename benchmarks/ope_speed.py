"""Speed of judging ten policies by ten estimators, with intervals: one scan against plain numpy and against sb-obp.

    python benchmarks/ope_speed.py --json OUT --table docs/speed.md --obp-python .venv-obp/bin/python

A made-up log lies in Parquet: reward, logging propensity, q of the action taken, user, and for each policy its
propensity of the action taken and the mean of q under it. Each way reads these same files in a process of its own, the
best of some rounds counts, and what it says about the policies is compared:

    numpy        one process, doubles, all sums and cross products for delta-method intervals, a batch at a time
    ltrr         `estimate_policies` in a warm Spark session on all cores, exact sums
    by user      both again with users as clusters
    sb-obp       one policy and one estimator a call, on fewer rows (`--obp-rows`) and scaled by rows

And what comes before the sums where a candidate has to be asked: `scoring_speed.py`.

The last line says which bars hold; exit code 1 if one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scoring_speed import ONE_BY_ONE, SCORING, VW_CACHE, VW_TEXT, WHOLE, measure_scoring
from vw_speed import cpu_seconds

from ltrr.estimation.estimators import ESTIMATORS
from ltrr.estimation.intervals import quantile
from ltrr.ope.estimates import OpeSettings, estimate_policies
from ltrr.ope.log_files import find_log_files
from ltrr.ope.rows import LogColumns
from ltrr.spark.session import SparkSettings, build_session

POLICIES, FILES, GROUP_ROWS, BATCH_ROWS = 10, 4, 250_000, 1 << 16
DECISIONS_A_USER, M, SEED = 10, 10.0, 11
NUMPY, NUMPY_USERS, LTRR, LTRR_USERS = "numpy", "numpy, by user", "ltrr", "ltrr, by user"
WAYS = (NUMPY, LTRR, NUMPY_USERS, LTRR_USERS)
ASKED = "asked"
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Small matrix products are slower on several threads; Spark starts its Python with one."""

BARS = {"scan": 1.5, "points": 10.0, "intervals": 200.0, "scoring": 0.7}
"""At most so many times numpy's seconds; at least so many times faster than sb-obp; and than Vowpal Wabbit on text."""


def main() -> int:
    """Measure each way in turn; 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--obp-python", type=Path, help="Python that has sb-obp (make setup-obp)")
    parser.add_argument("--obp-rows", type=int, default=200_000)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--table", type=Path, help="write the section of the page there")
    parser.add_argument("--scored", type=int, default=50_000, help="decisions that a candidate is asked about")
    parser.add_argument("--measure", choices=(*WAYS, ASKED), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.measure:
        print(json.dumps(MEASURES[told.measure](told)))
        return 0
    with tempfile.TemporaryDirectory(prefix="ope-speed-") as folder:
        write_log(told.rows, Path(folder))
        taken = {way: measured(way, folder, told) for way in WAYS}
        theirs = obp_figures(Path(folder), told) if told.obp_python else None
        asked = measured(ASKED, folder, told)
    figures = summary(taken, theirs, told) | {"scoring": {"decisions": told.scored} | asked}
    bars = check(figures)
    print("\n".join(table(figures)))
    if told.json:
        told.json.write_text(json.dumps(figures | {"bars": bars}, indent=1) + "\n", encoding="utf-8")
    if told.table:
        write_section(told.table, table(figures), figures)
    print("; ".join(f"{'holds' if holds else 'FAILS'}: {bar}" for bar, holds in bars.items()))
    return 0 if all(bars.values()) else 1


def write_log(count: int, folder: Path) -> None:
    """The log, and its first rows once more as arrays."""
    (folder / "log").mkdir()
    size = -(-count // FILES)
    for number in range(FILES):
        rng = np.random.default_rng((SEED, number))
        rows = min(size, count - number * size)
        logging = rng.uniform(0.02, 1.0, rows)
        q, other = rng.uniform(0.0, 0.2, rows), rng.uniform(0.0, 0.2, rows)
        columns = {
            "user": rng.integers(0, max(count // DECISIONS_A_USER, 1), rows),
            "reward": (rng.random(rows) < 0.1).astype(np.float64),
            "logging_propensity": logging,
            "q": q,
            "other": other,
        }
        for policy in range(POLICIES):
            # A propensity of two actions that leans to what was logged, each policy in its own way.
            target = np.clip(logging * rng.gamma(1.0 + policy, 1.0 / (1.0 + policy), rows), 0.0, 1.0)
            columns |= {f"pi_{policy}": target, f"v_{policy}": target * q + (1.0 - target) * other}
        pq.write_table(pa.table(columns), folder / "log" / f"{number}.parquet", row_group_size=GROUP_ROWS)


def measured(way: str, folder: str, told: argparse.Namespace) -> dict[str, Any]:
    """What one process says."""
    asked = ["--measure", way, "--folder", folder, "--rounds", str(told.rounds), "--scored", str(told.scored)]
    said = subprocess.run(
        [sys.executable, __file__, *asked], check=True, stdout=subprocess.PIPE, text=True, env=ONE_THREAD
    ).stdout
    return json.loads(said.splitlines()[-1])


def timed(work: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Seconds and seconds of processors, each of the best round, and the answer."""
    seconds, core_seconds = [], []
    for _ in range(rounds):
        start, worked = time.perf_counter(), cpu_seconds()
        answer = work()
        seconds.append(time.perf_counter() - start)
        core_seconds.append(cpu_seconds() - worked)
    return {"seconds": min(seconds), "core_seconds": min(core_seconds), "answer": answer}


def by_ltrr(told: argparse.Namespace) -> dict[str, Any]:
    """The scan of files in a warm session."""
    spark = build_session("ope-speed", SparkSettings())
    user = "user" if told.measure == LTRR_USERS else None
    policies = [LogColumns(f"pi_{n}", user=user, q_taken="q", q_target=f"v_{n}") for n in range(POLICIES)]
    settings = OpeSettings(largest_weight=M)

    def work() -> list[list[tuple[float, float, float]]]:
        log = spark.read.parquet(str(told.folder / "log"))
        reports = estimate_policies(log, policies, settings, find_log_files(log, policies))
        return [[(row["value"], row["low"], row["high"]) for row in report.rows] for report in reports]

    for _ in range(2):  # the Java that runs a scan is compiled as it runs
        work()
    figures = timed(work, told.rounds)
    spark.stop()
    return figures


def by_numpy(told: argparse.Namespace) -> dict[str, Any]:
    """Doubles in one process, rows as clusters: the quicker of row groups as they are and of smaller batches."""

    def work(batch_rows: int) -> list[list[tuple[float, float, float]]]:
        sums, count = [0.0] * POLICIES, 0
        for rows in batches(told.folder, batch_rows):
            count += len(rows["reward"])
            for policy in range(POLICIES):
                terms = numpy_terms(rows, policy)
                sums[policy] = sums[policy] + terms @ terms.T
        return [estimates(products[0], products, count) for products in sums]

    return min((timed(lambda n=n: work(n), told.rounds) for n in (BATCH_ROWS, GROUP_ROWS)), key=lambda f: f["seconds"])


def by_numpy_users(told: argparse.Namespace) -> dict[str, Any]:
    """The same with users as clusters: each user's terms added up by `bincount`."""

    def work() -> list[list[tuple[float, float, float]]]:
        users = max(pq.read_table(told.folder / "log", columns=["user"])["user"].to_numpy()) + 1
        sums = [[np.zeros(users) for _ in range(len(TERMS))] for _ in range(POLICIES)]
        for rows in batches(told.folder, GROUP_ROWS):
            for policy in range(POLICIES):
                for total, term in zip(sums[policy], numpy_terms(rows, policy), strict=True):
                    total += np.bincount(rows["user"], term, minlength=users)
        answers = []
        for policy in range(POLICIES):
            z = np.array(sums[policy])
            answers.append(estimates(z.sum(axis=1), z @ z.T, int((z[0] > 0).sum())))
        return answers

    return timed(work, told.rounds)


def batches(folder: Path, batch_rows: int) -> Any:
    """Columns of some rows at a time; Arrow reads with as many threads as it likes."""
    for file in sorted((folder / "log").glob("*.parquet")):
        names = [name for name in pq.read_schema(file).names if name != "other"]
        for batch in pq.ParquetFile(file).iter_batches(batch_rows, columns=names):
            yield {name: batch.column(name).to_numpy() for name in names}


TERMS = ("n", "w", "wr", "cut", "cut_r", "sg_r", "direct", "residual", "switched", "shrunk")


def numpy_terms(rows: dict[str, Any], policy: int) -> Any:
    """What the ten estimators add up, [10, N]."""
    r, v = rows["reward"], rows[f"v_{policy}"]
    w = rows[f"pi_{policy}"] / rows["logging_propensity"]
    terms = np.empty((len(TERMS), len(r)))
    residual = r - rows["q"]
    terms[0] = 1.0
    terms[1] = w
    np.multiply(w, r, out=terms[2])
    np.minimum(w, M, out=terms[3])
    np.multiply(terms[3], r, out=terms[4])
    np.multiply(w / (1.0 - 1.0 / M + w / M), r, out=terms[5])
    terms[6] = v
    np.multiply(w, residual, out=terms[7])
    np.multiply(terms[7], w <= M, out=terms[8])
    np.multiply(M * M * w / (w * w + M * M), residual, out=terms[9])
    return terms


RATIOS: dict[str, tuple[tuple[int, int], ...]] = {
    "ips": ((2, 0),),
    "snips": ((2, 1),),
    "clipped_ips": ((4, 0),),
    "clipped_snips": ((4, 3),),
    "sg": ((5, 0),),
    "dm": ((6, 0),),
    "dr": ((6, 0), (7, 0)),
    "sndr": ((6, 0), (7, 1)),
    "switch_dr": ((6, 0), (8, 0)),
    "dros": ((6, 0), (9, 0)),
}


def estimates(totals: Any, products: Any, clusters: int) -> list[tuple[float, float, float]]:
    """Value and 95 % interval of each estimator by the delta method."""
    told = []
    for ratios in RATIOS.values():
        value, influence = 0.0, np.zeros(len(TERMS))
        for top, bottom in ratios:
            ratio = totals[top] / totals[bottom]
            value += ratio
            influence[top] += 1.0 / totals[bottom]
            influence[bottom] -= ratio / totals[bottom]
        half = quantile(0.975) * np.sqrt(influence @ products @ influence * clusters / (clusters - 1))
        told.append((value, value - half, value + half))
    return told


def obp_figures(folder: Path, told: argparse.Namespace) -> dict[str, float]:
    """Seconds of sb-obp on fewer rows, one policy, each estimator; written by `ope_speed_reference.py`."""
    rows = pq.ParquetFile(min((folder / "log").glob("*.parquet")))
    first = next(rows.iter_batches(told.obp_rows)).to_pydict()
    arrays = {name: np.array(first[name]) for name in ("reward", "logging_propensity", "q", "other", "pi_0")}
    np.savez(folder / "rows.npz", **arrays)
    script = Path(__file__).with_name("ope_speed_reference.py")
    asked = [told.obp_python, script, folder / "rows.npz", "--largest-weight", str(M), "--rounds", str(told.rounds)]
    said = subprocess.run(list(map(str, asked)), check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(said.splitlines()[-1])


def summary(taken: dict[str, Any], theirs: dict[str, Any] | None, told: argparse.Namespace) -> dict[str, Any]:
    """All figures; sb-obp's times policies and rows."""
    answers = {way: np.array(taken[way].pop("answer")) for way in WAYS}
    furthest = {
        ours: float(np.abs(answers[ours] / answers[other] - 1.0).max())
        for ours, other in ((LTRR, NUMPY), (LTRR_USERS, NUMPY_USERS))
    }
    figures: dict[str, Any] = {
        "rows": told.rows,
        "policies": POLICIES,
        "estimators": len(RATIOS),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[1],
        "measured": str(datetime.now(UTC).date()),
        "ways": taken,
        "furthest": furthest,
    }
    if theirs:
        scale = POLICIES * told.rows / theirs["rows"]
        figures["sb_obp"] = {
            "rows": theirs["rows"],
            "points": theirs["points"] * scale,
            "intervals": theirs["intervals"] * scale,
            "replicates": theirs["replicates"],
        }
    return figures


def check(figures: dict[str, Any]) -> dict[str, bool]:
    """Bar -> whether it holds."""
    ours, numpys = (figures["ways"][way]["seconds"] for way in (LTRR, NUMPY))
    bars = {
        f"one scan takes {ours / numpys:.2f} x plain numpy, at most {BARS['scan']}": ours <= BARS["scan"] * numpys,
        "both say the same to 1e-6": max(figures["furthest"].values()) <= 1e-6,
    }
    for name in ("points", "intervals") if "sb_obp" in figures else ():
        times = figures["sb_obp"][name] / ours
        bars[f"{times:,.0f} x sb-obp's {name}, at least {BARS[name]:.0f}"] = times >= BARS[name]
    asked = figures["scoring"]["core_microseconds"]
    rate = asked[VW_TEXT] / asked[SCORING]
    bars[f"scoring at {rate:.2f} x Vowpal Wabbit's rate on text, at least {BARS['scoring']}"] = rate >= BARS["scoring"]
    bars["a batch's probabilities equal those online to 1e-6"] = figures["scoring"]["furthest"] <= 1e-6
    return bars


def table(figures: dict[str, Any]) -> list[str]:
    """A line a way."""
    work = figures["rows"] * figures["policies"] * figures["estimators"]
    lines = ["| way | seconds | core seconds | million rows a second | : plain numpy | core seconds : numpy's |"]
    lines.append("|---" * 6 + "|")
    for way in WAYS:
        base = figures["ways"][NUMPY_USERS if "user" in way else NUMPY]
        mine = figures["ways"][way]
        lines.append(
            f"| {way} | {mine['seconds']:.2f} | {mine['core_seconds']:.2f} "
            f"| {figures['rows'] / mine['seconds'] / 1e6:.2f} "
            f"| {mine['seconds'] / base['seconds']:.2f} | {mine['core_seconds'] / base['core_seconds']:.2f} |"
        )
    for name in ("points", "intervals") if "sb_obp" in figures else ():
        seconds = figures["sb_obp"][name]
        base = figures["ways"][NUMPY]
        lines.append(
            f"| sb-obp, {name} | {seconds:,.0f} | | {figures['rows'] / seconds / 1e6:.3f} "
            f"| {seconds / base['seconds']:,.0f} | ({work / seconds / 1e6:.1f} M rows a second and call) |"
        )
    asked = figures["scoring"]["core_microseconds"]
    lines += ["", "| a candidate is asked | decisions a second and core | : vw, text |", "|---|---|---|"]
    lines += [
        f"| {way} | {1e6 / asked[way]:,.0f} | {asked[VW_TEXT] / asked[way]:.2f} |"
        for way in (VW_TEXT, VW_CACHE, SCORING, ONE_BY_ONE, WHOLE)
    ]
    return lines


HEAD = "## Judging a log"


def write_section(page: Path, lines: list[str], figures: dict[str, Any]) -> None:
    """Replace this benchmark's section of the page; others stay."""
    before, _, after = page.read_text(encoding="utf-8").partition(f"\n{HEAD}\n")
    rest = after.partition("\n## ")
    others = f"\n## {rest[2]}" if rest[1] else ""
    said = (
        f"Measured {figures['measured']}: {figures['rows']:,} decisions, {figures['policies']} policies, "
        f"{figures['estimators']} estimators, on {figures['cores']} cores with a load of {figures['load']:.1f}."
    )
    if "sb_obp" in figures:
        said += (
            f" sb-obp: one policy on {figures['sb_obp']['rows']:,} rows, times policies and rows; its intervals with "
            f"{figures['sb_obp']['replicates']} replicates (its default is 10,000)."
        )
    section = "\n".join([f"\n{HEAD}", "", TEXT, *lines, "", said, ""])
    page.write_text(before.rstrip("\n") + "\n" + section + others, encoding="utf-8")


TEXT = """\
`benchmarks/ope_speed.py` judges ten policies by ten estimators, all with 95 % intervals by the delta method, in one
scan of Parquet files. *numpy* is one process that adds up doubles a batch at a time, the quicker of two sizes of batch;
Arrow reads for it with as many threads as it likes. *ltrr* is `estimate_policies` in a warm session of Spark on all
cores: its tasks read the files themselves, and its sums are whole numbers, the same bits for any partitions. *By user*,
decisions of one user are one cluster: rows travel once, so that a user's decisions meet. Rows of a user lie anywhere in
the log here, which is the worst case.

Where a log does not hold a candidate's propensities, the candidate has to be asked, and that costs more than all sums.
*vw* is Vowpal Wabbit alone, predicting from a file of text that is there already, or from its cache of that file.
*Scoring* is ltrr from a decision's features to the probability of each of 210 plans: shortlist, features of the plans,
scores, exploration, for thousands of decisions at once (docs/adr/0014-scores-of-a-batch.md). *One by one* is the same
as a service does it. *Whole pass* is all that a task of `evaluate_policies` does for one policy: it reads the rows of
the log with their looks, values the plans, predicts q-hat, scores, and makes the terms; most of it is reading rows one
by one.
"""

MEASURES = {ASKED: measure_scoring, NUMPY: by_numpy, NUMPY_USERS: by_numpy_users, LTRR: by_ltrr, LTRR_USERS: by_ltrr}

assert list(RATIOS) == list(ESTIMATORS)

if __name__ == "__main__":
    sys.exit(main())
