"""`ingest_logs` for spark-submit: the same as `ltrr job ingest_logs`."""

import sys

from ltrr.cli import run_job

if __name__ == "__main__":
    raise SystemExit(run_job("ingest_logs", sys.argv[1:]))
