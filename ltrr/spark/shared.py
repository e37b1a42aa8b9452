"""Proof that driver and executors see the same disk.

On a cluster the same path may name another disk on every machine. Spark reports such a write as a
success, and only the next read finds an empty folder. So driver and executors both read and write
each folder before anything else is written to it.
"""

from __future__ import annotations

import shutil
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ltrr.errors import ConfigError
from ltrr.spark.faults import explain_engine_faults

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Maximum number of tasks of the proof. One per core is enough to find a disk that is missing on all
# machines, or on one of a few.
MOST_TASKS = 64
_FROM_DRIVER = "from-driver"


def check_file_system(spark: SparkSession) -> None:
    """Check that Spark resolves a path without a scheme to a path on a disk.

    Raises:
        ConfigError: Hadoop's default file system is another one, such as HDFS. Spark would write
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
    """Check that every folder is the same on driver and executors: each reads what the other wrote.

    The check is one small job per folder with one task per core, at most 64. It does not include
    executors that start later.

    Args:
        spark: Session; with a `local*` master there is one machine, and nothing is checked.
        folders: Setting -> folder on a disk, existing or not.

    Raises:
        ConfigError: Driver and executors do not see the same files in a folder; the message names
            it.
    """
    if str(spark.sparkContext.master).startswith("local"):
        return
    tasks = min(MOST_TASKS, max(1, spark.sparkContext.defaultParallelism))
    for setting, folder in folders.items():
        prove_folder(spark, setting, folder, tasks)


def prove_folder(spark: SparkSession, setting: str, folder: Path, tasks: int) -> None:
    """Check one folder; see `prove_shared`."""
    token = uuid.uuid4().hex
    probe = folder / f".ltrr-probe-{token}"
    probe.mkdir(parents=True)
    try:
        (probe / _FROM_DRIVER).write_text(token, encoding="ascii")
        rows = spark.range(0, tasks, 1, tasks)
        with explain_engine_faults("executors could not read and write the folder", which=f"{setting}: {folder}"):
            answers = rows.rdd.map(lambda row: try_folder(str(probe), token, row[0])).collect()
        written = {file.name: file.read_text(encoding="ascii") for file in probe.iterdir()}
        for host, number, fault in sorted(answers):
            if not fault and written.get(f"task-{number}") != token:
                fault = "the driver does not see a file that the executor wrote"
            if fault:
                raise ConfigError(
                    "driver and executors do not see the same disk",
                    which=f"{setting}: {folder}",
                    expected="each reads the files that the other wrote",
                    got=f"on {host}: {fault}",
                    todo="put the home on a disk that all machines share under one path, or run with a local master",
                )
    finally:
        shutil.rmtree(probe)


def try_folder(probe: str, token: str, number: int) -> tuple[str, int, str]:
    """On an executor: read the driver's file, and write a file.

    Returns host, number of the task, and the fault (empty without one).
    """
    fault = ""
    try:
        if Path(probe, _FROM_DRIVER).read_text(encoding="ascii") != token:
            fault = "the file has other content than the driver wrote"
        Path(probe, f"task-{number}").write_text(token, encoding="ascii")
    except OSError as error:
        fault = str(error)
    return socket.gethostname(), number, fault
