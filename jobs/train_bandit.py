"""`train_bandit` for spark-submit: the same as `ltrr job train_bandit`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("train_bandit", sys.argv[1:]))
