"""After steps of real jobs and disturbances, the tables equal those of a clean home.

With `LTRR_LONG_HOME`, an interrupted run continues where it stopped. `LTRR_BUDGET_SECONDS` limits
the time of a run.
"""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.disturbed.real_steps import DECIDED, RealHome
from tests.disturbed.small_home import KEY, different_tables

STEPS = int(os.environ.get("LTRR_REAL_STEPS") or 40)
BUDGET_SECONDS = float(os.environ.get("LTRR_BUDGET_SECONDS") or "inf")
SEED = 11


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_real_jobs_under_disturbances_leave_the_tables_of_a_clean_home(spark, tmp_path, monkeypatch, capsys):
    if not STEPS:
        pytest.skip("the number of steps is 0: REAL_STEPS=150 make test-long")
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    kept = os.environ.get("LTRR_LONG_HOME")
    home = RealHome(spark, (Path(kept) if kept else tmp_path) / "real-steps", SEED)
    started = time.monotonic()
    while len(home.diary["steps"]) < STEPS:
        if time.monotonic() - started > BUDGET_SECONDS:
            pytest.skip(f"{len(home.diary['steps'])} of {STEPS} steps are done, run it again to continue")
        home.step()
        with capsys.disabled():
            sys.stderr.write(f"\n{len(home.diary['steps'])} {home.diary['steps'][-1][:150]}")
    settled = home.settle()
    clean = home.clean_home()
    with capsys.disabled():
        sys.stderr.write(f"\n{STEPS} steps in {home.diary['seconds']:.0f} s, {settled} jobs to settle, {home.days()}\n")
    assert different_tables(spark, home.home, clean, DECIDED) == {}
