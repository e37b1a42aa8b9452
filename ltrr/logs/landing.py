"""Landing: log files are copied once, by content, into the folder of a night."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from ltrr.errors import UsageError
from ltrr.logs.folder import ENDINGS, SUCCESS, is_log_name, list_names

_CHUNK = 1 << 20
_PART = "_part-"
_LANDED = re.compile(r"-[0-9a-f]{16}\.[a-z.]+\Z")
_PACKED_OTHERWISE = re.compile(r"\.(bz2|xz|lz4|lzo|snappy|br|zip|7z|tgz|tar(\.\w+)?)$", re.IGNORECASE)


def list_log_files(paths: Sequence[str]) -> list[Path]:
    """Files of the paths: each file itself, and the log files of each folder; sorted.

    Files whose name, or a folder of theirs, begins with `_` or `.` are left out.

    Raises:
        UsageError: A path does not exist, has no log file, or has files that cannot be read as one.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        if path.is_file():
            _refuse([path] if _PACKED_OTHERWISE.search(path.name) else [], path)
            found.add(path)
            continue
        if not path.is_dir():
            raise UsageError("there is no such log", which=str(path), expected="a file or folder on this machine")
        inside = [file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path))]
        if not inside:
            raise UsageError("a folder has no log file", which=str(path))
        _refuse([file for file in inside if not is_log_name(file.name)], path)
        found.update(inside)
    return sorted(found)


def _refuse(files: Sequence[Path], path: Path) -> None:
    if files:
        raise UsageError(
            "some files cannot be read as logs by their names",
            which=str(path),
            expected=ENDINGS,
            got=list_names(sorted(str(file) for file in files)),
            todo="unpack or rename them, name the log files one by one, or put _ before the name of a file that is no "
            "log",
        )


def land_files(files: Sequence[Path], folder: Path, prefix: str) -> list[str]:
    """Copy files into a night's folder and close it; returns the names of the copies that are new.

    The name of a copy has the prefix, the hash of its content and its own ending, so the same file
    lands once, whatever its name and however often. A copy that was cut off has a name that no
    night reads, and the next call removes it. The caller holds the lease of the home.

    Args:
        files: Log files.
        folder: `<logs>/dt=<date>`.
        prefix: Beginning of the names, by which `logs.formats` knows the format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for cut_off in folder.glob(f"{_PART}*"):
        cut_off.unlink()
    new = []
    for file in files:
        digest = content_digest(file)[:16]
        name = f"{prefix}-{digest}{_ending(file.name)}"
        if (folder / name).exists():
            continue
        # The same file that came with another format: the newest call counts.
        for other in folder.glob(f"*-{digest}.*"):
            other.unlink()
        part = folder / f"{_PART}{name}"
        shutil.copyfile(file, part)
        part.replace(folder / name)
        new.append(name)
    (folder / SUCCESS).touch()
    return new


def is_landed(name: str) -> bool:
    """Whether a file has the name of a copy that `land_files` made.

    >>> is_landed("ubi-0123456789abcdef.ndjson.gz"), is_landed("ubi-1.ndjson.gz")
    (True, False)
    """
    return _LANDED.search(name) is not None


def content_digest(file: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _ending(name: str) -> str:
    """The ending by which a night reads the copy, from the file's own.

    >>> _ending("ubi.ndjson.gz"), _ending("a.log"), _ending("b.jsonl.3"), _ending("c.parquet")
    ('.ndjson.gz', '.ndjson', '.jsonl', '.parquet')
    """
    if not is_log_name(name):
        packed = re.search(r"\.(gz|zst)$", name)
        return f".ndjson{packed[0] if packed else ''}"
    found = re.search(r"\.(ndjson|jsonl|json|csv|parquet)(\.\d+)?(\.gz|\.zst)?$", name)
    return f".{found[1]}{found[3] or ''}" if found else ".ndjson"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)
