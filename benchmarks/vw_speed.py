"""Decisions a second that the bandit learns from: our path on Spark against Vowpal Wabbit reading one file alone.

    python benchmarks/vw_speed.py --json OUT --table docs/speed.md

Both learn from the same made-up rows of the table `bandit_rows`: 210 plans, a shortlist of 20 and the plan taken. The
file is there already when Vowpal Wabbit starts (it parses in one thread and learns in another); Spark starts from
Parquet, lays the rows out, writes the text, trains a model a part and merges them
(`ltrr.bandit.learning.train_bandit`). Every figure is the best of some rounds, in a process of its own, with Spark
started and warmed by a small training before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import vowpalwabbit

from ltrr.bandit.examples import Decisions, examples_text
from ltrr.bandit.learning import train_bandit, vw_arguments
from ltrr.bandit.settings import BanditSettings
from ltrr.core.exploration import shortlist_of
from ltrr.core.features import action_matrix, shared_features
from ltrr.core.plans import PlanSpace
from ltrr.spark.session import SparkSettings, build_session

SPACE = PlanSpace(("title", "all_fields", "semantic", "structured", "popularity", "memory", "hybrid"), 2, 4)
OBSERVE, SHORTLIST, SEED = "first_look", 20, 7
AT_ONCE, WARM_UP = 10_000, 2_000
ALONE, WORKERS = "alone", (1, 2)
JAVAS = {"local": SparkSettings().java_options, "cluster": ""}
"""Java as ltrr starts it on one machine, quick to compile and slow to run; and as executors of a cluster have it."""

WAYS = (ALONE, *(f"{java}, {workers}" for java in JAVAS for workers in WORKERS))


def main() -> None:
    """Measure each size of log in turn; the last line says what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=BanditSettings().partitions)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--table", type=Path, help="write the page there")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.measure:
        measure = alone if told.measure == ALONE else on_spark
        print(json.dumps(measure(told)))
        return
    figures = [compare(count, told) for count in told.decisions]
    lines = table(figures)
    said = (
        f"Measured {datetime.now(UTC).date()} on {len(SPACE)} plans, {SHORTLIST} and the one taken listed, "
        f"{told.partitions} parts, best of {told.rounds} rounds: decisions a second of "
        + ", ".join(f"{count:,}" for count in told.decisions)
        + f" made-up decisions, on {os.cpu_count()} cores"
        + f" with a load of {os.getloadavg()[2]:.1f} in the last 15 minutes."
    )
    if os.getloadavg()[2] > 2 * (os.cpu_count() or 1):
        said += (
            " Other work kept the machine busy: the rates are too low and uneven, core microseconds are what to read."
        )
    print("\n".join([*lines, said]))
    if told.json:
        told.json.write_text(json.dumps({"measured": said, "figures": figures}, indent=1) + "\n", encoding="utf-8")
    if told.table:
        # The page's other sections are those of other benchmarks.
        before = told.table.read_text(encoding="utf-8") if told.table.exists() else ""
        others = "".join(f"\n## {section}" for section in before.split("\n## ")[2:])
        told.table.write_text("\n".join([PAGE, *lines, "", said, ""]) + others, encoding="utf-8")


def compare(count: int, told: argparse.Namespace) -> dict[str, Any]:
    """Decisions a second of every way to learn from `count` decisions."""
    with tempfile.TemporaryDirectory(prefix="vw-speed-") as folder:
        text_rate = make_rows(count, Path(folder))
        taken = {way: measured(way, Path(folder), told) for way in WAYS}
    return {
        "decisions": count,
        "text": text_rate,
        "rates": {way: count / result["seconds"] for way, result in taken.items()},
        "core_microseconds": {way: 1e6 * result["core_seconds"] / count for way, result in taken.items()},
        "progressive_loss": {way: result["loss"] for way, result in taken.items()},
    }


def measured(way: str, folder: Path, told: argparse.Namespace) -> dict[str, float]:
    """What one process says."""
    asked = ["--measure", way, "--rows", str(folder), "--rounds", str(told.rounds)]
    command = [sys.executable, __file__, *asked, "--partitions", str(told.partitions)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(said.splitlines()[-1])


def make_rows(count: int, folder: Path) -> float:
    """Rows as Parquet and as one file for Vowpal Wabbit; decisions a second that the text took to write."""
    rng = np.random.default_rng(SEED)
    seconds = 0.0
    (folder / "rows").mkdir()
    with (folder / "decisions.txt").open("wb") as text:
        for number, made in enumerate(decisions(rng, count)):
            pq.write_table(rows_of(made, number, rng), folder / "rows" / f"{number:05d}.parquet")
            start = time.perf_counter()
            text.write(examples_text(made, SPACE, OBSERVE))
            seconds += time.perf_counter() - start
    return count / seconds


def decisions(rng: np.random.Generator, count: int) -> Iterator[Decisions]:
    """Made-up decisions: planner values that the best plans share, a uniform policy, a reward near the value."""
    flags = len(shared_features(SPACE, OBSERVE)) - 6
    for start in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - start)
        values = np.round(rng.beta(2.0, 3.0, size=(size, len(SPACE))), 6)
        taken = rng.integers(len(SPACE), size=size)
        listed = [shortlist_of(row, SHORTLIST) for row in values]
        actions = [
            plans if plan in plans else np.append(plans, plan) for plans, plan in zip(listed, taken, strict=True)
        ]
        kinds = np.eye(5)[rng.integers(5, size=size)]
        words = np.round(rng.integers(1, 5, size=(size, 1)) / 8, 6)
        yield Decisions(
            shared=np.hstack([kinds, words, rng.choice([0.0, 0.5, 1.0], size=(size, flags))]),
            actions=np.concatenate(actions),
            ends=np.cumsum([len(plans) for plans in actions]),
            features=np.vstack([action_matrix(SPACE, row, plans) for row, plans in zip(values, actions, strict=True)]),
            taken=taken,
            rewards=np.round(values[np.arange(size), taken] - values.max(axis=1) + rng.normal(0.0, 0.1, size), 6),
            propensities=np.full(size, 1.0 / len(SPACE)),
        )


def rows_of(made: Decisions, number: int, rng: np.random.Generator) -> pa.Table:
    """The columns of `bandit_rows` that training reads; ten decisions a query."""
    texts = np.array(SPACE.texts)
    count, width = len(made), made.features.shape[1]
    ends = pa.array(np.concatenate(([0], made.ends)), pa.int32())
    features = pa.FixedSizeListArray.from_arrays(pa.array(made.features.ravel()), width).cast(pa.list_(pa.float64()))
    actions = pa.StructArray.from_arrays([pa.array(texts[made.actions]), features], names=["action", "features"])
    shared = pa.FixedSizeListArray.from_arrays(pa.array(made.shared.ravel()), made.shared.shape[1])
    columns = {
        "impression_id": pa.array([f"{number}-{row}" for row in range(count)]),
        "step": pa.array(np.ones(count), pa.int32()),
        "query_key": pa.array([f"query {key}" for key in rng.integers(AT_ONCE // 10, size=count)]),
        "action_taken": pa.array(texts[made.taken]),
        "logging_propensity": pa.array(made.propensities),
        "found_reward": pa.array(made.rewards),
        "baseline": pa.array(np.zeros(count)),
        "shared_features": shared.cast(pa.list_(pa.float64())),
        "actions": pa.ListArray.from_arrays(ends, actions),
    }
    return pa.table(columns)


def alone(told: argparse.Namespace) -> dict[str, float]:
    """One Vowpal Wabbit over the one file."""
    with tempfile.TemporaryDirectory() as folder:
        files = ["--data", str(told.rows / "decisions.txt"), "--final_regressor", str(Path(folder, "bandit.vw"))]

        def learn() -> float:
            workspace = vowpalwabbit.Workspace(arg_list=["--quiet", *vw_arguments(BanditSettings()), *files])
            loss = float(workspace.get_sum_loss() / workspace.get_weighted_examples())
            workspace.finish()
            return loss

        return timed(learn, told.rounds)


def on_spark(told: argparse.Namespace) -> dict[str, float]:
    """`train_bandit` over the Parquet files."""
    settings = BanditSettings(partitions=told.partitions)
    java, workers = told.measure.split(", ")
    spark = build_session("vw-speed", SparkSettings(master=f"local[{workers}]", java_options=JAVAS[java]))
    rows = spark.read.parquet(str(told.rows / "rows"))
    train_bandit(rows.limit(WARM_UP), SPACE, OBSERVE, settings)

    def learn() -> float:
        trained = train_bandit(rows, SPACE, OBSERVE, settings)
        assert trained is not None
        return trained.progressive_loss

    figures = timed(learn, told.rounds)
    spark.stop()
    return figures


def timed(learn: Callable[[], float], rounds: int) -> dict[str, float]:
    """Seconds and seconds of processors, each of the best round, and the loss."""
    seconds, core_seconds = [], []
    for _ in range(rounds):
        start, worked = time.perf_counter(), cpu_seconds()
        loss = learn()
        seconds.append(time.perf_counter() - start)
        core_seconds.append(cpu_seconds() - worked)
    return {"seconds": min(seconds), "core_seconds": min(core_seconds), "loss": loss}


def cpu_seconds() -> float:
    """Of this process and all that it has started and are still there; from /proc, so on Linux only."""
    ticks, parents = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        process = int(file.parent.name)
        parents[process], ticks[process] = int(told[1]), sum(map(int, told[11:15]))
    ours, found = set(), {os.getpid()}
    while found:
        ours |= found
        found = {process for process, parent in parents.items() if parent in found} - ours
    return sum(ticks[process] for process in ours) / os.sysconf("SC_CLK_TCK")


def table(figures: list[dict[str, Any]]) -> list[str]:
    """Rates, and the ratios that matter on another machine."""
    heads = [
        "decisions",
        "Java",
        "VW alone, a second",
        "Spark, 1 worker (: VW alone)",
        "Spark, 2 workers (: VW alone)",
        "2 workers : 1",
        "core microseconds a decision, VW alone",
        "Spark, 1 worker",
        "text : VW alone",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in figures:
        rate, worked = row["rates"][ALONE], row["core_microseconds"]
        for java in JAVAS:
            one, two = (row["rates"][f"{java}, {workers}"] for workers in WORKERS)
            lines.append(
                f"| {row['decisions']:,} | {java} | {rate:,.0f} "
                f"| {one:,.0f} ({one / rate:.2f}) | {two:,.0f} ({two / rate:.2f}) | {two / one:.2f} "
                f"| {worked[ALONE]:.0f} | {worked[f'{java}, 1']:.0f} | {row['text'] / rate:.1f} |"
            )
    return lines


PAGE = """\
# Speed

## Training the bandit

`benchmarks/vw_speed.py` compares `train_bandit` on Spark with Vowpal Wabbit reading the same decisions from one file.
The file is there already when Vowpal Wabbit starts, and it makes one pass, parsing in one thread and learning in
another. Spark starts from Parquet and does all the rest: it shuffles the rows into parts, hands them to Python, writes
their text, trains a model a part and merges them. So Vowpal Wabbit alone is a bound, and the distance from it is the
price of training on a cluster. It is paid once: parts do not wait for each other. Seconds depend on the machine and on
what else it does, ratios less so, core seconds (of all processes together) least.

*Java*: as ltrr starts it on one machine (`spark.java_options`: quick to compile, slow code), and as executors of a
cluster have it. *text*: decisions whose text is made of whole columns (`ltrr/bandit/examples.py`) while Vowpal Wabbit
learns from one; what is left after that is mostly Spark's own copying of rows from Java to Python.
"""


if __name__ == "__main__":
    main()
