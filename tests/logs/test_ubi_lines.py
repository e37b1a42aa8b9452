"""UBI documents become searches and events; each fault has its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from ltrr.logs.formats import formats_named
from ltrr.logs.line_rows import LineReader
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from tests.logs.log_lines import NIGHT, SPACE, record

READER = LineReader(
    NIGHT,
    date(2024, 1, 1),
    frozenset(SPACE.strategies),
    LogSettings(),
    Pseudonyms("s"),
    is_history=True,
    formats=formats_named("ubi"),
)


def query(**changes: Any) -> dict[str, Any]:
    return {
        "query_id": "q1",
        "user_query": "Printer Toner",
        "client_id": "c1",
        "application": "Chorus",
        "timestamp": "2025-01-24T07:31:30.699+0000",
        "query_attributes": {},
        "query_response_id": "r1",
        "query_response_hit_ids": ["B1", 22, 33.0],
        **changes,
    }


def action(**changes: Any) -> dict[str, Any]:
    return {
        "action_name": "click",
        "query_id": "q1",
        "client_id": "c1",
        "timestamp": 1737703891000,
        "message_type": "CLICK_THROUGH",
        "event_attributes": {"object": {"object_id": 22, "object_id_field": "asin"}, "position": {"ordinal": 2}},
        **changes,
    }


def row(line: dict[str, Any]) -> dict[str, Any]:
    return READER.row(json.dumps(line).encode(), "ubi-1.ndjson")


def test_a_query_document_is_a_search_without_policy_and_slate() -> None:
    found = row(query())
    search = found["impression"]
    assert found["clock"] == "text with a zone"
    assert search["at"] == datetime(2025, 1, 24, 7, 31, 30, 699000, UTC)
    assert (search["log_date"], search["arrival_date"]) == (date(2025, 1, 24), date(2025, 1, 24))
    assert (search["query_key"], search["surface"], search["served_by"]) == ("printer toner", "Chorus", "static")
    assert search["pages"] == [{"at": search["at"], "first_position": 1, "entity_ids": ["B1", "22", "33"]}]
    assert search["session_key"] is None
    assert search.get("policy_version") is None
    assert "decisions" not in found


def test_the_user_is_the_user_id_else_the_client() -> None:
    by_client, by_user = row(query())["impression"]["user_key"], row(query(user_id="u7"))["impression"]["user_key"]
    assert by_client == Pseudonyms("s").user("c1")
    assert by_user == Pseudonyms("s").user("u7")
    nobody = {key: value for key, value in query().items() if key != "client_id"}
    assert row(nobody)["impression"]["user_key"].startswith("~")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("impression", "impression"), ("view", "impression"), ("click", "click"), ("click_through", "click")]
    + [(name, name) for name in ("add_to_cart", "purchase", "watch")],
)
def test_an_action_is_an_event_of_its_kind(name: str, kind: str) -> None:
    event = row(action(action_name=name))["event"]
    assert (event["kind"], event["entity_id"], event["position"], event["impression_id"]) == (kind, "22", 2, "q1")
    assert event["at"] == datetime(2025, 1, 24, 7, 31, 31, tzinfo=UTC)


def test_equal_documents_are_one_event_and_others_are_not() -> None:
    base = row(action())["event"]["event_id"]
    assert row(action(message="another text"))["event"]["event_id"] == base
    others = (action(timestamp=1737703891001), action(client_id="c2"), action(action_name="purchase"))
    assert len({base, *(row(other)["event"]["event_id"] for other in others)}) == 4


def test_an_xy_position_and_a_missing_one_are_accepted_for_a_click() -> None:
    attributes = {"object": {"object_id": "B1"}, "position": {"xy": {"x": 1, "y": 2}}}
    assert row(action(event_attributes=attributes))["event"]["position"] is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (action(action_name="page_exit"), "other_action"),
        (action(query_id=None), "missing_key"),
        (action(event_attributes=None), "missing_key"),
        (action(event_attributes={"object": {"object_id": True}}), "wrong_value"),
        (action(event_attributes={"object": "B1"}), "wrong_value"),
        (action(event_attributes={"object": {"object_id": "B1"}, "position": {"ordinal": -1}}), "bad_position"),
        (action(action_name="impression", event_attributes={"object": {"object_id": "B1"}}), "missing_key"),
        (action(timestamp="yesterday"), "bad_timestamp"),
        (action(timestamp="2031-01-01T00:00:00Z"), "future"),
        (action(timestamp="2019-01-01T00:00:00Z"), "late"),
        (query(query_id=""), "missing_key"),
        (query(user_query=None), "missing_key"),
        (query(timestamp=None), "bad_timestamp"),
        (query(query_response_hit_ids={"a": 1}), "wrong_value"),
        (query(query_attributes={"from": 2_147_483_640}), "bad_position"),
        (query(query_response_hit_ids=[None]), "missing_key"),
        ({"index": {"_index": "ubi_queries"}, "query_id": "q"}, "unknown_record"),
        ({"delete": {"_id": "1"}}, "unknown_record"),
    ],
)
def test_a_document_that_cannot_count_has_its_reason(line: dict[str, Any], reason: str) -> None:
    found = row(line)
    assert found["reason"] == reason
    assert found["detail"]
    assert "c1" not in found["detail"] + found["excerpt"]


def test_the_action_line_of_a_bulk_request_has_no_record() -> None:
    found = row({"index": {"_index": "ubi_queries", "_id": "7"}})
    assert found["format"] == "structure"
    assert not {"reason", "impression", "event"} & found.keys()


def test_a_query_document_can_carry_a_decision_record() -> None:
    own = record(1)
    kept = {key: value for key, value in own.items() if key != "impression_id"}
    for logged in (json.dumps(kept), kept):
        found = row(query(query_attributes={"ltrr": logged}, query_id="q9"))
        assert found["format"] == "decision"
        assert found["impression"]["impression_id"] == "q9"
        assert found["decisions"][0]["logging_propensity"] == own["decisions"][0]["propensity"]


def test_rows_of_an_export_are_the_same_search_and_event() -> None:
    exported = {
        "query_id": "q1",
        "user_query": "Printer Toner",
        "client_id": "c1",
        "application": "Chorus",
        "timestamp": "2025-01-24T07:31:30.699+0000",
        "query_response_hit_ids": "B1, 22, 33",
    }
    assert row(exported)["impression"] == row(query())["impression"]
    text = {**action(), "timestamp": "1737703891000"}
    text["event_attributes"] = {"object": {"object_id": "22"}, "position": {"ordinal": "2"}}
    assert row(text)["event"] == row(action())["event"]


def test_a_column_of_the_other_kind_of_document_changes_nothing() -> None:
    """Exports of both indexes have all columns in every row."""
    assert row(query(action_name=None))["impression"] == row(query())["impression"]
    assert row(query(query_attributes='{"from": "20"}'))["impression"]["pages"][0]["first_position"] == 21


def test_a_night_that_is_no_history_keeps_the_date_of_its_folder() -> None:
    night = replace(READER, is_history=False, first_open=date(2025, 1, 1))
    assert night.row(json.dumps(query()).encode(), "ubi-1.ndjson")["impression"]["arrival_date"] == NIGHT
