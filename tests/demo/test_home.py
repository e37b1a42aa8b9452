"""A demo replaces only the folder of an earlier demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltrr.demo.home import MARKER, claim_home
from ltrr.errors import UsageError


def test_its_own_home_is_emptied(tmp_path: Path) -> None:
    home = claim_home(tmp_path / "new" / "home")
    (home / "tables").mkdir()
    (home / "tables" / "left.txt").write_text("from the run before")
    claim_home(home)
    assert [path.name for path in home.iterdir()] == [MARKER]


def test_anothers_home_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "work.txt"
    kept.write_text("of another program")
    with pytest.raises(UsageError, match="replaces only the folder of an earlier demo"):
        claim_home(tmp_path)
    assert kept.read_text() == "of another program"


def test_a_file_is_no_home(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="not a folder"):
        claim_home(file)
