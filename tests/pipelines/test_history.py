"""Dates of a history: found in the log, kept over several calls, refused where they are wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from ltrr.config import load_settings
from ltrr.errors import CommitError, UsageError
from ltrr.logs.inspection import Inspection
from ltrr.logs.landing import land_files, list_log_files
from ltrr.pipelines import history
from ltrr.pipelines.history import DateRange, find_range, land_history, prepare_home

JANUARY = DateRange(date(2025, 1, 1), date(2025, 1, 31))
LATER = DateRange(date(2025, 1, 3), date(2025, 2, 1))


class Commits:
    """A commit log with this oldest date."""

    oldest: date | None = None

    def __init__(self, _warehouse: object) -> None:
        pass

    def oldest_date(self) -> date | None:
        return self.oldest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(history, "CommitLog", Commits)
    monkeypatch.setattr(history, "Warehouse", lambda *_: None)
    monkeypatch.setattr(history, "_check_can_run_again", lambda *_: None)
    (tmp_path / "home").mkdir()
    policy = "policy: {name: toy, strategies: [a, b]}\n"
    (tmp_path / "home" / "ltrr.yaml").write_text(f"history_starts: 2026-01-01\n{policy}")
    return tmp_path / "home"


def log_file(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text(f'{{"file": "{name}"}}\n')
    return file


def test_a_second_call_before_the_first_commit_keeps_files_and_dates_of_the_first(home: Path, tmp_path: Path) -> None:
    prepare_home(None, load_settings(home), JANUARY)
    settings = load_settings(home)
    assert (settings.history_starts, settings.first_night) == (JANUARY.first, JANUARY.last)
    first = land_history(settings, [log_file(tmp_path, "a.ndjson")], JANUARY.last, "auto")
    prepare_home(None, load_settings(home), LATER)
    settings = load_settings(home)
    assert (settings.history_starts, settings.first_night) == (JANUARY.first, LATER.last)
    second = land_history(settings, [log_file(tmp_path, "b.ndjson")], LATER.last, "auto")
    landed = {file.name for file in (home / "logs" / f"dt={LATER.last}").iterdir()}
    assert landed == {*first, *second, "_SUCCESS"}
    assert [file.name for file in (home / "logs" / f"dt={JANUARY.last}").iterdir()] == ["_SUCCESS"]


def test_dates_outside_the_history_of_a_home_with_nights_are_refused(home: Path, monkeypatch) -> None:
    prepare_home(None, load_settings(home), JANUARY)
    monkeypatch.setattr(Commits, "oldest", JANUARY.last)
    prepare_home(None, load_settings(home), DateRange(date(2025, 1, 9), date(2025, 1, 12)))
    with pytest.raises(CommitError, match=r"outside its history: .* expected dates from 2025-01-01"):
        prepare_home(None, load_settings(home), LATER)


def test_the_range_is_that_of_the_log_up_to_today() -> None:
    found = Inspection(5, dates={date(2025, 1, 3): 4, date(2025, 2, 1): 1, date(2999, 1, 1): 1})
    assert find_range(found) == LATER
    with pytest.raises(UsageError, match="some clock is probably wrong"):
        find_range(Inspection(2, dates={date(1970, 1, 1): 1, date(2025, 1, 1): 1}))
    with pytest.raises(UsageError, match=r"no line that ltrr can take: .*unknown_record 2: neither"):
        find_range(Inspection(2, rejected={"unknown_record": (2, "neither a decision nor an event")}))


@pytest.mark.parametrize("text", ["2025-01-01..", "soon", "2025-01-02..2025-01-01", "..2025-01-01"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--dates"):
        DateRange.parse(text)


def test_a_file_lands_once_by_its_content_and_changes_its_format(tmp_path: Path) -> None:
    folder = tmp_path / "dt=2025-01-31"
    one, same = log_file(tmp_path, "a.ndjson"), tmp_path / "copy.jsonl.2"
    same.write_bytes(one.read_bytes())
    [name] = land_files([one], folder, "auto")
    assert land_files([one], folder, "auto") == []
    assert land_files([same], folder, "auto") == [name.replace(".ndjson", ".jsonl")]
    land_files([one], folder, "ubi")
    assert {file.name for file in folder.iterdir()} == {name.replace("auto-", "ubi-"), "_SUCCESS"}


@pytest.mark.parametrize("name", ["a.ndjson.bz2", "a.tar.gz", "a.zip"])
def test_files_that_no_night_reads_are_refused_by_name(tmp_path: Path, name: str) -> None:
    log_file(tmp_path, name)
    log_file(tmp_path, "b.ndjson")
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(UsageError, match=f"cannot be read as logs by their names: .*{name}"):
            list_log_files([str(path)])
    assert list_log_files([str(tmp_path / "b.ndjson")]) == [tmp_path / "b.ndjson"]


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from ltrr.logs import landing

def cut_off(file, part):
    if file.name == "b.ndjson":
        part.write_bytes(file.read_bytes()[:3])
        os.kill(os.getpid(), signal.SIGKILL)
    return copy(file, part)

copy, landing.shutil.copyfile = shutil.copyfile, cut_off
landing.land_files([Path(name) for name in sys.argv[2:]], Path(sys.argv[1]), "auto")
"""


def test_a_landing_that_was_killed_is_completed_by_the_next_and_nothing_lands_twice(tmp_path: Path) -> None:
    files = [log_file(tmp_path, f"{name}.ndjson") for name in "abc"]
    whole, folder = tmp_path / "whole", tmp_path / "dt=2025-01-31"
    expected = land_files(files, whole, "auto")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), *map(str, files)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = sorted(file.name for file in folder.iterdir())
    # No night reads the folder: it is not closed, and the copy that was cut off has a hidden name.
    assert left == sorted([expected[0], f"_part-{expected[1]}"])
    assert land_files(files, folder, "auto") == expected[1:]
    assert contents(folder) == contents(whole)


def test_files_that_a_killed_call_left_in_an_earlier_folder_move_with_the_next_call(home: Path, tmp_path: Path) -> None:
    prepare_home(None, load_settings(home), JANUARY)
    names = land_history(
        load_settings(home), [log_file(tmp_path, f"{name}.ndjson") for name in "ab"], JANUARY.last, "auto"
    )
    before, after = (home / "logs" / f"dt={span.last}" for span in (JANUARY, LATER))
    prepare_home(None, load_settings(home), LATER)
    # The state in which a call leaves them that was killed after its first move.
    (after / names[1]).replace(before / names[1])
    prepare_home(None, load_settings(home), LATER)
    assert sorted(file.name for file in after.iterdir()) == sorted(names)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
