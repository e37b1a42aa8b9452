"""The folder of a night's logs: there, closed, and every file in it either read, left out by convention, or refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import unquote, urlsplit

from pyspark.sql import SparkSession

from ltrr.errors import LtrrError, NotReadyError
from ltrr.spark.faults import DAMAGED_FILE, UNREADABLE_FILE, explain_fault

SUCCESS = "_SUCCESS"
NO_TRAFFIC = "_NO_TRAFFIC"
"""File next to `_SUCCESS` that declares a date on which nothing was searched."""
SUFFIXES = (".ndjson", ".ndjson.gz")
# What a file listing may name of the files that are at fault.
_SHOWN = 5
# The engine leaves out names that begin with _, but for these and those that hold =.
_READ_ALL_THE_SAME = ("_metadata", "_common_metadata")
# Bytes of a byte order mark, which the engine takes off.
_MARK = 3


def folder_name(night: date) -> str:
    """Name of a night's folder below the logs.

    >>> folder_name(date(2026, 3, 2))
    'dt=2026-03-02'
    """
    return f"dt={night}"


@dataclass(frozen=True)
class FolderFiles:
    """The files of a night's folder, by their path within it.

    Attributes:
        read: path -> bytes, of the files whose lines are taken.
        left_out: paths that begin with `_` or `.` at any level: by convention they are no data.
        has_no_traffic: the folder declares a date on which nothing was searched.
    """

    read: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    has_no_traffic: bool = False

    def check_all_read(self, sources: Collection[str]) -> None:
        """Nothing where every file that holds lines was met.

        A plain file of more than a byte order mark has a line. A compressed file may be whole and hold none.

        Args:
            sources: paths of the files that the engine read lines from.

        Raises:
            LtrrError: the engine passed over a file, or read one that is not listed.

        >>> files = FolderFiles({"a.ndjson": 9, "host-b/a.ndjson": 9, "empty.ndjson": 0, "c.ndjson.gz": 20})
        >>> files.check_all_read(["a.ndjson", "host-b/a.ndjson"])
        >>> files.check_all_read(["a.ndjson"])
        Traceback (most recent call last):
            ...
        ltrr.errors.LtrrError: the files that were read are not those of the folder: host-b/a.ndjson: expected 2 files \
with lines, got 1; run the job again; if it fails again, report it with the names of the files
        """
        with_lines = {path for path, size in self.read.items() if size > _MARK and not path.endswith(".gz")}
        wrong = (with_lines - set(sources)) | (set(sources) - self.read.keys())
        if wrong:
            raise LtrrError(
                "the files that were read are not those of the folder",
                which=names_of(sorted(wrong)),
                expected=f"{len(with_lines)} files with lines",
                got=f"{len(sources)}",
                todo="run the job again; if it fails again, report it with the names of the files",
            )


def check_closed(spark: SparkSession, logs: str, night: date) -> str:
    """Path of the night's folder, once it is complete.

    Asked of the file system that the lines are read through, so that any URL that Spark reads will do.

    Raises:
        NotReadyError: the folder is missing, or has no `_SUCCESS` yet.
    """
    folder = f"{logs.rstrip('/')}/{folder_name(night)}"
    if not _exists(spark, f"{folder}/{SUCCESS}"):
        raise not_closed(folder, night, is_there=_exists(spark, folder))
    return folder


def not_closed(folder: str, night: date, *, is_there: bool) -> NotReadyError:
    """The error for a folder of logs that is missing or has no `_SUCCESS` yet."""
    return NotReadyError(
        f"the logs of {night} are not " + ("closed" if is_there else "there"),
        which=folder,
        expected=f"the folder, closed by {SUCCESS}",
        got=f"no {SUCCESS} in it" if is_there else "no such folder",
        todo="retry once the logging service has closed it; a date without any traffic needs a folder with "
        f"{NO_TRAFFIC} and {SUCCESS}",
    )


def list_folder(spark: SparkSession, folder: str) -> FolderFiles:
    """Every file of the folder, sub-folders included, sorted into those that are read and those that are left out.

    The file system lists the tree in one recursive call, which on an object store is a flat listing by pages. The
    driver holds a name and a size a file, as the engine does when it plans the read.

    Raises:
        LtrrError: files that are neither, with their names and what is wrong with them.
    """
    path, file_system = _path(spark, folder)
    root = str(file_system.makeQualified(path).toUri().getPath())
    found: dict[str, int] = {}
    remaining = file_system.listFiles(path, True)
    while remaining.hasNext():
        status = remaining.next()
        found[str(status.getPath().toUri().getPath()).removeprefix(f"{root}/")] = int(status.getLen())
    return sort_files(found, folder)


def sort_files(found: Mapping[str, int], folder: str) -> FolderFiles:
    """Files that are read and left out; refuses any other.

    Args:
        found: path within the folder -> bytes.
        folder: names the place in an error.

    Raises:
        LtrrError: files that are neither, with their names and what is wrong with them.

    >>> sort_files({"_SUCCESS": 0, "hour=03/decisions-1.ndjson": 7, "_temporary/0/decisions-1.ndjson": 7}, "logs")
    FolderFiles(read={'hour=03/decisions-1.ndjson': 7}, left_out=('_temporary/0/decisions-1.ndjson',), \
has_no_traffic=False)
    >>> sort_files({"decisions-2.jsonl": 7, "decisions-1.ndjson.gz": 0}, "/logs/dt=2026-03-02")
    Traceback (most recent call last):
        ...
    ltrr.errors.LtrrError: files of a night's logs would not be read: /logs/dt=2026-03-02: expected decisions-*.ndjson \
and events-*.ndjson, plain or .gz, also in sub-folders, got decisions-1.ndjson.gz (0 bytes: not even an empty gzip \
file) and decisions-2.jsonl (another ending); rename, compress or move them, or put _ before a name that is no log; \
nothing of this night was committed
    """
    faults = {path: fault for path, size in sorted(found.items()) if (fault := _fault(path, size))}
    if faults:
        raise LtrrError(
            "files of a night's logs would not be read",
            which=folder,
            expected="decisions-*.ndjson and events-*.ndjson, plain or .gz, also in sub-folders",
            got=names_of([f"{path} ({fault})" for path, fault in faults.items()]),
            todo="rename, compress or move them, or put _ before a name that is no log; nothing of this night was "
            "committed",
        )
    hidden = [path for path in found if _is_hidden(path)]
    return FolderFiles(
        {path: size for path, size in sorted(found.items()) if not _is_hidden(path)},
        tuple(sorted(path for path in hidden if path.rpartition("/")[2] not in (SUCCESS, NO_TRAFFIC))),
        has_no_traffic=NO_TRAFFIC in found,
    )


def relative_path(file_url: str, root: str) -> str:
    """Path of a file within a folder, from the address that the engine gives a file.

    Args:
        file_url: percent-encoded, as in the engine's file metadata.
        root: path of the folder without scheme and host, not encoded.

    >>> relative_path("file:///data/logs/dt=2026-03-02/host-a/events-1%20z.ndjson", "/data/logs/dt=2026-03-02")
    'host-a/events-1 z.ndjson'
    """
    return unquote(urlsplit(file_url).path).removeprefix(f"{root}/")


def root_of(spark: SparkSession, folder: str) -> str:
    """Path of a folder without scheme and host, as `relative_path` takes it."""
    path, file_system = _path(spark, folder)
    return str(file_system.makeQualified(path).toUri().getPath())


def _is_hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path.split("/"))


def _fault(path: str, size: int) -> str:
    """What is wrong with a file; empty where it is read or left out."""
    parts = path.split("/")
    if any(part.startswith(_READ_ALL_THE_SAME) or (part.startswith("_") and "=" in part) for part in parts):
        return "a name that begins with _ and that the engine reads all the same"
    if _is_hidden(path):
        return ""
    if any(part.endswith("._COPYING_") for part in parts):
        return "still being copied"
    if not parts[-1].endswith(SUFFIXES):
        return "another ending"
    if any(":" in part for part in parts):
        return "a colon in the name, which Hadoop's file systems cannot open"
    if size == 0 and path.endswith(".gz"):
        return "0 bytes: not even an empty gzip file"
    return ""


def names_of(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are.

    >>> names_of(()), names_of(("a",)), names_of(("a", "b", "c")), names_of(tuple("abcdefg"))
    ('', 'a', 'a, b and c', 'a, b, c, d, e and 2 more')
    """
    if not names:
        return ""
    shown = names[:_SHOWN]
    if len(names) > _SHOWN:
        return f"{', '.join(shown)} and {len(names) - _SHOWN} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _exists(spark: SparkSession, path: str) -> bool:
    hadoop_path, file_system = _path(spark, path)
    return bool(file_system.exists(hadoop_path))


def _path(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """Hadoop's path and the file system that holds it."""
    context = spark.sparkContext
    hadoop_path = context._jvm.org.apache.hadoop.fs.Path(path)  # type: ignore[union-attr]  # noqa: SLF001
    return hadoop_path, hadoop_path.getFileSystem(context._jsc.hadoopConfiguration())  # noqa: SLF001


def child_folders(spark: SparkSession, folder: str) -> list[str]:
    """Names of the folders directly within a folder, sorted; none where there is no such folder."""
    path, file_system = _path(spark, folder)
    if not file_system.exists(path):
        return []
    return sorted(str(found.getPath().getName()) for found in file_system.listStatus(path) if found.isDirectory())


def delete_folder(spark: SparkSession, folder: str) -> None:
    """Delete a folder and all that is in it.

    Raises:
        LtrrError: the file system did not delete it.
    """
    path, file_system = _path(spark, folder)
    if not file_system.delete(path, True) and file_system.exists(path):
        raise LtrrError("a folder cannot be deleted", which=folder, todo="check who may write to it, and run again")


def read_fault(fault: Exception, folder: str) -> LtrrError:
    """The error for a fault while a night's lines were read: it blames a log file only where one below `folder` is bad.

    A full disk, a missing Python module and a shuffle file that is gone are faults of their own (`explain_fault`).
    """
    known = explain_fault(fault, "the night's logs could not be read", folder)
    is_log_file = f"{urlsplit(folder).path.rstrip('/')}/" in unquote(known.which)
    if not is_log_file or known.message not in (DAMAGED_FILE, UNREADABLE_FILE):
        return known
    return LtrrError(
        "a log file cannot be read to its end",
        which=known.which,
        expected="plain lines, or whole gzip in a file called .gz",
        got=known.got,
        todo="have the logging service deliver the file again; nothing of this night was committed",
    )
