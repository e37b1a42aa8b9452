"""`ltrr ingest`: one pass with --dates, and refused calls that leave nothing behind."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ltrr.cli import main
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.pipelines.night import Night
from ltrr.serving import Policy
from ltrr.spark.commits import CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import hold_lease
from ltrr.tables.catalog import table
from tests.logs.ubi_documents import FIRST, LAST, as_line, shop_log
from tests.pipelines.ingest_nights import SECRET

pytestmark = [pytest.mark.spark, pytest.mark.long]

LOG = shop_log()


@pytest.fixture(autouse=True)
def _untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr(Night, "tracking", SimpleNamespace(night_run_id="untracked"))
    monkeypatch.setattr("ltrr.pipelines.preflight.connect", lambda _: None)


def part(folder: Path, name: str, lines: list[dict[str, Any]]) -> Path:
    file = folder / name
    file.write_bytes(b"\n".join(map(as_line, lines)) + b"\n")
    return file


def files_of(home: Path) -> dict[Path, bytes]:
    """Every file of the home but the locks, whose content names their last holder."""
    return {file: file.read_bytes() for file in home.rglob("*") if file.is_file() and file.name != ".lease"}


def test_calls_add_up_and_a_refused_call_leaves_nothing_behind(
    spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    first, second = part(tmp_path, "a.ndjson", LOG[:50]), part(tmp_path, "b.ndjson", LOG[50:])

    def said(file: Path, dates: str = f"{FIRST}..{LAST}", *more: str) -> tuple[int, str, str]:
        code = main(["ingest", str(file), "--home", str(home), "--format", "ubi", "--dates", dates, "--json", *more])
        return code, *capsys.readouterr()

    def check_refused(message: str, *arguments: str) -> None:
        before = files_of(home)
        code, out, err = said(part(tmp_path, "c.ndjson", LOG[:3]), *arguments)
        assert (code != 0, out) == (True, "")
        assert message in err
        assert files_of(home) == before

    # With --dates the files are read once, by the job.
    monkeypatch.setattr("ltrr.cli.ingest.inspect_files", lambda *_: pytest.fail("read twice"))
    code, out, _ = said(first)
    assert (code, json.loads(out)["new_files"]) == (0, 1)
    # The log has no propensities, so no user is shown a plan at random.
    assert Policy.load(home / "policies" / "search").is_shadow
    assert json.loads(said(first, f"{FIRST}..{LAST}", "--no-shadow")[1])["new_files"] == 0
    assert not Policy.load(home / "policies" / "search").is_shadow
    assert json.loads(said(second)[1])["new_files"] == 1
    warehouse = Warehouse(spark, str(home / "tables"))
    assert warehouse.read(table("impressions")).count() == 40

    # Another host or process takes a history, or runs a night, at the same time.
    with hold_lease(home, "taking a history", tables=str(home / "tables")):
        check_refused("another process is writing to this home or its tables")
    check_refused("the home has another policy: --budget: expected 4, got 3", f"{FIRST}..{LAST}", "--budget", "3")
    check_refused("the log has dates outside its history", f"{FIRST}..{LAST + timedelta(days=2)}")
    commits = CommitLog(warehouse)
    commits.load(LAST)
    for age in range(1, 4):
        commits.commit(JobRun("ingest_logs", LAST + timedelta(days=age), 1, "test", "test", (), (), {}, 0.0))
    check_refused("the date is too old to run again", f"{FIRST}..{LAST}", "--set", "nights.repair_days=1")
