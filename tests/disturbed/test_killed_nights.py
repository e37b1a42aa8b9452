"""`kill -9` at random moments of real nights in real processes: after the rerun the home is one that never died.

`KILLS=40 make test-long` asks for more; with `LTRR_LONG_HOME` set, an interrupted run goes on where
it stopped; `LTRR_BUDGET_SECONDS` makes it stop by itself.
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
# A night that is not killed takes a minute on two idle cores; a machine that others use may take
# ten times that.
LONGEST_SECONDS = 900
LAST_JOB = "publish_policy"


def start(home, number):
    """One night as an operator starts it, in a process group of its own."""
    environment = os.environ | KEY | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    program = "import sys; from ltrr.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "nightly", "--date", str(day_of(number)), "--home", str(home)]
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def begun(night):
    """Wait until the first job begins; the lines so far."""
    lines = []
    for line in night.stderr:
        lines.append(line)
        if line.startswith("2026-") and line.rstrip().endswith("ingest_logs"):
            return lines
    raise AssertionError(f"the night did not begin: {''.join(lines)[-2000:]}")


def finish(night):
    """Wait for the end; all jobs were committed."""
    try:
        _, said = night.communicate(timeout=LONGEST_SECONDS)
    finally:
        kill(night)
    assert night.returncode == 0, said[-2000:]


def kill(night):
    """SIGKILL to the whole group: Python, the JVM and its workers."""
    if night.poll() is None:
        os.killpg(night.pid, signal.SIGKILL)
    night.wait()
    night.stderr.close()


class State:
    """What is done already, kept in a file so that an interrupted run goes on."""

    def __init__(self, file):
        self.file, self.started = file, time.monotonic()
        self.told = json.loads(file.read_text()) if file.exists() else {"reference": [], "done": 0, "kills": []}

    def save(self):
        """Keep it, and stop where the time is over."""
        half = self.file.with_suffix(".half")
        half.write_text(json.dumps(self.told))
        half.rename(self.file)
        if time.monotonic() - self.started > BUDGET_SECONDS:
            pytest.skip(f"{len(self.told['kills'])} of {KILLS} nights are killed, run it again to go on")


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_nights_killed_at_random_moments_and_run_again_leave_a_home_that_never_died(spark, tmp_path, capsys):
    if not KILLS:
        pytest.skip("no kills are asked for: KILLS=40 make test-long")
    kept = os.environ.get("LTRR_LONG_HOME")
    folder = Path(kept) / "kills" if kept else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    never, killed, state = folder / "never-killed", folder / "killed", State(folder / "state.json")
    for home in (never, killed):
        if not home.exists():
            begin_home(folder / "half", NIGHTS)
            (folder / "half").rename(home)

    for number in range(len(state.told["reference"]), NIGHTS):
        night = start(never, number)
        begun(night)
        started = time.monotonic()
        finish(night)
        state.told["reference"].append(time.monotonic() - started)
        state.save()

    for number in range(state.told["done"], NIGHTS):
        due = KILLS * (number + 1) // NIGHTS
        draws = random.Random(number * 1000 + len(state.told["kills"]))
        while len(state.told["kills"]) < due:
            night = start(killed, number)
            begun(night)
            moment, started = draws.random() * state.told["reference"][number], time.monotonic()
            try:
                night.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                state.told["kills"].append(f"{day_of(number)} after {moment:.1f} s")
            else:
                # It ended first: the machine is less busy than it was, and moments are drawn from a
                # shorter night.
                state.told["reference"][number] = time.monotonic() - started
            kill(night)
            state.save()
        night = start(killed, number)
        finish(night)
        state.told["done"] = number + 1
        state.save()

    with capsys.disabled():
        sys.stderr.write(f"\n{len(state.told['kills'])} nights killed: {state.told['kills']}\n")
    assert len(state.told["kills"]) >= KILLS
    assert different_tables(spark, killed, never) == {}
    served = []
    for home in (killed, never):
        settings = load_settings(home)
        found = pointers(settings.paths.policies, settings.policy.name)
        served.append([(one.sequence, one.version) for one in found])
    assert served[0] == served[1]
