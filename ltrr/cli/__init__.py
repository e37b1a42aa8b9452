"""The command line: `ltrr`, and the function that the scripts in `jobs/` call."""

from __future__ import annotations

import sys
from collections.abc import Sequence

# Packages of the extra `batch` that the command line imports.
_BATCH = frozenset({"mlflow", "pandas", "pyarrow", "pydantic", "pyspark", "rich", "typer", "yaml"})


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code (`ltrr.cli.app.main`).

    The base installation serves policies and has none of the packages of the command line: without
    them, this is one error and exit code 2.
    """
    try:
        from ltrr.cli.app import main as run
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in _BATCH:
            raise
        sys.stderr.write(
            f"ltrr: the command line needs a package that is not installed: {package}; "
            "install the extra `batch`: pip install 'ltrr[batch]' (with `worlds` for `ltrr demo` and `ltrr simulate`)\n"
        )
        return 2
    return run(arguments)


def run_job(name: str, arguments: Sequence[str]) -> int:
    """Run `ltrr job NAME ARGUMENTS`, as the scripts in `jobs/` do; returns the exit code."""
    return main(["job", name, *arguments])


__all__ = ["main", "run_job"]
