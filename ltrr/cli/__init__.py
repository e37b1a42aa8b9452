"""The command line: `ltrr`, and the function that the scripts in `jobs/` call."""

from ltrr.cli.app import main, run_job

__all__ = ["main", "run_job"]
