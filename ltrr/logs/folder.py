"""The folder of a night's logs: there, closed, readable."""

from __future__ import annotations

from datetime import date
from urllib.parse import unquote, urlsplit

from pyspark.sql import SparkSession

from ltrr.errors import LtrrError, NotReadyError
from ltrr.spark.faults import DAMAGED_FILE, UNREADABLE_FILE, explain_fault

SUCCESS = "_SUCCESS"


def folder_name(night: date) -> str:
    """Name of a night's folder below the logs.

    >>> folder_name(date(2026, 3, 2))
    'dt=2026-03-02'
    """
    return f"dt={night}"


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
        todo=f"retry once the logging service has closed it; a date without any traffic needs an empty folder with "
        f"{SUCCESS}",
    )


def _exists(spark: SparkSession, path: str) -> bool:
    context = spark.sparkContext
    hadoop_path = context._jvm.org.apache.hadoop.fs.Path(path)  # type: ignore[union-attr]  # noqa: SLF001
    file_system = hadoop_path.getFileSystem(context._jsc.hadoopConfiguration())  # noqa: SLF001
    return bool(file_system.exists(hadoop_path))


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
