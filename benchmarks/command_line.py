"""Common command line of the benchmarks: options, files of figures, bars and the exit code."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

JSON_HELP = "File to which all figures are written, as JSON"
ROWS_HELP = "File to which all rows are written, one JSON object a line"
TABLE_HELP = "File to which the tables are written, as Markdown"
DATA_HELP = "Folder with corpus.jsonl.gz and judgments.tsv.gz, for the world msrd"


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """Argument parser; its help shows the docstring of a module unchanged."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_outputs(parser: argparse.ArgumentParser, *, json_help: str = JSON_HELP, table_help: str = "") -> None:
    """Add `--json`, and `--table` if `table_help` is not empty: files that the benchmark writes."""
    parser.add_argument("--json", type=Path, help=json_help)
    if table_help:
        parser.add_argument("--table", type=Path, help=table_help)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write one JSON object; without a path, write nothing."""
    write_text(path, json.dumps(figures, indent=1) + "\n")


def write_rows(path: Path | None, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON object a line; without a path, write nothing."""
    write_text(path, "\n".join(json.dumps(row) for row in rows) + "\n")


def write_text(path: Path | None, text: str) -> None:
    """Write a text unchanged; without a path, write nothing."""
    if path:
        path.write_text(text, encoding="utf-8")


def report_bars(bars: Mapping[str, bool], size: str = "", misses: Mapping[str, Sequence[str]] | None = None) -> int:
    """Print each bar and a line that counts them; return the exit code, 1 if a bar is missed.

    Args:
        bars: Name -> whether the bar is met.
        size: Size of the run, for the last line.
        misses: Name -> cells or reasons, printed below the bar.

    >>> report_bars({"at most 5 % false": True, "at least 80 % found": False}, "40 streams")
    met   : at most 5 % false
    MISSED: at least 80 % found
    1 of 2 bars are met, 40 streams; missed: at least 80 % found
    1
    """
    for name, is_met in bars.items():
        print(f"{'met   ' if is_met else 'MISSED'}: {name}")
        for miss in (misses or {}).get(name, ()):
            print(f"    {miss}")
    missed = [name for name, is_met in bars.items() if not is_met]
    counted = ", ".join(filter(None, (f"{len(bars) - len(missed)} of {len(bars)} bars are met", size)))
    print(f"{counted}; missed: {'; '.join(missed) or 'none'}")
    return int(bool(missed))
