"""Lines read as columns give the rows of lines read one by one."""

from __future__ import annotations

import gzip
import json
import os
import random
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.logs.both_ways import HISTORY, NIGHTLY, UBI, check_equal
from tests.logs.log_lines import as_bytes, record, wrong_lines
from tests.logs.log_lines import event as event_of
from tests.logs.ubi_documents import as_bulk, as_line, event, search, shop_log
from tests.logs.varied_records import documents, varied_record

DATA = Path(os.environ.get("LTRR_UBI_DATA") or Path(__file__).parents[3] / "shared" / "data" / "ubi")
LOG = DATA / "queries_events.ndjson.gz"
pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("_session")]


def test_a_whole_log_is_read_as_columns() -> None:
    lines = as_bulk(shop_log())
    assert check_equal(UBI, lines) == len(lines)
    assert check_equal(HISTORY, lines) == len(lines)


@pytest.mark.skipif(not LOG.exists(), reason=f"no UBI data in {DATA}: set LTRR_UBI_DATA")
def test_the_sample_log_is_read_alike() -> None:
    lines = gzip.decompress(LOG.read_bytes()).splitlines()
    reader = replace(UBI, night=date(2025, 3, 3), first_open=date(2024, 6, 4))
    # All but the actions that are no events, and the empty user ids need no second way.
    assert check_equal(reader, lines) > 0.85 * len(lines)


def test_what_looks_alike_is_read_alike() -> None:
    lines = [
        *map(as_line, (search(1, action_name=None), search(2, query_attributes='{"from": 3}'), search(3))),
        b'{"index": {"_index": "a"}, "foo": 1}',
        b'{"index": {"_index": "a"}, "create": {"_index": "a"}}',
        as_line(search(4)).replace(b'"application"', b'"query_attributes": {"fr\\u006fm": 3}, "application"'),
        as_line(search(5)).replace(b'"application"', b'"e\\u0076ent_id": "e", "application"'),
    ]
    assert check_equal(HISTORY, lines * 20) >= 0
    assert check_equal(HISTORY, lines[:1] * 40) == 40


def test_actions_that_are_no_events_are_rejected_as_columns() -> None:
    lines = [as_line(event(n, ("page_exit", "click", "")[n % 3], 1, note='a "b"')) for n in range(90)]
    assert check_equal(HISTORY, lines) == 60
    # Facts that its conversion would not take do not matter.
    lines = [as_line({"action_name": "page_exit", "timestamp": "yesterday", "x": n}) for n in range(40)]
    assert check_equal(UBI, lines) == 40


def test_lines_of_several_formats_are_each_read_by_their_own() -> None:
    lines = [*as_bulk(shop_log(10)), *map(as_bytes, (record(1), record(2))), *wrong_lines(3).values()]
    random.Random(4).shuffle(lines)
    assert check_equal(HISTORY, lines) > 20
    assert check_equal(NIGHTLY, lines) >= 0


def test_own_records_and_events_are_read_as_columns() -> None:
    clicks = [event_of(n, event_id=f"own-{n}") for n in range(30)]
    lines = [as_bytes(line) for line in (*(record(n) for n in range(60)), *clicks)]
    for reader in (HISTORY, NIGHTLY):
        assert check_equal(reader, lines) == len(lines)


def test_records_of_all_kinds_are_read_alike() -> None:
    rng = random.Random(8)
    contents = [varied_record(rng, number) for number in range(400)]
    lines = [json.dumps(content, ensure_ascii=rng.random() < 0.5).encode() for content in contents]
    assert check_equal(HISTORY, lines) > 200


@settings(max_examples=60, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=12))
def test_any_lines_are_read_alike(lines: list[bytes]) -> None:
    for reader in (UBI, HISTORY, NIGHTLY):
        check_equal(reader, lines)
