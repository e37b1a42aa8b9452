"""The home folder of a demo. A demo empties no other folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from ltrr.errors import UsageError

MARKER = ".ltrr-demo"


def claim_home(home: Path) -> Path:
    """Create an empty folder with the marker file of a demo, or empty that of an earlier demo.

    Raises:
        UsageError: The folder is not empty and has no marker file.
    """
    if home.exists() and not home.is_dir():
        raise UsageError("not a folder", which=str(home), todo="give another folder with --home")
    if home.exists() and any(home.iterdir()) and not (home / MARKER).is_file():
        raise UsageError(
            "a demo replaces only the folder of an earlier demo",
            which=str(home),
            expected=f"an empty folder, or one with the file {MARKER}, which a demo makes",
            got="a folder with other files",
            todo="give another folder with --home",
        )
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / MARKER).write_text("made by `ltrr demo`, which empties this folder when it runs again\n", encoding="utf-8")
    return home
