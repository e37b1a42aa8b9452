"""The command line: `ltrr`, and the function behind the doorways in `jobs/`."""

from ltrr.cli.app import main
from ltrr.cli.night import run_job

__all__ = ["main", "run_job"]
