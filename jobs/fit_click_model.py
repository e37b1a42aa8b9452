"""`fit_click_model` for spark-submit: the same as `ltrr job fit_click_model`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("fit_click_model", sys.argv[1:]))
