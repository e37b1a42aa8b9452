"""`publish_policy` for spark-submit: the same as `ltrr job publish_policy`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("publish_policy", sys.argv[1:]))
