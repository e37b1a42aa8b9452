"""The doorway of `train_ranker` for spark-submit: the same function as `ltrr job`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("train_ranker", sys.argv[1:]))
