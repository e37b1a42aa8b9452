"""The law of a disturbed home: whatever happens in whatever order, it is a clean home, or it says what is stale."""

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
    """Run homes of so many steps each, every batch with the next seed, until there are as many steps as asked for."""
    install(monkeypatch, lambda: DisturbedHome.current)
    for name in ("steps", "refused", "committed", "killed"):
        monkeypatch.setattr(DisturbedHome, name, 0)
    monkeypatch.setattr(DisturbedHome, "outcomes", Counter())
    batch, started = 0, time.monotonic()
    while DisturbedHome.steps < least:
        chosen = settings(
            max_examples=5,
            stateful_step_count=steps_in_a_home,
            deadline=None,
            database=None,
            print_blob=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(seed(batch)(DisturbedHome), settings=chosen)
        batch += 1
    told = {name: getattr(DisturbedHome, name) for name in ("steps", "committed", "refused", "killed")}
    told["outcomes"] = dict(sorted(DisturbedHome.outcomes.items()))
    return told | {"seconds": round(time.monotonic() - started, 1)}


@pytest.mark.slow
def test_a_home_is_clean_or_says_what_is_stale_after_every_one_of_some_hundred_steps(monkeypatch):
    told = run_steps(monkeypatch, SHORT)
    assert told["steps"] >= SHORT
    assert min(told["committed"], told["refused"], told["killed"]) > 0, told


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_home_is_clean_or_says_what_is_stale_after_every_one_of_many_thousand_steps(monkeypatch, capsys):
    told = run_steps(monkeypatch, LONG)
    with capsys.disabled():
        sys.stderr.write(f"\n{told}\n")
    assert told["steps"] >= LONG
    ends = ("promote", "futile", "expired", "replaced", "withdrawn")
    expected = {f"{kind} {end}" for kind in ("bandit", "ranker") for end in ends} | {"canary promote", "canary ended"}
    assert LONG < 20_000 or expected <= told["outcomes"].keys(), "some ends of a trial were never met"
