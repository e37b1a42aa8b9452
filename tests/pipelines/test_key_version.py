"""A home keeps the version of the query key of its committed nights."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import pytest

from ltrr.artifacts.manifest import PolicySettings
from ltrr.config import PathSettings, Settings, home_layer, load_settings, write_home_file
from ltrr.errors import ConfigError
from ltrr.pipelines.run_order import check_key_version
from ltrr.spark.commits import CommitLog, JobRun

DAY = date(2026, 3, 3)
POLICY = PolicySettings("search", ("title", "memory"))


class Runs:
    """Committed runs in memory, with the two methods that the check reads."""

    def __init__(self, notes: dict[date, dict[str, str]]) -> None:
        self._notes = notes

    def run(self, job: str, day: date) -> JobRun | None:
        notes = self._notes.get(day)
        return None if notes is None or job != "ingest_logs" else JobRun(job, day, 1, "c", "d", (), (), notes, 0.0)


def check(notes: dict[date, dict[str, str]], version: int, day: date = DAY) -> None:
    settings = Settings(
        policy=replace(POLICY, query_key_version=version),
        history_starts=DAY - timedelta(days=1),
        paths=PathSettings(home=Path("home")),
    )
    check_key_version(cast("CommitLog", Runs(notes)), settings, day)


def test_a_new_home_may_use_either_version() -> None:
    for version in (1, 2):
        check({}, version)


@pytest.mark.parametrize("day", [DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)])
def test_a_home_continues_with_its_version_only(day: date) -> None:
    """A run without the note is of version 1, from before keys had versions."""
    dates = (DAY - timedelta(days=1), DAY)
    for used, notes in ((1, {}), (1, {"query_key_version": "1"}), (2, {"query_key_version": "2"})):
        committed = dict.fromkeys(dates, notes)
        check(committed, used, day)
        with pytest.raises(ConfigError) as refused:
            check(committed, 3 - used, day)
        text = str(refused.value)
        assert "another version of the query key" in text
        assert f"set policy.query_key_version to {used} in ltrr.yaml" in text
        assert "begin a new home" in text


def test_a_new_home_states_its_version(tmp_path: Path) -> None:
    write_home_file(tmp_path, home_layer(POLICY, DAY))
    assert "query_key_version: 2" in (tmp_path / "ltrr.yaml").read_text()
    assert load_settings(tmp_path, None, ["policy.query_key_version=1"]).policy.query_key_version == 1
