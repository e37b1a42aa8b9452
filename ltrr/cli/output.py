"""Output of commands: tables and JSON on stdout, progress and logs on stderr.

All of it may contain logged text. Consoles, cells, JSON, log lines and errors are made here, where
markup is off and control characters are escaped.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table

from ltrr.demo.plain_console import PlainConsole
from ltrr.demo.shown_text import escape_controls, escape_json_controls

Rows = Sequence[Mapping[str, Any]]


# Widths in columns: of tables in a pipe, and of the demo and of progress.
WIDE, NARROW = 200, 80


def stdout() -> PlainConsole:
    """Console of results, 200 columns wide in a pipe."""
    return PlainConsole(soft_wrap=False, width=None if sys.stdout.isatty() else WIDE)


def narrow_stdout() -> PlainConsole:
    """Console of results that fit 80 columns."""
    console = PlainConsole()
    return PlainConsole(width=min(console.width, NARROW) if console.is_terminal else NARROW)


def narrow_stderr() -> PlainConsole:
    """Console of progress and notes, 80 columns wide, with escape codes only on a terminal."""
    console = PlainConsole(stderr=True)
    return PlainConsole(stderr=True, width=min(console.width, NARROW) if console.is_terminal else NARROW)


class _PlainFormatter(logging.Formatter):
    """Formatter of log lines without control characters; tracebacks keep their lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Text of a record."""
        return escape_controls(super().format(record), keeps_lines=True)


def set_up_logging(*, is_verbose: bool) -> None:
    """Log to stderr: warnings by default, one line per table read or written with --verbose."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("ltrr").setLevel(logging.INFO if is_verbose else logging.WARNING)


def is_debugging() -> bool:
    """Whether a fault should show its traceback: the environment variable LTRR_DEBUG is set."""
    return bool(os.environ.get("LTRR_DEBUG"))


def print_progress(line: str) -> None:
    """Print a line of progress or an error, to stderr."""
    sys.stderr.write(f"{escape_controls(line)}\n")


def show(renderable: RenderableType) -> None:
    """Print a result."""
    stdout().print(renderable)


def show_json(value: Any) -> None:
    """Print a result as JSON; undefined figures are null."""
    document = json.dumps(to_plain(value), indent=2, ensure_ascii=False)
    sys.stdout.write(escape_json_controls(document) + "\n")


def show_rows(rows: Rows, title: str, *, as_json: bool) -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        show_json(list(rows))
        return
    table = Table(title=escape_controls(title), title_justify="left", box=box.SIMPLE_HEAD)
    names = list(rows[0]) if rows else []
    for name in names:
        is_number = all(isinstance(row[name], int | float | Decimal | None) for row in rows)
        table.add_column(escape_controls(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell_text(row[name]) for name in names))
    show(table if rows else f"{title}: nothing")


def cell_text(value: Any) -> str:
    """Text of one value in a table, on one line.

    >>> cell_text(None), cell_text(0.123456), cell_text(float("nan"))
    ('', '0.12346', 'NaN')
    >>> cell_text(["a", "b"]), cell_text({"a": 1})
    ('a; b', 'a=1')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.5g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{escape_controls(str(key))}={cell_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(cell_text(item) for item in value)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    return escape_controls(str(value))


def to_plain(value: Any) -> Any:
    """The value in JSON's own types.

    >>> to_plain({"a": float("nan"), "on": date(2026, 3, 2)})
    {'a': None, 'on': '2026-03-02'}
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    return value
