"""Proof that driver and executors see one disk: Spark reports a write to a path that is another disk as a success.

On a cluster the same path may name another disk on every machine. A write then succeeds, and only
the next read finds an empty folder. So each folder is tried from both sides before anything is
written to it.
"""

from __future__ import annotations

import shutil
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ltrr.errors import ConfigError
from ltrr.spark.faults import explained

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# One task a core, but not hundreds: the proof is for a disk that is missing everywhere or on one
# machine of a few.
MOST_TASKS = 64
_FROM_DRIVER = "from-driver"


def check_file_system(spark: SparkSession) -> None:
    """Nothing where a path without a scheme is a path on a disk.

    Raises:
        ConfigError: Hadoop's default file system is another one, such as HDFS: Spark would write
            the tables there, while lease, policies and MLflow's store are on the disk.
    """
    found = str(spark.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS") or "file:///")  # noqa: SLF001
    if not found.startswith("file:"):
        raise ConfigError(
            "Spark resolves paths without a scheme on a file system other than the local disk",
            which="fs.defaultFS",
            expected="file:///",
            got=found,
            todo="write paths.tables, paths.quarantine and paths.logs as URLs (file:///data/ltrr/tables), or start "
            "Spark with --conf spark.hadoop.fs.defaultFS=file:///",
        )


def prove_shared(spark: SparkSession, folders: Mapping[str, Path]) -> None:
    """Show that every folder is the same on driver and executors, by a write from each that the other reads.

    One small job, one task a core (at most 64). Executors that start later are not seen.

    Args:
        spark: the session; nothing is done where its master is `local*`, for then there is one
            machine.
        folders: setting -> folder on a disk, existing or not.

    Raises:
        ConfigError: driver and executors do not see the same files in one of them; the message
            names it.
    """
    if str(spark.sparkContext.master).startswith("local"):
        return
    tasks = min(MOST_TASKS, max(1, spark.sparkContext.defaultParallelism))
    for setting, folder in folders.items():
        prove_folder(spark, setting, folder, tasks)


def prove_folder(spark: SparkSession, setting: str, folder: Path, tasks: int) -> None:
    """The proof for one folder; see `prove_shared`."""
    token = uuid.uuid4().hex
    probe = folder / f".ltrr-probe-{token}"
    probe.mkdir(parents=True)
    try:
        (probe / _FROM_DRIVER).write_text(token, encoding="ascii")
        rows = spark.range(0, tasks, 1, tasks)
        with explained("the folder could not be tried from executors", which=f"{setting}: {folder}"):
            answers = rows.rdd.map(lambda row: try_folder(str(probe), token, row[0])).collect()
        written = {file.name: file.read_text(encoding="ascii") for file in probe.iterdir()}
        for host, number, fault in sorted(answers):
            if not fault and written.get(f"task-{number}") != token:
                fault = "a file that the executor wrote is not there for the driver"
            if fault:
                raise ConfigError(
                    "driver and executors do not see the same disk",
                    which=f"{setting}: {folder}",
                    expected="what one writes, the other reads",
                    got=f"on {host}: {fault}",
                    todo="put the home on a disk that all machines share under one path, or run with a local master",
                )
    finally:
        shutil.rmtree(probe)


def try_folder(probe: str, token: str, number: int) -> tuple[str, int, str]:
    """On an executor: read the driver's file, write one; its host, its number and what failed (empty: nothing)."""
    fault = ""
    try:
        if Path(probe, _FROM_DRIVER).read_text(encoding="ascii") != token:
            fault = "another file has the name of the driver's"
        Path(probe, f"task-{number}").write_text(token, encoding="ascii")
    except OSError as error:
        fault = str(error)
    return socket.gethostname(), number, fault
