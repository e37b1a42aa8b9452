"""Folder of a night's logs: whether it is closed, and which files are read, left out or refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import unquote, urlsplit

from pyspark.sql import SparkSession

from ltrr.errors import LtrrError, NotReadyError
from ltrr.logs.delta_folders import without_removed
from ltrr.spark.fault_rules import DAMAGED_FILE, UNREADABLE_FILE
from ltrr.spark.faults import explain_fault

SUCCESS = "_SUCCESS"
NO_TRAFFIC = "_NO_TRAFFIC"
"""File next to `_SUCCESS` that declares a date without any search."""
TEXT_ENDINGS = ("ndjson", "jsonl", "json")
COLUMN_ENDINGS = ("csv", "csv.gz", "parquet")
# A name may have the number of a rotated file. A packed file has its compression last.
_LOG_NAME = re.compile(r"[^/]+\.(?:(?:ndjson|jsonl|json)(?:\.\d+)?(?:\.gz|\.zst)?|csv(?:\.gz)?|parquet)", re.ASCII)
ENDINGS = ".ndjson, .jsonl or .json, plain, .gz or .zst, or .csv, .csv.gz or .parquet"
# Maximum number of file names in one message.
_MAX_SHOWN = 5
# Spark leaves out names that begin with _, except these and those that contain =.
_READ_DESPITE_UNDERSCORE = ("_metadata", "_common_metadata")
# Size in bytes of a byte order mark, which Spark removes.
_MARK = 3
_PACKED = {"gz": "gzip", "zst": "Zstandard", "parquet": "Parquet"}


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
        read: Path -> size in bytes, of the files whose lines are read.
        left_out: Paths with a part that begins with `_` or `.`, which by convention are no data,
            and files that a Delta table no longer consists of.
        has_no_traffic: Whether the folder declares a date without any search.
    """

    read: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    has_no_traffic: bool = False

    def check_all_read(self, sources: Collection[str]) -> None:
        """Check that Spark read every file that has lines, and no other.

        A plain file with more than a byte order mark has a line. A compressed file may be complete
        and have none.

        Args:
            sources: Paths of the files that Spark read lines from.

        Raises:
            LtrrError: Spark skipped a file, or read one that is not listed.

        >>> sizes = {"a.ndjson": 9, "host-b/a.ndjson": 9, "empty.ndjson": 0, "c.ndjson.gz": 20}
        >>> files = FolderFiles(sizes)
        >>> files.check_all_read(["a.ndjson", "host-b/a.ndjson"])
        >>> files.check_all_read(["a.ndjson"])
        Traceback (most recent call last):
            ...
        ltrr.errors.LtrrError: the files that were read are not those of the folder: \
host-b/a.ndjson: expected 2 files with lines, got 1; run the job again; \
if it fails again, report it with the names of the files
        """
        with_lines = {path for path, size in self.read.items() if size > _MARK and not _may_be_empty(path)}
        wrong = (with_lines - set(sources)) | (set(sources) - self.read.keys())
        if wrong:
            raise LtrrError(
                "the files that were read are not those of the folder",
                which=list_names(sorted(wrong)),
                expected=f"{len(with_lines)} files with lines",
                got=f"{len(sources)}",
                todo="run the job again; if it fails again, report it with the names of the files",
            )


def check_closed(spark: SparkSession, logs: str, night: date) -> str:
    """Path of the night's folder, once it is complete.

    The check uses the file system through which Spark reads the lines, so any URL that Spark reads
    is possible.

    Raises:
        NotReadyError: The folder is missing, or has no `_SUCCESS` yet.
    """
    folder = f"{logs.rstrip('/')}/{folder_name(night)}"
    if not _exists(spark, f"{folder}/{SUCCESS}"):
        raise not_closed_error(folder, night, is_there=_exists(spark, folder))
    return folder


def not_closed_error(folder: str, night: date, *, is_there: bool) -> NotReadyError:
    """Error for a folder of logs that is missing or has no `_SUCCESS` yet."""
    return NotReadyError(
        f"the logs of {night} are not " + ("closed" if is_there else "there"),
        which=folder,
        expected=f"the folder, closed by {SUCCESS}",
        got=f"no {SUCCESS} in it" if is_there else "no such folder",
        todo="retry once the logging service has closed it; a date without any traffic needs a folder with "
        f"{NO_TRAFFIC} and {SUCCESS}",
    )


def list_folder(spark: SparkSession, folder: str) -> FolderFiles:
    """Files of the folder and its sub-folders: those that are read, and those that are left out.

    The file system lists the tree in one recursive call, which on an object store is a flat listing
    by pages. The driver keeps one name and one size per file, as Spark does when it plans the read.

    Raises:
        LtrrError: Some files are neither; the message has their names and faults.
    """
    path, file_system = _path(spark, folder)
    root = str(file_system.makeQualified(path).toUri().getPath())
    found: dict[str, int] = {}
    remaining = file_system.listFiles(path, True)
    while remaining.hasNext():
        status = remaining.next()
        found[str(status.getPath().toUri().getPath()).removeprefix(f"{root}/")] = int(status.getLen())
    current = without_removed(spark, folder, found)
    files = sort_files(current, folder)
    removed = sorted(found.keys() - current.keys())
    return replace(files, left_out=tuple(sorted((*files.left_out, *removed))))


def is_log_name(path: str) -> bool:
    """Whether a night reads a file of this name.

    >>> [is_log_name(f"a.{ending}") for ending in ("ndjson", "jsonl.gz", "json.zst", "ndjson.1")]
    [True, True, True, True]
    >>> [is_log_name(name) for name in ("a.ndjson.gz.1", "a.txt", "README", "a.ndjson.bak")]
    [False, False, False, False]
    """
    return _LOG_NAME.fullmatch(path.rpartition("/")[2]) is not None


def sort_files(found: Mapping[str, int], folder: str) -> FolderFiles:
    """Sort files into those that are read and those that are left out.

    Args:
        found: Path within the folder -> size in bytes.
        folder: Folder that an error names.

    Raises:
        LtrrError: Some files are neither; the message has their names and faults.

    >>> files = {"_SUCCESS": 0, "hour=03/decisions-1.ndjson": 7, "_tmp/decisions-1.ndjson": 7}
    >>> sort_files(files, "logs")
    FolderFiles(read={'hour=03/decisions-1.ndjson': 7}, left_out=('_tmp/decisions-1.ndjson',), \
has_no_traffic=False)
    >>> sort_files({"decisions-2.txt": 7, "decisions-1.ndjson.gz": 0}, "/logs/dt=2026-03-02")
    Traceback (most recent call last):
        ...
    ltrr.errors.LtrrError: Spark would not read some files of a night's logs: /logs/dt=2026-03-02: \
expected log files (.ndjson, .jsonl or .json, plain, .gz or .zst, or .csv, .csv.gz or .parquet), \
also in sub-folders, got decisions-1.ndjson.gz (0 bytes: not even an empty gzip file) and \
decisions-2.txt (the name has no ending of a log file); rename, compress or move them, \
or put _ before the name of a file that is no log; nothing of this night was committed
    """
    faults = {path: fault for path, size in sorted(found.items()) if (fault := _fault(path, size))}
    if faults:
        raise LtrrError(
            "Spark would not read some files of a night's logs",
            which=folder,
            expected=f"log files ({ENDINGS}), also in sub-folders",
            got=list_names([f"{path} ({fault})" for path, fault in faults.items()]),
            todo="rename, compress or move them, or put _ before the name of a file that is no log; nothing of this "
            "night was committed",
        )
    hidden = [path for path in found if _is_hidden(path)]
    return FolderFiles(
        {path: size for path, size in sorted(found.items()) if not _is_hidden(path)},
        tuple(sorted(path for path in hidden if path.rpartition("/")[2] not in (SUCCESS, NO_TRAFFIC))),
        has_no_traffic=NO_TRAFFIC in found,
    )


def relative_path(file_url: str, root: str) -> str:
    """Path of a file within a folder, from the URL that Spark gives the file.

    Args:
        file_url: Percent-encoded URL, as in Spark's file metadata.
        root: Path of the folder without scheme and host, not encoded.

    >>> url = "file:///data/logs/dt=2026-03-02/host-a/events-1%20z.ndjson"
    >>> relative_path(url, "/data/logs/dt=2026-03-02")
    'host-a/events-1 z.ndjson'
    """
    return unquote(urlsplit(file_url).path).removeprefix(f"{root}/")


def root_of(spark: SparkSession, folder: str) -> str:
    """Path of a folder without scheme and host, as `relative_path` takes it."""
    path, file_system = _path(spark, folder)
    return str(file_system.makeQualified(path).toUri().getPath())


def _may_be_empty(path: str) -> bool:
    """Whether a file with bytes may have no line: packed ones, a table without rows, a header."""
    return path.endswith((".gz", ".zst", ".parquet", ".csv"))


def _is_hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path.split("/"))


def _fault(path: str, size: int) -> str:
    """Fault of a file; empty if it is read or left out."""
    parts = path.split("/")
    if any(part.startswith(_READ_DESPITE_UNDERSCORE) or (part.startswith("_") and "=" in part) for part in parts):
        return "a name that begins with _ but that Spark reads"
    if _is_hidden(path):
        return ""
    if any(part.endswith("._COPYING_") for part in parts):
        return "still being copied"
    if not is_log_name(path):
        return "the name has no ending of a log file"
    if any(":" in part for part in parts):
        return "a colon in the name, which Hadoop's file systems cannot open"
    if size == 0 and path.endswith((".gz", ".zst", ".parquet")):
        return f"0 bytes: not even an empty {_PACKED[path.rpartition('.')[2]]} file"
    return ""


def list_names(names: Sequence[str]) -> str:
    """The first names of a list, and the number of the others.

    >>> list_names(()), list_names(("a",)), list_names(("a", "b", "c"))
    ('', 'a', 'a, b and c')
    >>> list_names(tuple("abcdefg"))
    'a, b, c, d, e and 2 more'
    """
    if not names:
        return ""
    shown = names[:_MAX_SHOWN]
    if len(names) > _MAX_SHOWN:
        return f"{', '.join(shown)} and {len(names) - _MAX_SHOWN} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _exists(spark: SparkSession, path: str) -> bool:
    hadoop_path, file_system = _path(spark, path)
    return bool(file_system.exists(hadoop_path))


def _path(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """Hadoop path, and the file system that it is on."""
    context = spark.sparkContext
    hadoop_path = context._jvm.org.apache.hadoop.fs.Path(path)  # type: ignore[union-attr]  # noqa: SLF001
    return hadoop_path, hadoop_path.getFileSystem(context._jsc.hadoopConfiguration())  # noqa: SLF001


def child_folders(spark: SparkSession, folder: str) -> list[str]:
    """Names of the folders directly within a folder, sorted; none if the folder does not exist."""
    path, file_system = _path(spark, folder)
    if not file_system.exists(path):
        return []
    return sorted(str(found.getPath().getName()) for found in file_system.listStatus(path) if found.isDirectory())


def delete_folder(spark: SparkSession, folder: str) -> None:
    """Delete a folder with its contents.

    Raises:
        LtrrError: The file system did not delete it.
    """
    path, file_system = _path(spark, folder)
    if not file_system.delete(path, True) and file_system.exists(path):
        raise LtrrError(
            "a folder cannot be deleted", which=folder, todo="check the permission to write to it, and run again"
        )


def read_fault(fault: Exception, folder: str) -> LtrrError:
    """Error for a fault while Spark read a night's lines.

    It names a log file only if a file below `folder` is damaged. A full disk, a missing Python
    module and a lost shuffle file have errors of their own (`explain_fault`).
    """
    known = explain_fault(fault, "the night's logs could not be read", folder)
    is_log_file = f"{urlsplit(folder).path.rstrip('/')}/" in unquote(known.which)
    if not is_log_file or known.message not in (DAMAGED_FILE, UNREADABLE_FILE):
        return known
    return LtrrError(
        "a log file cannot be read to its end",
        which=known.which,
        expected="plain lines, or complete gzip data in a file named .gz",
        got=known.got,
        todo="have the logging service write the file again; nothing of this night was committed",
    )
