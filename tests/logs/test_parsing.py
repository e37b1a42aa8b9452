"""Parsing of files: places do not depend on blocks, and no line stops a night."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from ltrr.errors import LtrrError
from ltrr.logs.block_contents import lines_before, read_contents
from ltrr.logs.folder import list_folder, root_of
from ltrr.logs.line_rows import LineReader
from ltrr.logs.log_rows import to_impressions, to_nested_rows
from ltrr.logs.parsed_rows import NESTED
from ltrr.logs.parsing import parse_lines, with_offset
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from ltrr.spark.columns import conform
from ltrr.tables.catalog import table
from tests.logs.folder_lines import read_folder
from tests.logs.log_lines import NIGHT, SPACE, event, record, write_folder

pytestmark = pytest.mark.spark

READER = LineReader(NIGHT, NIGHT - timedelta(days=1), frozenset(SPACE.strategies), LogSettings(), Pseudonyms("s"))
FOLDER = f"dt={NIGHT}"


@pytest.fixture
def small_blocks(spark):
    """Divide files into blocks of 64 kB, as large files are into blocks of 128 MB."""
    before = {
        name: spark.conf.get(name) for name in ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes")
    }
    for name in before:
        spark.conf.set(name, "65536")
    yield spark
    for name, value in before.items():
        spark.conf.set(name, value)


def test_a_line_is_numbered_in_its_file_however_many_tasks_read_it(small_blocks, tmp_path: Path) -> None:
    lines = [record(n) for n in range(120)]
    files = {"decisions-1.ndjson": lines, "decisions-2.ndjson.gz": lines, "decisions-3.ndjson": lines[:1]}
    folder = write_folder(tmp_path, NIGHT, files)
    blocks = parse_lines(read_folder(small_blocks, folder), READER, str(folder)).persist()
    contents = read_contents(blocks, (), str(tmp_path))
    assert len([block for block in contents if block.source.endswith("decisions-1.ndjson")]) > 2
    placed = with_offset(blocks, lines_before(contents)).select("source", "offset", "impression.impression_id")
    assert {tuple(row) for row in placed.collect()} == {
        (f"{FOLDER}/{name}", place + 1, line["impression_id"])
        for name, own in files.items()
        for place, line in enumerate(own)
    }


def test_every_file_of_the_tree_is_read_under_a_name_of_its_own(spark, tmp_path: Path) -> None:
    """Equal file names of hosts and hours, and names that a pattern or an address would change."""
    names = [
        "decisions-1.ndjson",
        "host-a/decisions-1.ndjson",
        "host-a/deep/er/decisions-1.ndjson.gz",
        "hour=03/decisions-1.ndjson",
        "hour=04/decisions-1.ndjson",
        "hour=04/decisions-[2].ndjson",
        "a b/decisions-100% +sure?#{x}é.ndjson",
        "x=__HIVE_DEFAULT_PARTITION__/decisions-1.ndjson",
    ]
    logs = tmp_path / "logs [of] {all} 100%"
    files = {name: [record(n), record(n + 100)] for n, name in enumerate(names)}
    folder = write_folder(logs, NIGHT, files)
    for left_out in ("_temporary/0/decisions-9.ndjson", ".decisions-1.ndjson.tmp", "host-a/_SUCCESS"):
        (folder / left_out).parent.mkdir(parents=True, exist_ok=True)
        (folder / left_out).write_text("{}\n")
    (folder / "empty.ndjson").touch()
    found = list_folder(spark, str(folder))
    assert found.read.keys() == {*names, "empty.ndjson"}
    assert found.left_out == (".decisions-1.ndjson.tmp", "_temporary/0/decisions-9.ndjson")
    parsed = parse_lines(read_folder(spark, folder), READER, root_of(spark, str(folder)))
    rows = {(row.source, row.line, row.id) for row in parsed.selectExpr("*", "impression.impression_id id").collect()}
    assert rows == {
        (f"{FOLDER}/{name}", place + 1, line["impression_id"])
        for name, lines in files.items()
        for place, line in enumerate(lines)
    }
    found.check_all_read({source.removeprefix(f"{FOLDER}/") for source, _, _ in rows})


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("decisions-2.ndjson.bak", "the name has no ending of a log file"),
        ("decisions-4.ndjson.gz.1", "the name has no ending of a log file"),
        ("decisions-3.ndjson.bz2", "the name has no ending of a log file"),
        ("host-a/events-1.xml", "the name has no ending of a log file"),
        ("readme.txt", "the name has no ending of a log file"),
        ("decisions-5.ndjson.zst", "0 bytes"),
        ("decisions-12:00:00.ndjson", "a colon in the name"),
        ("12:00/decisions-1.ndjson", "a colon in the name"),
        ("_hour=03/decisions-1.ndjson", "begins with _ but that Spark reads"),
        ("host-a._COPYING_/decisions-1.ndjson", "still being copied"),
        ("decisions-5.ndjson.gz", "0 bytes"),
    ],
)
def test_a_file_that_would_not_be_read_is_refused_by_its_name(spark, tmp_path: Path, name: str, fault: str) -> None:
    folder = write_folder(tmp_path, NIGHT, {"decisions-1.ndjson": [record(1)]})
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"" if name.endswith((".gz", ".zst")) else b"{}\n")
    with pytest.raises(LtrrError, match=re.escape(f"got {name} (") + f".*{fault}") as refused:
        list_folder(spark, str(folder))
    assert refused.value.exit_code == 1
    assert "\n" not in str(refused.value)


def test_what_no_column_can_hold_is_rejected_alone(spark, tmp_path: Path) -> None:
    lines = [record(n) for n in range(5)]
    huge, half = record(5), record(6)
    huge["looks"][2]["depth"] = 10**12
    half["query_text"] = "\ud800"
    files = {
        "decisions-1.ndjson": [*lines, huge],
        "decisions-2.ndjson": [record(7)],
        "events-1.ndjson": [event(1), {**event(2), "value": 10**30}],
    }
    folder = write_folder(tmp_path, NIGHT, files)
    with (folder / "decisions-2.ndjson").open("ab") as file:
        # Valid JSON with an escape that is half of a character.
        file.write(json.dumps(half).encode() + b"\n")
    parsed = parse_lines(read_folder(spark, folder), READER, str(folder))
    found = {(row.source.removeprefix(f"{FOLDER}/"), row.line): row.reason for row in parsed.collect()}
    assert {place: reason for place, reason in found.items() if reason} == {
        ("decisions-1.ndjson", 6): "out_of_range",
        ("decisions-2.ndjson", 2): "not_utf8",
        ("events-1.ndjson", 2): "out_of_range",
    }
    assert len(found) == 10


def test_parsed_lines_are_the_rows_that_the_catalog_declares(spark, tmp_path: Path) -> None:
    line = record(3)
    line["looks"][0]["results"][1] |= {"overlap": [0.5, None, *[0.0] * 12], "clicks": 1.5, "examinations": 2.0}
    folder = write_folder(tmp_path, NIGHT, {"decisions-1.ndjson": [line]})
    parsed = parse_lines(read_folder(spark, folder), READER, str(folder)).persist()
    conform(to_impressions(parsed), table("impressions"))
    for name in NESTED[:-1]:
        conform(to_nested_rows(parsed, name), table(name))
    impression = to_impressions(parsed).first()
    assert (impression.query_key, impression.log_date, impression.context) == ("query 3", NIGHT, {"device": "phone"})
    decision = to_nested_rows(parsed, "decisions").first()
    assert decision.action_taken == "title:1,memory:1"
    assert [entry.action for entry in decision.action_features] == [*SPACE.texts[:4], "title:1,memory:1"]
    assert [look.strategy for look in decision.look] == ["title", "memory", "popular"]
    # The record has them once, for the entity that both blocks list. The table has them for both.
    assert [(look.entity_ids, look.clicks, look.examinations) for look in decision.look[:2]] == [
        (["e3", "e4"], [0.0, 1.5], [0.0, 2.0]),
        (["e4", "e5"], [1.5, 0.0], [2.0, 0.0]),
    ]
    assert str(decision.look[1].overlaps) == str([[0.5, float("nan"), *[0.0] * 12], []])
    assert decision.deeper == []
    slate = to_nested_rows(parsed, "slate_rows").orderBy("position").collect()
    assert [row.entity_id for row in slate] == ["e3", "e4", "e5"]
    # A feature that was missing when it was computed.
    assert str(slate[0].features) == "[0.5, nan, 0.0]"
