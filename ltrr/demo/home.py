"""The folder that a demo may empty: its own, never another's."""

from __future__ import annotations

import shutil
from pathlib import Path

from ltrr.errors import UsageError

MARKER = ".ltrr-demo"


def claim_home(home: Path) -> Path:
    """Give an empty folder that carries the demo's mark; what an earlier demo left in it is removed.

    Raises:
        UsageError: the folder holds something and no demo made it.
    """
    if home.exists() and not home.is_dir():
        raise UsageError("not a folder", which=str(home), todo="name another one with --home")
    if home.exists() and any(home.iterdir()) and not (home / MARKER).is_file():
        raise UsageError(
            "a demo replaces its own home, never another's",
            which=str(home),
            expected=f"a folder that is empty, or that a demo made (it holds {MARKER})",
            got="a folder with other things in it",
            todo="name another one with --home",
        )
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / MARKER).write_text("made by `ltrr demo`, which empties this folder when it runs again\n", encoding="utf-8")
    return home
