"""The doorway of `fit_click_model` for spark-submit: the same function as `ltrr job`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("fit_click_model", sys.argv[1:]))
