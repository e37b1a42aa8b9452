"""Quick checks before Spark starts: they fail within a second and leave nothing in MLflow.

The jobs repeat these checks where they need them; here they only fail earlier. The jobs alone check
what only Spark can read: logs in an object store and commits of earlier nights.
"""

from __future__ import annotations

import os
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ltrr.config import PathSettings, Settings
from ltrr.errors import ConfigError, LtrrError
from ltrr.logs.folder import SUCCESS, folder_name, not_closed_error
from ltrr.logs.secret import read_secret
from ltrr.pipelines.jobs import JOBS, check_job
from ltrr.pipelines.run_order import before_the_first_night
from ltrr.spark.fault_rules import FULL_DISK
from ltrr.spark.faults import explain_fault
from ltrr.spark.lease import hold_lease
from ltrr.spark.shared import check_file_system, prove_shared
from ltrr.tracking.store import connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Jobs that log nothing to MLflow.
_UNTRACKED = frozenset({"fit_click_model", "build_memory", "compute_strategy_features"})


def check_before_start(settings: Settings, day: date, job: str | None = None) -> None:
    """Check, without Spark, that a night or one of its jobs may start now.

    Args:
        settings: All settings.
        day: Logical date.
        job: Name of a single job; None for the whole night.

    Raises:
        UsageError: There is no such job.
        ConfigError: There is no secret, the tables cannot be leased, or a folder or MLflow's file
            cannot be written.
        CommitError: The date is before the history starts.
        LeaseError: Another process writes to this home or its tables.
        NotReadyError: The logs of the date are missing or not closed, or MLflow does not answer.
    """
    if job is not None:
        check_job(job)
    if day < settings.first_night_date:
        raise before_the_first_night(settings, day)
    reads_logs = job in (None, JOBS[0])
    if reads_logs:
        read_secret(os.environ)
    paths = settings.paths
    check_home_writable(settings)
    if reads_logs:
        check_logs_closed(paths.logs, day)
    with hold_lease(paths.home, f"checks before {job or 'nightly'} of {day}", tables=paths.tables):
        pass
    if job not in _UNTRACKED:
        # Last, because it takes a second. A night that cannot be tracked does not begin.
        connect(settings.tracking.under(paths.home))


def check_before_landing(settings: Settings) -> None:
    """Check that a history may be written into a home whose lease the caller holds.

    Raises:
        ConfigError: A folder or MLflow's file cannot be written.
        NotReadyError: MLflow does not answer.
    """
    check_home_writable(settings)
    connect(settings.tracking.under(settings.paths.home))


def check_home_writable(settings: Settings) -> None:
    """Check the folders that a night writes to; the errors are those of `check_writable`."""
    for name in ("home", "tables", "policies", "quarantine"):
        check_writable(f"paths.{name}", str(getattr(settings.paths, name)))


def prove_shared_paths(spark: SparkSession, paths: PathSettings) -> None:
    """Check that driver and executors see the same disk under the paths that executors write to.

    The check is free under a local master. On a cluster it costs one small job per folder.

    Raises:
        ConfigError: The disks differ, or Spark does not resolve a path without a scheme to a disk.
    """
    folders = {f"paths.{name}": local_folder(getattr(paths, name)) for name in ("tables", "quarantine")}
    if any("://" not in str(getattr(paths, name)) for name in ("tables", "quarantine", "logs")):
        check_file_system(spark)
    prove_shared(spark, {setting: folder for setting, folder in folders.items() if folder is not None})


def local_folder(path: str) -> Path | None:
    """The folder that a path or `file:` URL names on this machine; None for any other URL.

    >>> local_folder("/data/logs"), local_folder("file:///data/my%20logs"), local_folder("s3a://bucket/logs")
    (PosixPath('/data/logs'), PosixPath('/data/my logs'), None)
    """
    parts = urlsplit(path)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in path else Path(path)


def check_writable(setting: str, path: str) -> None:
    """Check that a file can be written in a folder, or in its nearest existing parent.

    A URL of another file system is not checked.

    Raises:
        ConfigError: The current user may not write there, or the path is a file.
        LtrrError: The disk is full.
    """
    folder = local_folder(path)
    if folder is None:
        return
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise ConfigError("a path is not a folder", which=setting, expected="a folder", got=str(folder))
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".ltrr-check-") as probe:
            # Delayed allocation reports a full disk only when the bytes are forced out.
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as fault:
        known = explain_fault(fault, "the folder cannot be written", str(folder))
        # A full disk may have space again later; the other faults are errors of the configuration.
        kind = LtrrError if known.message == FULL_DISK else ConfigError
        raise kind(
            known.message,
            which=f"{setting}: {folder}",
            expected="a folder to write in",
            got=known.got,
            todo=known.todo
            if kind is LtrrError
            else f"give the user that runs ltrr the right to write there, or correct {setting}",
        ) from fault


def check_logs_closed(logs: str, night: date) -> None:
    """Check that the night's folder is closed; a folder that only Spark can read is not checked.

    Raises:
        NotReadyError: The folder is missing or has no `_SUCCESS` yet.
    """
    root = local_folder(logs)
    if root is None:
        return
    folder = root / folder_name(night)
    if not (folder / SUCCESS).exists():
        raise not_closed_error(str(folder), night, is_there=folder.exists())
