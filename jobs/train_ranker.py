"""`train_ranker` for spark-submit: the same as `ltrr job train_ranker`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("train_ranker", sys.argv[1:]))
