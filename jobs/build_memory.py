"""`build_memory` for spark-submit: the same as `ltrr job build_memory`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("build_memory", sys.argv[1:]))
