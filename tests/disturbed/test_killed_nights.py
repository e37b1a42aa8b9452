"""`kill -9` at random times of real nights: after a rerun the home equals an undisturbed one.

`KILLS=40 make test-long` sets the number of kills. With `LTRR_LONG_HOME`, an interrupted run
continues where it stopped. `LTRR_BUDGET_SECONDS` limits the time of a run.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ltrr.artifacts.pointer import pointers
from ltrr.config import load_settings
from tests.disturbed.small_home import KEY, begin_home, day_of, different_tables

KILLS = int(os.environ.get("LTRR_KILLS") or 6)
BUDGET_SECONDS = float(os.environ.get("LTRR_BUDGET_SECONDS") or "inf")
NIGHTS = 3
# A night that is not killed takes a minute on two idle cores, and ten times that on a busy machine.
LONGEST_SECONDS = 900
LAST_JOB = "publish_policy"


def start(home, number):
    """Start one night as an operator does, in its own process group."""
    environment = os.environ | KEY | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    program = "import sys; from ltrr.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "nightly", "--date", str(day_of(number)), "--home", str(home)]
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def wait_for_first_job(night):
    """Wait until the first job begins; return the lines so far."""
    lines = []
    for line in night.stderr:
        lines.append(line)
        if line.startswith("2026-") and line.rstrip().endswith("ingest_logs"):
            return lines
    raise AssertionError(f"the night did not begin: {''.join(lines)[-2000:]}")


def finish(night):
    """Wait for the end of a night; check that all jobs were committed."""
    try:
        _, stderr = night.communicate(timeout=LONGEST_SECONDS)
    finally:
        kill(night)
    assert night.returncode == 0, stderr[-2000:]


def kill(night):
    """Send SIGKILL to the whole group: Python, the JVM and its workers."""
    if night.poll() is None:
        os.killpg(night.pid, signal.SIGKILL)
    night.wait()
    night.stderr.close()


class State:
    """Progress in a file, so that an interrupted run can continue."""

    def __init__(self, file):
        self.file, self.started = file, time.monotonic()
        self.progress = json.loads(file.read_text()) if file.exists() else {"reference": [], "done": 0, "kills": []}

    def save(self):
        """Save the progress; skip the rest of the test if the time is over."""
        half = self.file.with_suffix(".half")
        half.write_text(json.dumps(self.progress))
        half.rename(self.file)
        if time.monotonic() - self.started > BUDGET_SECONDS:
            pytest.skip(f"{len(self.progress['kills'])} of {KILLS} nights are killed, run it again to continue")


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_nights_killed_at_random_times_and_run_again_leave_the_tables_of_an_undisturbed_home(spark, tmp_path, capsys):
    if not KILLS:
        pytest.skip("the number of kills is 0: KILLS=40 make test-long")
    kept = os.environ.get("LTRR_LONG_HOME")
    folder = Path(kept) / "kills" if kept else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    undisturbed, killed, state = folder / "never-killed", folder / "killed", State(folder / "state.json")
    for home in (undisturbed, killed):
        if not home.exists():
            begin_home(folder / "half", NIGHTS)
            (folder / "half").rename(home)

    for number in range(len(state.progress["reference"]), NIGHTS):
        night = start(undisturbed, number)
        wait_for_first_job(night)
        started = time.monotonic()
        finish(night)
        state.progress["reference"].append(time.monotonic() - started)
        state.save()

    for number in range(state.progress["done"], NIGHTS):
        due = KILLS * (number + 1) // NIGHTS
        draws = random.Random(number * 1000 + len(state.progress["kills"]))
        while len(state.progress["kills"]) < due:
            night = start(killed, number)
            wait_for_first_job(night)
            moment, started = draws.random() * state.progress["reference"][number], time.monotonic()
            try:
                night.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                state.progress["kills"].append(f"{day_of(number)} after {moment:.1f} s")
            else:
                # The night ended first, because the machine is less busy. The next time is drawn
                # from a shorter night.
                state.progress["reference"][number] = time.monotonic() - started
            kill(night)
            state.save()
        night = start(killed, number)
        finish(night)
        state.progress["done"] = number + 1
        state.save()

    with capsys.disabled():
        sys.stderr.write(f"\n{len(state.progress['kills'])} nights killed: {state.progress['kills']}\n")
    assert len(state.progress["kills"]) >= KILLS
    assert different_tables(spark, killed, undisturbed) == {}
    served = []
    for home in (killed, undisturbed):
        settings = load_settings(home)
        found = pointers(settings.paths.policies, settings.policy.name)
        served.append([(one.sequence, one.version) for one in found])
    assert served[0] == served[1]
