"""A direct scan of files gives the bits of Spark's scan, and leaves other logs to Spark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.core.hashing import xxhash64
from ltrr.errors import DataQualityError, SupportError, UsageError
from ltrr.ope.estimates import OpeSettings, estimate_policies
from ltrr.ope.log_files import find_log_files
from ltrr.ope.rows import LogColumns

pytestmark = pytest.mark.spark

SETTINGS = OpeSettings(largest_weight=3.0)
PLAIN = [LogColumns(f"pi_{n}") for n in range(2)]
VALUED = [replace(one, q_taken="q", q_target=f"v_{n}") for n, one in enumerate(PLAIN)]
SLICED = [replace(one, slices=("device", "hour")) for one in VALUED]
BY_USER = [replace(one, user="user") for one in SLICED]


def rows(n: int = 3_000, seed: int = 3) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {
        "reward": rng.normal(0.3, 1.0, n),
        "logging_propensity": rng.uniform(0.01, 1.0, n).astype(np.float32),
        "q": rng.random(n),
        "user": pa.array([None if seed < 0 else f"user {u}" for u in rng.integers(0, 400, n)]),
        "device": pa.array([("phone", "desk", None)[kind] for kind in rng.integers(0, 3, n)]),
        "hour": rng.integers(0, 4, n),
    }
    for policy in range(2):
        columns |= {f"pi_{policy}": rng.random(n), f"v_{policy}": rng.random(n)}
    return pa.table(columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files with several row groups, in a folder whose name needs escaping in an address."""
    path = tmp_path / "a log"
    path.mkdir()
    table = rows()
    pq.write_table(table.slice(0, 1_000), path / "one.parquet", row_group_size=300)
    pq.write_table(table.slice(1_000), path / "two.parquet", row_group_size=1_500)
    return path


@pytest.mark.parametrize("policies", [PLAIN, VALUED, SLICED, BY_USER], ids=["plain", "values", "slices", "users"])
def test_the_files_give_the_bits_that_spark_gives(
    spark: SparkSession, folder: Path, policies: list[LogColumns]
) -> None:
    log = spark.read.parquet(str(folder))
    files = find_log_files(log, policies)
    assert files is not None
    assert len(files.addresses) == 2
    one_scan = estimate_policies(log, policies, SETTINGS, files)
    # As text, which has every bit, and in which NaN equals itself.
    assert repr(one_scan) == repr(estimate_policies(log, policies, SETTINGS))
    assert len(one_scan[0].rows) == (10 if policies[0].has_values else 5) * (8 if policies[0].slices else 1)
    assert one_scan[0].rows != one_scan[1].rows


def test_weights_too_large_for_doubles_are_added_exactly(spark: SparkSession, tmp_path: Path) -> None:
    table = rows(2_000)
    is_heavy = np.arange(2_000) % 100 == 0
    table = table.set_column(0, "reward", pa.array(np.where(is_heavy, 1.0, table["reward"])))
    heavy = np.where(is_heavy, 5e-6, 0.5)
    path = str(tmp_path / "heavy.parquet")
    pq.write_table(table.set_column(1, "logging_propensity", pa.array(heavy)), path)
    log = spark.read.parquet(path)
    for policies in (VALUED, BY_USER):
        reports = estimate_policies(log, policies, SETTINGS, find_log_files(log, policies))
        assert reports[0].rows[0]["largest_weight"] > 70_000.0
        assert repr(reports) == repr(estimate_policies(log, policies, SETTINGS))


@pytest.mark.parametrize("policies", [VALUED, BY_USER], ids=["rows", "users"])
def test_both_scans_report_the_same_faults(spark: SparkSession, tmp_path: Path, policies: list[LogColumns]) -> None:
    table = rows(500)
    bad = np.where(np.arange(500) % 100 == 7, np.nan, np.asarray(table["reward"]))
    no_user = pa.array([None if n % 50 == 3 else name for n, name in enumerate(table["user"].to_pylist())])
    table = table.set_column(0, "reward", pa.array(bad)).set_column(3, "user", no_user)
    path = str(tmp_path / "bad.parquet")
    pq.write_table(table, path, row_group_size=200)
    log = spark.read.parquet(path)
    messages = []
    for files in (None, find_log_files(log, policies)):
        with pytest.raises(DataQualityError) as fault:
            estimate_policies(log, policies, SETTINGS, files)
        messages.append(str(fault.value))
    assert messages[0] == messages[1]
    assert "reward: expected a number, 5 rows" in messages[0]


def test_other_layouts_are_left_to_spark(spark: SparkSession, folder: Path, tmp_path: Path) -> None:
    log = spark.read.parquet(str(folder))
    assert find_log_files(log.withColumn("pi_0", F.array("pi_0")), PLAIN) is None
    assert find_log_files(log.withColumn("reward", F.col("reward").cast("string")), PLAIN) is None
    assert find_log_files(log, [replace(PLAIN[0], features=("q",))]) is None
    assert find_log_files(log.withColumn("skipped", F.lit(None).cast("string")), PLAIN) is None
    log.write.partitionBy("hour").parquet(str(tmp_path / "by hour"))
    assert find_log_files(spark.read.parquet(str(tmp_path / "by hour")), SLICED) is None
    assert find_log_files(spark.read.parquet(str(tmp_path / "by hour")), PLAIN) is not None


def test_delta_tables_are_read_where_their_files_hold_them(spark: SparkSession, folder: Path, tmp_path: Path) -> None:
    log = spark.read.parquet(str(folder))
    path = str(tmp_path / "table")
    log.write.format("delta").save(path)
    log.where("hour = 1").write.format("delta").mode("overwrite").save(path)

    def table() -> DataFrame:
        return spark.read.format("delta").load(path)

    files = find_log_files(table(), PLAIN, delta_path=path)
    assert estimate_policies(table(), PLAIN, SETTINGS, files)[1].rows[0]["decisions"] == table().count()
    spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)")
    assert find_log_files(table(), PLAIN, delta_path=path) is None


def test_estimators_that_need_a_model_have_a_reason(spark: SparkSession, folder: Path) -> None:
    log = spark.read.parquet(str(folder))
    files = find_log_files(log, PLAIN)
    slow, fast = (estimate_policies(log, PLAIN, SETTINGS, one)[0] for one in (None, files))
    assert fast.left_out == slow.left_out
    assert "dr" in fast.left_out
    with pytest.raises(SupportError, match="dr"):
        estimate_policies(log, PLAIN, OpeSettings(("dr",)), files)
    with pytest.raises(UsageError, match="both q_taken and q_target, or neither"):
        LogColumns("pi_0", q_taken="q")


def test_user_keys_are_those_of_spark(spark: SparkSession) -> None:
    texts = ["é" * (n % 3) + "u" * n for n in range(75)]
    held = [text.encode() for text in texts]
    ours = xxhash64(np.frombuffer(b"".join(held), dtype=np.uint8), np.cumsum([0, *map(len, held)]))
    frame = spark.createDataFrame(list(enumerate(texts)), "n int, text string")
    theirs = frame.orderBy("n").select(F.xxhash64("text").alias("key")).collect()
    assert ours.tolist() == [row.key for row in theirs]
