"""Rows of files become lines of JSON, whatever the file holds; damage names the file."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from ltrr.errors import LtrrError
from ltrr.logs import file_rows
from ltrr.logs.file_lines import read_lines
from ltrr.logs.file_rows import list_row_groups, read_csv, read_parquet, read_zstandard


def rows(lines) -> list[dict]:
    return [json.loads(line) for line in lines]


def test_rows_of_parquet_keep_what_python_cannot_have(tmp_path: Path) -> None:
    """Times beyond the year 9999, bytes that are no text, nanoseconds, NaN within lists."""
    late = pa.array([253402300800000], pa.timestamp("ms"))
    table = pa.table(
        {
            "late": late,
            "far": pa.array([10_000_000], pa.int32()).cast(pa.date32()),
            "bad": pa.Array.from_buffers(pa.string(), 1, pa.array([b"a\xff"]).buffers()),
            "at": pa.array([1771000000123456789], pa.timestamp("ns", "UTC")),
            "on": pa.array([date(2026, 3, 2)]),
            "seen": pa.array([datetime(2026, 3, 2, 12, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "x": pa.array([float("nan")]),
            "inside": pa.array([{"y": float("inf"), "z": [1.0, float("nan")]}]),
            "none": pa.nulls(1, pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "a b.parquet")
    [line] = read_parquet(f"file://{tmp_path}/a%20b.parquet")
    assert b"a\xff" in line
    row = json.loads(line.decode("utf-8", "replace"))
    assert row.pop("bad").startswith("a")
    assert row == {
        "late": "253402300800000",
        "far": "10000000",
        "at": "2026-02-13T16:26:40.123456+00:00",
        "on": "2026-03-02",
        "seen": "2026-03-02T12:00:00.000000+00:00",
        "inside": {"z": [1.0, None]},
    }


def test_rows_of_csv_are_objects_and_others_stay_as_they_are(tmp_path: Path) -> None:
    text = '\ufeffquery_id,a.b,note\r\nq1,7,"two\nlines, one field"\r\n\r\nq2,8\r\nq3,,x\r\n'
    (tmp_path / "log.csv").write_bytes(text.encode())
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("log.csv", "log.csv.gz"):
        first, second, third = read_csv(f"file://{tmp_path}/{name}")
        assert json.loads(first) == {"query_id": "q1", "a": {"b": "7"}, "note": "two\nlines, one field"}
        assert second == b"q2,8"
        assert json.loads(third) == {"query_id": "q3", "note": "x"}


def test_lines_of_zstandard_are_those_of_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "_CHUNK", 5)
    text = b'\xef\xbb\xbf{}\n\n{"a": 1}\r\nlast'
    (tmp_path / "log.ndjson.zst").write_bytes(pa.compress(text, "zstd", asbytes=True))
    lines = list(read_zstandard(f"file://{tmp_path}/log.ndjson.zst"))
    assert lines == [b"{}", b"", b'{"a": 1}\r', b"last"]


@pytest.mark.parametrize(
    ("name", "data", "read"),
    [
        ("log.parquet", b"README", read_parquet),
        ("log.csv.gz", gzip.compress(b"a,b\n" * 99)[:-9], read_csv),
        ("log.csv.gz", b"a,b\n1,2\n", read_csv),
        ("log.ndjson.zst", pa.compress(b"{}\n" * 99, "zstd", asbytes=True)[:-3], read_zstandard),
    ],
)
def test_damage_is_one_error_that_names_the_file(tmp_path: Path, name: str, data: bytes, read) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(LtrrError, match=name) as damaged:
        list(read(f"file://{tmp_path}/{name}"))
    assert "\n" not in str(damaged.value)


def test_a_field_without_an_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "_LARGEST_FIELD", 100)
    (tmp_path / "log.csv").write_text('a,b\n"' + "1,2\n" * 99)
    with pytest.raises(LtrrError, match=r"log\.csv: .*field larger"):
        list(read_csv(f"file://{tmp_path}/log.csv"))


def test_row_groups_of_a_file_are_its_rows_in_order(tmp_path: Path) -> None:
    table = pa.table({"n": list(range(250))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    url = f"file://{tmp_path}/a.parquet"
    assert list_row_groups(url) == [100, 100, 50]
    assert [line for group in range(3) for line in read_parquet(url, group)] == list(read_parquet(url))


@pytest.mark.spark
def test_each_row_group_is_a_task_and_places_are_those_of_the_file(spark, tmp_path: Path) -> None:
    for name, size in {"a.parquet": 100, "b.parquet": 1_000, "empty.parquet": 10}.items():
        rows = [] if name == "empty.parquet" else list(range(250))
        pq.write_table(pa.table({"n": pa.array(rows, pa.int64())}), tmp_path / name, row_group_size=size)
    (tmp_path / "c.csv").write_text("n\n1\n")
    lines = read_lines(spark, str(tmp_path), ["a.parquet", "b.parquet", "c.csv", "empty.parquet"])
    lines = lines.withColumn("task", F.spark_partition_id())
    blocks = lines.groupBy("file_url", "block_start", "task").count().collect()
    assert len({row["task"] for row in blocks}) == len(blocks)
    found = {(row["file_url"].rsplit("/", 1)[1], row["block_start"]): row["count"] for row in blocks}
    of_a = {("a.parquet", 0): 100, ("a.parquet", 100): 100, ("a.parquet", 200): 50}
    assert found == {**of_a, ("b.parquet", 0): 250, ("c.csv", 0): 1}
