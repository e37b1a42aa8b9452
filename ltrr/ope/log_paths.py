"""The files of a log: a path that exists is taken as it is, also with characters of a pattern."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.core import url_to_fs

from ltrr.errors import UsageError

log = logging.getLogger(__name__)

CANNOT_READ = "the log cannot be read"
_PATTERN = re.compile(r"[*?\[\]{}]")


@dataclass(frozen=True)
class LogPath:
    """Where a log is.

    Attributes:
        given: The path as the user wrote it.
        root: The file or folder without a scheme `file:`; the address, if it is remote.
        files: Files of the log as addresses that fsspec opens, in order. Files and folders whose
            names begin with `_` or `.` are left out. Empty if only Spark can list the path.
        is_table: Whether the folder is a Delta table.
        is_folder: Whether the log is all files of a folder.
    """

    given: str
    root: str
    files: tuple[str, ...]
    is_table: bool = False
    is_folder: bool = False

    def name(self, address: str) -> str:
        """A short name of one of the files: its path below the folder, with the folder's name."""
        if self.root in (address, unquote(address)):
            return Path(self.root).name
        below = address.removeprefix(self.root).lstrip("/")
        return f"{Path(self.root).name}/{below}"


def find_log(path: str) -> LogPath:
    """The files of a log.

    Raises:
        UsageError: There is no such path, or a folder without a file.
    """
    scheme = urlsplit(path).scheme
    if len(scheme) > 1 and scheme != "file":
        return _find_remote(path)
    root = Path(unquote(urlsplit(path).path) if scheme == "file" else path).absolute()
    if root.is_file():
        return LogPath(path, str(root), (str(root),))
    if root.is_dir():
        is_table = (root / "_delta_log").is_dir()
        files = tuple(map(str, _walk(root)))
        if not files and not is_table:
            raise UsageError(
                CANNOT_READ,
                which=path,
                expected="a file, or a folder with files",
                got="a folder without any (names that begin with _ or . do not count)",
            )
        return LogPath(path, str(root), files, is_table, is_folder=True)
    found = sorted(one for pattern in _expand_braces(str(root)) for one in _match(pattern))
    files = tuple(str(file) for one in found for file in ([one] if one.is_file() else _walk(one)))
    if not files:
        raise UsageError(
            CANNOT_READ, which=path, expected="a file or a folder", got="no such path", todo="correct the path"
        )
    return LogPath(path, str(root.parent), files)


def escape_pattern(path: str) -> str:
    r"""The path as Spark reads it without taking it for a pattern.

    >>> escape_pattern("log[1].parquet")
    'log\\[1\\].parquet'
    """
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)


def open_file(address: str) -> fsspec.core.OpenFile:
    """A file on any file system, for a `with` statement."""
    return fsspec.open(address.replace("s3a://", "s3://", 1), "rb")


def _match(pattern: str) -> list[Path]:
    if not _PATTERN.search(pattern):
        return [Path(pattern)] if Path(pattern).exists() else []
    top = Path(pattern).anchor
    return list(Path(top).glob(pattern.removeprefix(top)))


def _expand_braces(pattern: str) -> list[str]:
    """The patterns without braces that a pattern stands for.

    >>> _expand_braces("a{1,2}.csv")
    ['a1.csv', 'a2.csv']
    """
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [one for choice in found[1].split(",") for one in _expand_braces(f"{before}{choice}{after}")]


def _walk(folder: Path) -> Iterable[Path]:
    for one in sorted(folder.iterdir()):
        # A partition's column may begin with `_`.
        if one.name.startswith(".") or (one.name.startswith("_") and "=" not in one.name):
            continue
        if one.is_dir():
            yield from _walk(one)
        elif one.is_file():
            yield one


def _find_remote(path: str) -> LogPath:
    """Files of an address; none if fsspec lacks the file system, which Spark may have."""
    try:
        system, root = url_to_fs(path.replace("s3a://", "s3://", 1))
        is_table = bool(system.isdir(f"{root}/_delta_log"))
        found = [root] if system.isfile(root) else system.find(root)
    except (ImportError, OSError, ValueError) as fault:
        # A missing library, an unknown scheme, or refused credentials: Spark may have them.
        log.info("path=%s listed_by=spark cause=%s", path, type(fault).__name__)
        return LogPath(path, path, ())
    kept = [one for one in sorted(found) if not _is_hidden(one.removeprefix(root))]
    if not kept and not is_table:
        raise UsageError(
            CANNOT_READ, which=path, expected="a file, or a folder with files", got="none", todo="correct the path"
        )
    files = tuple(system.unstrip_protocol(one) for one in kept)
    return LogPath(path, path, files, is_table, is_folder=found != [root])


def _is_hidden(below: str) -> bool:
    return any(part.startswith((".", "_")) and "=" not in part for part in below.split("/"))
