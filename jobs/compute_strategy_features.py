"""Entry point of `compute_strategy_features` for spark-submit, as `ltrr job`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("compute_strategy_features", sys.argv[1:]))
