"""Command line that all benchmarks share: options, files of figures, and bars with the exit code that follows."""

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
    """Parser whose help shows a module's docstring as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_outputs(parser: argparse.ArgumentParser, *, json_help: str = JSON_HELP, table_help: str = "") -> None:
    """Options for the files that a benchmark writes: `--json`, and `--table` where it has a help text."""
    parser.add_argument("--json", type=Path, help=json_help)
    if table_help:
        parser.add_argument("--table", type=Path, help=table_help)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """One JSON object; nothing is written without a path."""
    write_text(path, json.dumps(figures, indent=1) + "\n")


def write_rows(path: Path | None, rows: Sequence[Mapping[str, Any]]) -> None:
    """One JSON object a line; nothing is written without a path."""
    write_text(path, "\n".join(json.dumps(row) for row in rows) + "\n")


def write_text(path: Path | None, text: str) -> None:
    """A text as it is; nothing is written without a path."""
    if path:
        path.write_text(text, encoding="utf-8")


def report_bars(bars: Mapping[str, bool], size: str = "", misses: Mapping[str, Sequence[str]] | None = None) -> int:
    """Print each bar, then one line that counts them; return the exit code, 1 where a bar is missed.

    Args:
        bars: name -> whether it is met.
        size: size of the run, for the last line.
        misses: name -> cells or reasons that are listed below the bar.

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
