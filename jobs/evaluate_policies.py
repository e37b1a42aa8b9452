"""`evaluate_policies` for spark-submit: the same as `ltrr job evaluate_policies`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("evaluate_policies", sys.argv[1:]))
