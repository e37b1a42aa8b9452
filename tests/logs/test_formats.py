"""A format of the registry gives the same rows and reasons as ltrr's own lines."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from ltrr.logs.formats import FORMATS
from ltrr.logs.line_rows import LineReader
from ltrr.logs.log_rows import to_impressions, to_nested_rows
from ltrr.logs.parsed_rows import NESTED
from ltrr.logs.parsing import parse_lines
from ltrr.logs.reasons import REASONS
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from tests.logs.folder_lines import read_folder
from tests.logs.log_lines import NIGHT, SPACE, event, record, write_folder
from tests.logs.toy_format import TOY, toy_line

OWN = LineReader(NIGHT, NIGHT - timedelta(days=1), frozenset(SPACE.strategies), LogSettings(), Pseudonyms("s"))
WITH_TOY = replace(OWN, formats=(*FORMATS, TOY))
RECORDS = [record(n) for n in range(5)]
EVENTS = [event(n) for n in range(3)]


def parsed_folder(spark: SparkSession, root: Path, lines: list[bytes] | list[dict], reader: LineReader) -> DataFrame:
    folder = write_folder(root, NIGHT, {"log-1.ndjson": lines})
    return parse_lines(read_folder(spark, folder), reader, str(folder)).persist()


@pytest.mark.spark
def test_lines_of_a_registered_format_give_the_rows_of_our_own_lines(spark, tmp_path: Path) -> None:
    own = parsed_folder(spark, tmp_path / "own", [*RECORDS, *EVENTS], OWN)
    toy = parsed_folder(spark, tmp_path / "toy", [toy_line(line) for line in (*RECORDS, *EVENTS)], WITH_TOY)
    kinds = [row.format for row in toy.orderBy("line").collect()]
    assert kinds == ["decision"] * len(RECORDS) + ["event"] * len(EVENTS)
    for parse in (to_impressions, *(lambda lines, name=name: to_nested_rows(lines, name) for name in NESTED)):
        decisions = [frame.where("impression IS NOT NULL") for frame in (own, toy)]
        rows = [sorted(map(str, parse(frame).collect())) for frame in decisions]
        assert rows[0] == rows[1]
        assert rows[0]
    events = [frame.where("event IS NOT NULL").select("event.*").orderBy("event_id").collect() for frame in (own, toy)]
    assert events[0] == events[1]
    assert len(events[0]) == len(EVENTS)


def changed(**values: object) -> bytes:
    return json.dumps({**json.loads(toy_line(RECORDS[1])), **values}).encode()


@pytest.mark.parametrize(
    ("line", "format_", "reason"),
    [
        (toy_line(RECORDS[1])[:-9], "unreadable", "truncated_json"),
        (changed(toy="noise"), "foreign", "unknown_record"),
        (changed(body=None), "foreign", "wrong_value"),
        (changed(epoch_ms=10**20), "foreign", "wrong_value"),
        (json.dumps({"toy": "search", "epoch_ms": 5}).encode(), "foreign", "missing_key"),
        (changed(who=4711), "decision", "wrong_value"),
        (changed(body={**RECORDS[1], "record_version": 3}), "decision", "unknown_version"),
        (changed(epoch_ms=0), "decision", "late"),
        (toy_line({**EVENTS[1], "kind": "teleport"}), "event", "unknown_kind"),
    ],
)
def test_a_malformed_line_of_a_registered_format_has_its_reason(line: bytes, format_: str, reason: str) -> None:
    row = WITH_TOY.row(line, "log-1.ndjson")
    assert (row["format"], row["reason"]) == (format_, reason)
    assert reason in REASONS
    assert row["detail"]
    assert "4711" not in row["detail"] + row["excerpt"]


def test_without_its_entry_a_format_is_unknown() -> None:
    row = OWN.row(toy_line(RECORDS[1]), "log-1.ndjson")
    assert (row["format"], row["reason"]) == ("unreadable", "unknown_record")


def test_every_format_of_the_registry_converts_or_says_why_not() -> None:
    assert len({format_.name for format_ in FORMATS}) == len(FORMATS)
    for format_ in FORMATS:
        assert format_.keys
        assert (format_.convert is None) == bool(format_.refusal)
        assert not any(character.isdigit() for key in format_.shown_keys for character in key)
