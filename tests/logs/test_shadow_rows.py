"""Rows of the log tables from a record of shadow mode."""

from __future__ import annotations

import json

from ltrr.artifacts.decision_record import record_line
from ltrr.logs.record_rows import block_rows, decision_rows
from tests.artifacts.test_decision_record import served, shadowed


def test_a_shadow_decision_is_a_row_with_the_blocks_of_the_static_page() -> None:
    record = json.loads(record_line(shadowed()))
    (row,) = decision_rows(record)
    assert row["is_shadow"] is True
    assert row["drawn"] == [("memory", 1), ("title", 1)]
    assert row["action_taken"] == record["shadow"]["action_taken"]
    looked = [(block["strategy"], block["depth"]) for block in row["look"]]
    # The drawn blocks were looked at; the block off the request path was not.
    assert [(block["strategy"], block["depth"]) for block in row["deeper"]] == [("title", 2)]
    assert ("title", 2) not in looked


def test_blocks_have_their_milliseconds_and_their_place() -> None:
    draws, candidates = block_rows(json.loads(record_line(shadowed())))
    found = {
        (row["strategy"], row["depth"]): (row["is_looked_at"], row["is_drawn"], row["milliseconds"]) for row in draws
    }
    assert found["title", 2] == (False, False, 30.0)
    assert found["title", 1] == (True, True, 12.5)
    assert [row["position"] for row in candidates if row["entity_id"] == "e77"] == [None]


def test_a_served_decision_is_no_shadow() -> None:
    (row,) = decision_rows(json.loads(record_line(served())))
    assert row["is_shadow"] is False
