"""Training speed of the bandit in decisions a second: on Spark, and Vowpal Wabbit on one file.

    python benchmarks/vw_speed.py --json OUT --table docs/studies/speed.md

Both learn from the same made-up rows of the table `bandit_rows`: 210 plans, a shortlist of 20 and
the plan taken. The file exists before Vowpal Wabbit starts, which parses in one thread and learns
in another. Spark starts from Parquet, partitions the rows, writes their text, trains one model for
each part and merges the models (`ltrr.bandit.learning.train_bandit`). Every figure is the best of
several rounds in its own process. A small training warms Spark up first.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import vowpalwabbit

from benchmarks.command_line import add_outputs, new_parser, write_json, write_text
from benchmarks.processes import figures_of_module
from benchmarks.speed_study.decisions import AT_ONCE, OBSERVE, SHORTLIST, SPACE, make_decisions
from benchmarks.speed_study.timing import best_of_rounds
from ltrr.bandit.examples import Decisions, write_examples
from ltrr.bandit.learning import list_vw_arguments, train_bandit
from ltrr.bandit.settings import BanditSettings
from ltrr.spark.session import SparkSettings, build_session

SEED, WARM_UP = 7, 2_000
ALONE, WORKERS = "alone", (1, 2)
JAVA_OPTIONS = {"local": SparkSettings().java_options, "cluster": ""}
"""Place -> Java options.

On one machine ltrr sets options for fast compilation to slower code. Executors of a cluster have
none.
"""

WAYS = (ALONE, *(f"{java}, {workers}" for java in JAVA_OPTIONS for workers in WORKERS))


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser, table_help="Page of the documentation to which the section is written")
    parser.add_argument("--decisions", type=int, nargs="+", default=[20_000, 200_000], help="Sizes of the logs")
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds, of which the best counts")
    parser.add_argument("--partitions", type=int, default=BanditSettings().partitions, help="Number of model parts")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Measure each size of log in turn; the last line describes the measurement."""
    options = build_parser().parse_args()
    if options.measure:
        measure = measure_alone if options.measure == ALONE else measure_spark
        print(json.dumps(measure(options)))
        return
    figures = [compare(count, options) for count in options.decisions]
    lines, measured_on = table(figures), describe(options)
    print("\n".join([*lines, measured_on]))
    write_json(options.json, {"measured": measured_on, "figures": figures})
    if options.table:
        # The other sections of the page belong to other benchmarks.
        before = options.table.read_text(encoding="utf-8") if options.table.exists() else ""
        others = "".join(f"\n## {section}" for section in before.split("\n## ")[2:])
        write_text(options.table, "\n".join([PAGE, *lines, "", measured_on, ""]) + others)


def describe(options: argparse.Namespace) -> str:
    """Date, sizes and machine of the measurement."""
    text = (
        f"Measured {datetime.now(UTC).date()} on {os.cpu_count()} cores with a load of {os.getloadavg()[2]:.1f} "
        f"in the last 15 minutes; best of {options.rounds} rounds. The decisions are made up ("
        + ", ".join(f"{count:,}" for count in options.decisions)
        + f") and have {len(SPACE)} plans, of which {SHORTLIST} and the one taken are listed; "
        + f"{options.partitions} parts."
    )
    if os.getloadavg()[2] > 2 * (os.cpu_count() or 1):
        text += " Other work kept the machine busy: rates are too low and uneven; read the core microseconds instead."
    return text


def compare(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of every way to learn from `count` decisions."""
    with tempfile.TemporaryDirectory(prefix="vw-speed-") as folder:
        text_rate = make_rows(count, Path(folder))
        taken = {way: measure_way(way, Path(folder), options) for way in WAYS}
    return {
        "decisions": count,
        "text": text_rate,
        "rates": {way: count / result["seconds"] for way, result in taken.items()},
        "core_microseconds": {way: 1e6 * result["core_seconds"] / count for way, result in taken.items()},
        "progressive_loss": {way: result["loss"] for way, result in taken.items()},
    }


def measure_way(way: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Figures of one way, measured in its own process."""
    arguments = ("--measure", way, "--rows", folder, "--rounds", options.rounds, "--partitions", options.partitions)
    return figures_of_module("benchmarks.vw_speed", *arguments)


def make_rows(count: int, folder: Path) -> float:
    """Write rows as Parquet and as one file for Vowpal Wabbit.

    Returns the speed of writing the text, in decisions a second.
    """
    rng = np.random.default_rng(SEED)
    seconds = 0.0
    (folder / "rows").mkdir()
    with (folder / "decisions.txt").open("wb") as text:
        for number, made in enumerate(make_decisions(rng, count)):
            pq.write_table(rows_of(made, number, rng), folder / "rows" / f"{number:05d}.parquet")
            start = time.perf_counter()
            text.write(write_examples(made, SPACE, OBSERVE))
            seconds += time.perf_counter() - start
    return count / seconds


def rows_of(made: Decisions, number: int, rng: np.random.Generator) -> pa.Table:
    """Columns of `bandit_rows` that training reads; a query has about ten decisions."""
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


def measure_alone(options: argparse.Namespace) -> dict[str, float]:
    """Figures of Vowpal Wabbit on one file, without the library: the reference."""
    with tempfile.TemporaryDirectory() as folder:
        files = ["--data", str(options.rows / "decisions.txt"), "--final_regressor", str(Path(folder, "bandit.vw"))]

        def learn() -> float:
            workspace = vowpalwabbit.Workspace(arg_list=["--quiet", *list_vw_arguments(BanditSettings()), *files])
            loss = float(workspace.get_sum_loss() / workspace.get_weighted_examples())
            workspace.finish()
            return loss

        return name_loss(best_of_rounds(learn, options.rounds))


def measure_spark(options: argparse.Namespace) -> dict[str, float]:
    """Figures of `train_bandit` on the Parquet files."""
    settings = BanditSettings(partitions=options.partitions)
    java, workers = options.measure.split(", ")
    spark = build_session("vw-speed", SparkSettings(master=f"local[{workers}]", java_options=JAVA_OPTIONS[java]))
    rows = spark.read.parquet(str(options.rows / "rows"))
    train_bandit(rows.limit(WARM_UP), SPACE, OBSERVE, settings)

    def learn() -> float:
        trained = train_bandit(rows, SPACE, OBSERVE, settings)
        assert trained is not None
        return trained.progressive_loss

    figures = name_loss(best_of_rounds(learn, options.rounds))
    spark.stop()
    return figures


def name_loss(figures: dict[str, Any]) -> dict[str, float]:
    """Figures of `best_of_rounds` with the answer named `loss`."""
    return {"seconds": figures["seconds"], "core_seconds": figures["core_seconds"], "loss": figures["answer"]}


def table(figures: list[dict[str, Any]]) -> list[str]:
    """Lines of the table: rates, and ratios that depend less on the machine."""
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
        for java in JAVA_OPTIONS:
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

`benchmarks/vw_speed.py` compares `train_bandit` on Spark with Vowpal Wabbit (VW) alone, for the
same decisions. VW alone reads one text file that exists already. It makes one pass, parsing in one
thread and learning in another. Spark starts from Parquet and does everything else. It shuffles the
rows into parts, passes them to Python, writes their text, trains a model per part and merges the
models.

The rate of VW alone is therefore an upper bound, and the distance from it is the price of training
on a cluster. The price does not grow with the number of parts, because parts do not wait for each
other. Seconds depend most on the machine and its load, ratios less, and core seconds (of all
processes together) least.

- *Java*: `local` is Java as ltrr starts it on one machine (`spark.java_options`: quick to compile,
  slow code); `cluster` is Java as the executors of a cluster have it.
- Rates are decisions a second. *: VW alone* and *2 workers : 1* are ratios of two rates.
- *text : VW alone*: rate at which whole columns become text (`ltrr/bandit/examples.py`), divided by
  the rate at which VW learns from the text. The rest of Spark's time is mostly its own copying of
  rows from Java to Python.
"""


if __name__ == "__main__":
    main()
