"""A mapping turns the rows of any table into searches and events; its faults are listed at once."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from ltrr.errors import ConfigError
from ltrr.logs.formats import formats_named
from ltrr.logs.line_rows import LineReader
from ltrr.logs.mapping_proposal import propose_mapping
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from ltrr.logs.table_lines import table_format
from tests.docs.recipes import PAGES, blocks_of
from tests.logs.log_lines import NIGHT, SPACE

MAPPINGS = {block.title: yaml.safe_load(block.text) for block in blocks_of(PAGES / "bring-a-log.md") if block.title}
FUSION_SEARCH = {
    "id": "s1",
    "type_s": "response",
    "fusion_query_id": "fq1",
    "timestamp_tdt": "2026-03-02T12:00:00Z",
    "query_s": "laptop",
    "user_id_s": "person-1",
    "session_id_s": "visit-1",
    "doc_ids_s": "d1,d2",
}
FUSION_CLICK = {
    "id": "s2",
    "type_s": "click",
    "fusion_query_id": "fq1",
    "timestamp_tdt": "2026-03-02T12:00:09Z",
    "doc_id_s": "d2",
    "res_pos_i": 2,
}
METARANK_RANKING = {
    "event": "ranking",
    "id": "r1",
    "timestamp": "1772452800000",
    "user": "person-1",
    "session": "visit-1",
    "fields": [{"name": "query", "value": "laptop"}, {"name": "source", "value": "search"}],
    "items": [{"id": "d1"}, {"id": "d2"}],
}
METARANK_CLICK = {
    "event": "interaction",
    "id": "i1",
    "ranking": "r1",
    "timestamp": "1772452809000",
    "user": "person-1",
    "type": "click",
    "item": "d2",
}


def reader(mapping: dict[str, Any]) -> LineReader:
    formats = (table_format(mapping, "mapping.yaml"),)
    strategies = frozenset(SPACE.strategies)
    return LineReader(NIGHT, date(2026, 3, 1), strategies, LogSettings(), Pseudonyms("s"), formats=formats)


@pytest.mark.parametrize(
    ("page", "search", "click", "impression_id"),
    [
        ("fusion.yaml", FUSION_SEARCH, FUSION_CLICK, "fq1"),
        ("metarank.yaml", METARANK_RANKING, METARANK_CLICK, "r1"),
    ],
)
def test_the_mappings_of_the_page_read_logs_of_their_systems(
    page: str, search: dict[str, Any], click: dict[str, Any], impression_id: str
) -> None:
    read = reader(MAPPINGS[page])
    impression = read.row(json.dumps(search).encode(), "log-1.ndjson")["impression"]
    assert (impression["impression_id"], impression["query_text"]) == (impression_id, "laptop")
    assert impression["pages"][0]["entity_ids"] == ["d1", "d2"]
    assert impression["user_key"] == Pseudonyms("s").user("person-1")
    event = read.row(json.dumps(click).encode(), "log-1.ndjson")["event"]
    assert (event["impression_id"], event["entity_id"], event["kind"]) == (impression_id, "d2", "click")
    assert (event["at"] - impression["at"]).total_seconds() == 9.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type_s": "request"}, "other_action"),
        ({"timestamp_tdt": "soon"}, "bad_timestamp"),
        ({"doc_id_s": None}, "missing_key"),
        ({"doc_id_s": {"a": 1}}, "wrong_value"),
        ({"res_pos_i": "second"}, "bad_position"),
    ],
)
def test_a_row_that_cannot_count_has_its_reason(change: dict[str, Any], reason: str) -> None:
    row = reader(MAPPINGS["fusion.yaml"]).row(json.dumps({**FUSION_CLICK, **change}).encode(), "log-1.ndjson")
    assert row["reason"] == reason
    assert "d2" not in row["detail"]


def test_all_faults_of_a_mapping_are_in_one_error(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("searches: {}\nevent: {at: [1], impression_id: q, kinds: x, where: 3}\n")
    with pytest.raises(ConfigError) as refused:
        formats_named(str(file))
    for fault in (
        "searches: unknown part",
        "event.at: ",
        "event.kinds: unknown",
        "event.where: ",
        "no entity_id, kind",
    ):
        assert fault in str(refused.value)
    file.write_text("a: [")
    with pytest.raises(ConfigError, match="the mapping of a table cannot be read"):
        formats_named(str(file))


def test_equal_rows_without_an_id_are_one_event() -> None:
    mapping = {**MAPPINGS["metarank.yaml"]["event"]}
    del mapping["event_id"]
    read = reader({"event": mapping})
    ids = [
        read.row(json.dumps({**METARANK_CLICK, **change}).encode(), "x")["event"]["event_id"]
        for change in ({}, {}, {"item": "d3"}, {"timestamp": "1772452809001"})
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_the_proposal_for_a_known_system_is_the_mapping_of_the_page() -> None:
    lines = [json.dumps(row).encode() for row in (FUSION_SEARCH, FUSION_CLICK, {**FUSION_CLICK, "type_s": "cart-add"})]
    proposed = yaml.safe_load(propose_mapping(lines))
    expected = MAPPINGS["fusion.yaml"]
    del expected["event"]["event_id"]
    expected["event"]["where"]["type_s"] = sorted(expected["event"]["where"]["type_s"])
    assert proposed == expected
    assert propose_mapping([b"no json", b"[1]", b'{"a": 1}']) == ""
