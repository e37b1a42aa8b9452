"""A Delta table among the logs counts each of its rows once, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltrr.errors import LtrrError
from ltrr.logs.delta_folders import only_current
from ltrr.logs.folder import list_folder
from ltrr.logs.landing import list_log_files

pytestmark = pytest.mark.spark


def write(spark, folder: Path, rows: int, **options: str):
    frame = spark.range(rows).selectExpr("concat('q', id) query_id", "id % 2 part").coalesce(1)
    writer = frame.write.format("delta").mode("overwrite")
    for name, value in options.items():
        writer = writer.partitionBy(value) if name == "partition" else writer.option(name, value)
    writer.save(str(folder))


def test_removed_files_are_left_out_of_a_night_and_of_an_ingestion(spark, tmp_path) -> None:
    night = tmp_path / "dt=2026-03-02"
    for rows in (3, 5):
        write(spark, night / "searches", rows)
    (night / "plain.ndjson").write_text("{}\n")
    files = list_folder(spark, str(night))
    parquet = [path for path in files.read if path.endswith(".parquet")]
    assert "plain.ndjson" in files.read
    assert len(parquet) == 1
    assert spark.read.parquet(str(night / parquet[0])).count() == 5
    assert sum(path.endswith(".parquet") and "_delta_log" not in path for path in files.left_out) == 1
    found = only_current(spark, [tmp_path], list_log_files([str(tmp_path)]))
    assert {str(path.relative_to(night)) for path in found} == set(files.read)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"partition": "part"}, "partitioned by part"),
        ({"delta.columnMapping.mode": "name"}, "column mapping"),
        ({"delta.enableDeletionVectors": "true"}, "deletion vectors"),
    ],
)
def test_a_table_whose_files_are_not_its_rows_is_refused(spark, tmp_path, options, fault) -> None:
    write(spark, tmp_path / "searches", 4, **options)
    with pytest.raises(LtrrError, match=fault):
        list_folder(spark, str(tmp_path))
