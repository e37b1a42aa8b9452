"""One writer at a time, and a dead one is in nobody's way."""

import os
import subprocess
import sys

import pytest

from ltrr.errors import LeaseError
from ltrr.spark.lease import LEASE_FILE, hold_lease

HOLD = """
import sys, time
from pathlib import Path
from ltrr.spark.lease import hold_lease
with hold_lease(Path(sys.argv[1]), "nightly of 2026-03-01"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(home):
    """Another process that holds the lease of the home."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_live_holder_is_named_and_a_killed_one_is_taken_over_at_once(home, holder, caplog):
    with pytest.raises(LeaseError, match=rf"host .*, pid {holder.pid}, since .*, doing nightly of 2026-03-01"):
        _hold(home)
    holder.kill()
    holder.wait()
    _hold(home)
    assert f"taken over from a dead holder: host {os.uname().nodename}, pid {holder.pid}" in caplog.text


def test_a_lease_ends_with_its_block_also_when_it_fails(home, caplog):
    with pytest.raises(ZeroDivisionError), hold_lease(home, "first"):
        _ = 1 / 0
    _hold(home)
    assert "dead" not in caplog.text


def test_a_holder_notices_that_its_lease_was_taken_away(home):
    with hold_lease(home, "first") as lease:
        lease.check()
        (home / LEASE_FILE).unlink()
        with pytest.raises(LeaseError, match="taken away"):
            lease.check()


def _hold(home):
    with hold_lease(home, "again"):
        pass
