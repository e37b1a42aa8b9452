"""A made-up log in Parquet, and estimates for ten policies by plain numpy: the reference of ltrr.

This module computes every estimator without the library. The benchmark compares the library's
estimates and speed with it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.speed_study.timing import best_of_rounds
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.estimation.intervals import quantile

POLICIES, FILES, GROUP_ROWS, BATCH_ROWS = 10, 4, 250_000, 1 << 16
DECISIONS_A_USER, M, SEED = 10, 10.0, 11

Answers = list[list[tuple[float, float, float]]]
"""(value, lower end, upper end) of the 95 % interval for each policy and estimator."""


def write_log(count: int, folder: Path) -> None:
    """Write the log of `count` decisions to `folder`/log.

    Columns are the reward, the logging propensity, q of the action taken, the user, and two columns
    for each policy.
    """
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
            # Propensity of the first of two actions. It is correlated with the logged one, with a
            # distribution of its own for each policy.
            target = np.clip(logging * rng.gamma(1.0 + policy, 1.0 / (1.0 + policy), rows), 0.0, 1.0)
            columns |= {f"pi_{policy}": target, f"v_{policy}": target * q + (1.0 - target) * other}
        pq.write_table(pa.table(columns), folder / "log" / f"{number}.parquet", row_group_size=GROUP_ROWS)


def measure_numpy(options: argparse.Namespace) -> dict[str, Any]:
    """Figures with rows as clusters: the faster of whole row groups and smaller batches."""

    def work(batch_rows: int) -> Answers:
        sums, count = [0.0] * POLICIES, 0
        for rows in batches(options.folder, batch_rows):
            count += len(rows["reward"])
            for policy in range(POLICIES):
                terms = numpy_terms(rows, policy)
                sums[policy] = sums[policy] + terms @ terms.T
        return [estimates(products[0], products, count) for products in sums]

    ways = (best_of_rounds(lambda n=n: work(n), options.rounds) for n in (BATCH_ROWS, GROUP_ROWS))
    return min(ways, key=lambda figures: figures["seconds"])


def measure_numpy_users(options: argparse.Namespace) -> dict[str, Any]:
    """Figures with users as clusters: `bincount` adds up the terms of each user."""

    def work() -> Answers:
        users = max(pq.read_table(options.folder / "log", columns=["user"])["user"].to_numpy()) + 1
        sums = [[np.zeros(users) for _ in range(len(TERMS))] for _ in range(POLICIES)]
        for rows in batches(options.folder, GROUP_ROWS):
            for policy in range(POLICIES):
                for total, term in zip(sums[policy], numpy_terms(rows, policy), strict=True):
                    total += np.bincount(rows["user"], term, minlength=users)
        answers = []
        for policy in range(POLICIES):
            z = np.array(sums[policy])
            answers.append(estimates(z.sum(axis=1), z @ z.T, int((z[0] > 0).sum())))
        return answers

    return best_of_rounds(work, options.rounds)


def batches(folder: Path, batch_rows: int) -> Any:
    """Columns of each batch of rows; Arrow chooses its number of threads."""
    for file in sorted((folder / "log").glob("*.parquet")):
        names = [name for name in pq.read_schema(file).names if name != "other"]
        for batch in pq.ParquetFile(file).iter_batches(batch_rows, columns=names):
            yield {name: batch.column(name).to_numpy() for name in names}


TERMS = ("n", "w", "wr", "cut", "cut_r", "sg_r", "direct", "residual", "switched", "shrunk")


def numpy_terms(rows: dict[str, Any], policy: int) -> Any:
    """Terms that the ten estimators add up, [10, N]."""
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
    answers = []
    for ratios in RATIOS.values():
        value, influence = 0.0, np.zeros(len(TERMS))
        for top, bottom in ratios:
            ratio = totals[top] / totals[bottom]
            value += ratio
            influence[top] += 1.0 / totals[bottom]
            influence[bottom] -= ratio / totals[bottom]
        half = quantile(0.975) * np.sqrt(influence @ products @ influence * clusters / (clusters - 1))
        answers.append((value, value - half, value + half))
    return answers


assert list(RATIOS) == list(ESTIMATORS)
