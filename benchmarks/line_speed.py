"""Speed of the step of ingestion that parses and checks lines: megabytes a second of one core.

    python benchmarks/line_speed.py --megabytes 16 --json OUT

Lines of a made-up night become the rows that a task of `ingest_logs` makes of them, as columns and
line by line. Spark gives the schema of the rows and is stopped before the measurement. The seconds
are those of the processor, so other work on the machine matters less. Best of several rounds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from benchmarks.command_line import add_outputs, new_parser, write_json
from benchmarks.ingest_study.logs import FORMS_OF_LINES, NIGHT, STRATEGIES
from ltrr.logs.line_rows import LineReader
from ltrr.logs.parsed_rows import parsed_schema
from ltrr.logs.parsing import parse_run
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from ltrr.spark.session import SparkSettings, build_session

READER = LineReader(NIGHT, NIGHT, frozenset(STRATEGIES), LogSettings(), Pseudonyms("a secret of the benchmark"))


def build_parser() -> argparse.ArgumentParser:
    """Options of the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--megabytes", type=int, default=16, help="Size of the lines of each form")
    parser.add_argument("--forms", default=",".join(FORMS_OF_LINES), help="Forms of the log, separated by commas")
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds")
    add_outputs(parser)
    return parser


def lines_of(form: str, megabytes: float) -> list[bytes]:
    """The first lines of a made-up night, of about this size."""
    lines: list[bytes] = []
    size = 0
    for line in FORMS_OF_LINES[form](0, sys.maxsize):
        lines.append(line.rstrip("\n").encode())
        size += len(lines[-1])
        if size >= megabytes * 1e6:
            break
    return lines


def measure(lines: Sequence[bytes], schema: pa.Schema, rounds: int) -> dict[str, float]:
    """Megabytes a second of both ways, and the share of lines that are read as columns."""
    one_by_one = replace(READER, formats=tuple(replace(one, read_columns=None) for one in READER.formats))
    megabytes = sum(map(len, lines)) / 1e6
    read = READER.read_columns(lines, _FILE, schema)
    return {
        "columns": megabytes / min(_seconds(READER, lines, schema) for _ in range(rounds)),
        "line_by_line": megabytes / min(_seconds(one_by_one, lines, schema) for _ in range(rounds)),
        "share_of_columns": sum(len(rows.places) for rows in read) / len(lines),
    }


_FILE = "log-1.ndjson"


def _seconds(reader: LineReader, lines: Sequence[bytes], schema: pa.Schema) -> float:
    started = time.process_time()
    rows = sum(batch.num_rows for batch in parse_run(lines, reader, schema, f"dt={NIGHT}/{_FILE}"))
    seconds = time.process_time() - started
    if rows != len(lines):
        raise SystemExit(f"expected a row for each of {len(lines)} lines, got {rows}")
    return seconds


def main() -> int:
    """Measure every form and print a line for each."""
    options = build_parser().parse_args()
    spark = build_session("line speed", SparkSettings(master="local[1]"))
    schema = to_arrow_schema(parsed_schema(), timezone="UTC")
    spark.stop()
    figures = {}
    for form in options.forms.split(","):
        figures[form] = found = measure(lines_of(form, options.megabytes), schema, options.rounds)
        print(
            f"{form}: {found['columns']:.1f} MB/s as columns ({found['share_of_columns']:.0%} of the lines), "
            f"{found['line_by_line']:.1f} MB/s line by line"
        )
    write_json(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
