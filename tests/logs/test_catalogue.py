"""Catalogues: the same rows from any files, one row per id, all faults in one error."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltrr.errors import UsageError
from ltrr.logs.catalogue import FIELDS, catalogue_version, count_entities, read_catalogue

ENTITIES = [
    {"id": 7, "title": "Halo", "people": ["Beyoncé", "Ryan Tedder"], "topics": [], "year": 2008, "color": "red"},
    {"entity_id": "e1", "title": "B", "year": "1999", "popularity": 12.5},
    {"id": "e1", "title": "A"},
    {"id": "e2", "title": " ", "description": 'says "hi"', "topics": "pop rock"},
    {"id": "e3", "title": "Z", "year": 2001},
    {"id": "e3", "title": "Y", "popularity": 0},
    {"id": "e3", "title": "Y", "popularity": 0},
]
EXPECTED = {
    ("7", "Halo", None, "Beyoncé Ryan Tedder", None, 2008.0, None),
    ("e1", "B", None, None, None, 1999.0, 12.5),
    ("e2", None, 'says "hi"', None, "pop rock", None, None),
    ("e3", "Y", None, None, None, None, 0.0),
}


def written(folder: Path, name: str, lines: list[dict]) -> Path:
    text = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    file = folder / name
    file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return file


def rows_of(frame) -> set[tuple]:
    return {tuple(row[name] for name in ("entity_id", *FIELDS)) for row in frame.collect()}


@pytest.mark.spark
def test_any_files_in_any_order_give_one_row_per_id(spark, tmp_path):
    whole = [written(tmp_path, "all.ndjson", ENTITIES)]
    found = read_catalogue(spark, whole, "v")
    assert rows_of(found) == EXPECTED
    counts = count_entities(found)
    assert (counts.entities, counts.titles) == (4, 3)
    assert {row.catalogue for row in found.collect()} == {"v"}
    mixed = [written(tmp_path, "a.jsonl.gz", ENTITIES[::-2]), tmp_path / "b.parquet"]
    pq.write_table(_table(ENTITIES[::-1]), mixed[1])
    assert rows_of(read_catalogue(spark, mixed, "v")) == EXPECTED


def _table(rows: list[dict]) -> pa.Table:
    """The rows as columns, with numbers as text."""
    names = ("id", "entity_id", "title", "description", "year", "popularity", "topics")
    texts = [{name: str(row[name]) for name in names if row.get(name) not in (None, [])} for row in rows]
    columns = {name: pa.array([row.get(name) for row in texts], pa.string()) for name in names}
    return pa.table({**columns, "people": pa.array([row.get("people") for row in rows], pa.list_(pa.string()))})


@pytest.mark.spark
def test_all_faults_are_in_one_error(spark, tmp_path):
    file = tmp_path / "bad.ndjson"
    file.write_bytes(
        b'{"id": "good"}\n\n{"title": "x"}\n{"id": ""}\n{"id": "e", "year": "soon"}\n[1]\nnull\n{"id": \n'
        b'{"id": "f", "popularity": -1}\n{"id": "g", "popularity": "NaN"}\n{"id": "\xff"}\n'
    )
    with pytest.raises(UsageError) as error:
        read_catalogue(spark, [file], "v")
    for fault in (
        "no id (2 lines",
        "year is no number (1 lines",
        "no JSON object (3 lines",
        "popularity is below 0 (1 lines",
        "popularity is no number (1 lines",
        "no UTF-8 (1 lines",
    ):
        assert fault in str(error.value)


def test_the_version_is_that_of_the_contents(tmp_path):
    one, other = written(tmp_path, "a.ndjson", ENTITIES[:3]), written(tmp_path, "b.ndjson", ENTITIES[3:])
    copy = written(tmp_path, "c.jsonl", ENTITIES[:3])
    assert catalogue_version([one, other]) == catalogue_version([other, copy])
    assert catalogue_version([one]) != catalogue_version([other])
