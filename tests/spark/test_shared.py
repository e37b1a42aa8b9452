"""A folder on another disk of the executors is found before anything is written to it."""

import shutil
from types import SimpleNamespace

import pytest

from ltrr.errors import ConfigError
from ltrr.spark.shared import check_file_system, prove_folder, prove_shared


class Cluster:
    """A session whose executors see another disk.

    `disk` changes the probe folder while their tasks run.
    """

    def __init__(self, folder, disk):
        self.folder, self.disk = folder, disk
        self.rdd = self
        self.sparkContext = SimpleNamespace(master="spark://host:7077", defaultParallelism=3)

    def range(self, start, end, step, parts):
        self.rows = [(number,) for number in range(start, end, step)]
        assert parts == len(self.rows) > 0
        return self

    def map(self, function):
        self.function = function
        return self

    def collect(self):
        [probe] = self.folder.glob(".ltrr-probe-*")
        aside = probe.with_name("aside")
        if self.disk == "shared":
            return [self.function(row) for row in self.rows]
        if self.disk == "empty":
            probe.rename(aside)
        else:
            # A copy: executors read what the driver wrote before, and the driver does not see their
            # writes.
            shutil.copytree(probe, aside)
        answers = [self.function(row) for row in self.rows]
        shutil.rmtree(probe, ignore_errors=True)
        aside.rename(probe)
        return answers


@pytest.mark.parametrize(
    ("disk", "found"),
    [("empty", "No such file or directory"), ("copy", "the driver does not see a file that the executor wrote")],
)
def test_another_disk_on_executors_is_refused_and_leaves_nothing(tmp_path, disk, found):
    with pytest.raises(ConfigError, match=rf"paths\.tables: .*got on .*{found}") as caught:
        prove_shared(Cluster(tmp_path, disk), {"paths.tables": tmp_path})
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_one_disk_is_accepted_and_left_as_it_was(tmp_path):
    prove_shared(Cluster(tmp_path, "shared"), {"paths.tables": tmp_path})
    assert list(tmp_path.iterdir()) == []


def test_the_proof_runs_on_real_executors(spark, tmp_path):
    prove_folder(spark, "paths.tables", tmp_path / "new", 3)
    assert list((tmp_path / "new").iterdir()) == []
    # One machine: there is nothing to check, and no job runs.
    prove_shared(spark, {"paths.tables": tmp_path / "untouched"})
    assert not (tmp_path / "untouched").exists()
    check_file_system(spark)
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("fs.defaultFS", "hdfs://namenode:8020")
    try:
        with pytest.raises(ConfigError, match=r"fs\.defaultFS: expected file:///, got hdfs://namenode:8020"):
            check_file_system(spark)
    finally:
        hadoop.set("fs.defaultFS", "file:///")
