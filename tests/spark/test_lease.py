"""One writer at a time; a dead holder never blocks the next one."""

import os
import subprocess
import sys

import pytest

from ltrr.errors import ConfigError, LeaseError
from ltrr.spark.lease import LEASE_FILE, hold_lease

HOLD = """
import sys, time
from pathlib import Path
from ltrr.spark.lease import hold_lease
with hold_lease(Path(sys.argv[1]), "nightly of 2026-03-01", tables=sys.argv[1] + "/tables"):
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
    with pytest.raises(ZeroDivisionError), hold_lease(home, "first", tables=str(home / "tables")):
        _ = 1 / 0
    _hold(home)
    assert "dead" not in caplog.text


@pytest.mark.parametrize("where", [".", "tables"])
def test_a_holder_notices_that_its_lease_was_taken_away(home, where):
    with hold_lease(home, "first", tables=str(home / "tables")) as lease:
        lease.check()
        (home / where / LEASE_FILE).unlink()
        with pytest.raises(LeaseError, match="another process took the lease"):
            lease.check()


@pytest.mark.parametrize("tables", ["one/tables", "elsewhere", "file:elsewhere", "link"])
def test_two_homes_with_the_same_tables_keep_each_other_out(tmp_path, tables):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    kind, _, name = tables.rpartition(":")
    given = (tmp_path / name).as_uri() if kind else str(tmp_path / name)
    other = str(tmp_path / "elsewhere") if name == "link" else given
    with (
        hold_lease(tmp_path / "one", "nightly on host 1", tables=given),
        pytest.raises(LeaseError, match="doing nightly on host 1"),
        hold_lease(tmp_path / "two", "nightly on host 2", tables=other),
    ):
        pass
    with (
        hold_lease(tmp_path / "one", "1", tables=str(tmp_path / "one/tables")),
        hold_lease(tmp_path / "two", "2", tables=str(tmp_path / "two/tables")),
    ):
        pass


@pytest.mark.parametrize(
    "tables", ["s3a://bucket/tables", "hdfs:/tables", "gs://b", "file://host/x", "abfss://c@a.net/x"]
)
def test_tables_where_no_lease_can_be_held_are_refused_by_name(home, tables):
    with (
        pytest.raises(ConfigError, match=r"paths\.tables: .*no lease in an object store"),
        hold_lease(home, "x", tables=tables),
    ):
        pass
    assert list(home.iterdir()) == []


def _hold(home):
    with hold_lease(home, "again", tables=str(home / "tables")):
        pass
