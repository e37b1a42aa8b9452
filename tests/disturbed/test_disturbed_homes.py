"""After disturbances in any order, a home equals a clean home or reports what is stale."""

import os
import sys
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.disturbed.install import install
from tests.disturbed.machine import DisturbedHome

SHORT, LONG = 300, int(os.environ.get("LTRR_STEPS") or 20_000)


def run_steps(monkeypatch, least, steps_in_a_home=50):
    """Run batches of homes, each batch with the next seed, until there are `least` steps."""
    install(monkeypatch, lambda: DisturbedHome.current)
    for name in ("steps", "refused", "committed", "killed"):
        monkeypatch.setattr(DisturbedHome, name, 0)
    monkeypatch.setattr(DisturbedHome, "outcomes", Counter())
    batch, started = 0, time.monotonic()
    while DisturbedHome.steps < least:
        chosen = settings(
            max_examples=5,
            stateful_step_count=steps_in_a_home,
            database=None,
            print_blob=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(seed(batch)(DisturbedHome), settings=chosen)
        batch += 1
    counts = {name: getattr(DisturbedHome, name) for name in ("steps", "committed", "refused", "killed")}
    counts["outcomes"] = dict(sorted(DisturbedHome.outcomes.items()))
    return counts | {"seconds": round(time.monotonic() - started, 1)}


@pytest.mark.slow
def test_a_home_is_clean_or_reports_what_is_stale_after_each_of_some_hundred_steps(monkeypatch):
    counts = run_steps(monkeypatch, SHORT)
    assert counts["steps"] >= SHORT
    assert min(counts["committed"], counts["refused"], counts["killed"]) > 0, counts


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_home_is_clean_or_reports_what_is_stale_after_each_of_many_thousand_steps(monkeypatch, capsys):
    counts = run_steps(monkeypatch, LONG)
    with capsys.disabled():
        sys.stderr.write(f"\n{counts}\n")
    assert counts["steps"] >= LONG
    ends = ("promote", "futile", "expired", "replaced", "withdrawn")
    expected = {f"{kind} {end}" for kind in ("bandit", "ranker") for end in ends} | {"canary promote", "canary ended"}
    assert LONG < 20_000 or expected <= counts["outcomes"].keys(), "some outcomes of a trial did not occur"
