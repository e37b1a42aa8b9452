"""Speed of ingestion: ltrr, plain Spark and DuckDB on the same files.

    python -m venv .venv-duckdb && .venv-duckdb/bin/pip install duckdb
    python benchmarks/ingest_speed.py --rows 10000000 --json OUT
        --duckdb-python .venv-duckdb/bin/python

The benchmark writes a night of searches with ten shown entities each, as UBI documents and as
decision records, and ingests it in a process of its own for each way:

    ltrr      the job `ingest_logs`: every line checked, all tables of the night written
    spark     Spark's JSON reader, the join of the clicks, three Delta tables
    duckdb    the same parse, join and aggregation by pair, two Parquet files

All ways must count the same rows and clicks. The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.command_line import add_outputs, new_parser, report_bars, write_json
from benchmarks.ingest_study.logs import FORMS, NIGHT, SLATE, write_log
from benchmarks.process_tree import ProcessTree
from benchmarks.processes import figures_of_module

BARS = {"duckdb": 6.0, "spark": 2.0}
"""Way -> largest multiple of its seconds that ltrr may take."""
WAYS = ("ltrr", *BARS)


def build_parser() -> argparse.ArgumentParser:
    """Options of the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="Number of slate rows of each form")
    parser.add_argument("--forms", default=",".join(FORMS), help="Forms of the log, separated by commas")
    parser.add_argument("--duckdb-python", type=Path, help="Python with duckdb; without it DuckDB is left out")
    parser.add_argument("--java-options", help="Options of Spark's JVM; by default those of `spark.java_options`")
    parser.add_argument("--folder", type=Path, help="Folder for logs and tables; by default a temporary one")
    add_outputs(parser)
    return parser


def measure(folder: Path, form: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Figures of the ways on one log, after each way; the memory is that of all its processes."""
    rows, duckdb = options.rows, options.duckdb_python
    java = () if options.java_options is None else (options.java_options,)
    home = folder / form
    found: dict[str, Any] = {"megabytes": write_log(home / "logs", rows // SLATE, form) / 1e6}
    ways = "benchmarks.ingest_study.spark_ways"
    found["ltrr"] = _figures(ways, "ltrr", home, form, *java)
    yield found
    plain = folder / f"{form}-plain"
    plain.mkdir()
    (plain / "logs").symlink_to(home / "logs")
    found["spark"] = _figures(ways, "spark", plain, form, *java)
    yield found
    if duckdb:
        out = folder / f"{form}-duckdb"
        out.mkdir()
        night = home / "logs" / f"dt={NIGHT}"
        found["duckdb"] = _figures("benchmarks.ingest_study.duck", night, form, os.cpu_count(), out, python=duckdb)
        yield found


def _figures(module: str, *arguments: object, **how: Any) -> dict[str, Any]:
    load = os.getloadavg()[0]
    with ProcessTree(os.getpid()) as used:
        found = figures_of_module(module, *arguments, **how)
    return {**found, "peak_gb": used.bytes / 1e9, "core_seconds": used.core_seconds, "load_before": load}


def main() -> int:
    """Measure every form, print the ratios, and check the bars."""
    options = build_parser().parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        figures = {}
        for form in options.forms.split(","):
            for found in measure(folder, form, options):
                figures[form] = found
                # A later way or form may fail or be killed after an hour.
                write_json(options.json, {"rows": options.rows, **figures})
            counts = {(found[way]["rows"], found[way]["clicks"]) for way in WAYS if way in found}
            if len(counts) > 1:
                raise SystemExit(f"{form}: the ways count different rows and clicks: {found}")
    bars = {}
    for form, found in figures.items():
        mine = found["ltrr"]["seconds"]
        print(
            f"{form}: {found['megabytes']:,.0f} MB, ltrr {mine:.1f} s, {options.rows / mine:,.0f} slate rows a second"
        )
        for step, seconds in found["ltrr"]["steps"].items():
            print(f"    {step}: {seconds:.1f} s")
        for way in (name for name in WAYS if name in found):
            one = found[way]
            print(f"    {way}: {one['core_seconds']:.0f} core seconds with the start of Java, {one['peak_gb']:.1f} GB")
        for way, limit in BARS.items():
            if way in found:
                ratio = mine / found[way]["seconds"]
                print(f"    {way} {found[way]['seconds']:.1f} s, ltrr takes {ratio:.2f} times as long")
                bars[f"{form}: at most {limit:g} times {way}"] = ratio <= limit
    return report_bars(bars, f"{options.rows:,} slate rows")


if __name__ == "__main__":
    sys.exit(main())
