"""Static pages with shadow decisions and blocks off the request path, read in both ways."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltrr.artifacts.decision_record import record_line
from tests.artifacts.test_decision_record import shadowed
from tests.logs.both_ways import HISTORY, NIGHTLY, check_equal, rows
from tests.logs.log_lines import SPACE, as_bytes, block, record
from tests.logs.varied_records import disturbed_static_record, static_record

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("_session")]


def shadow_record(number: int) -> dict[str, Any]:
    """A good static page with a shadow decision and one block off the request path."""
    good = record(number)
    choice = {"served_by": "static", "decisions": [], "shadow": good["decisions"][0]}
    return {**good, "record_version": 2, **choice, "off_path": [block("title", 2, 40)]}


def test_shadow_records_are_read_as_columns() -> None:
    lines = [as_bytes(shadow_record(number)) for number in range(60)]
    for reader in (HISTORY, NIGHTLY):
        assert check_equal(reader, lines) == len(lines)
    assert [row["decisions"][0]["is_shadow"] for row in rows(HISTORY, lines)] == [True] * len(lines)


def test_the_record_of_a_policy_in_shadow_mode_is_read_as_columns() -> None:
    line = record_line(shadowed()).encode()
    reader = replace(HISTORY, strategies=HISTORY.strategies | {"all_fields"})
    assert check_equal(reader, [line]) == 1
    [row] = rows(reader, [line])
    assert sorted((draw["is_drawn"], draw["milliseconds"]) for draw in row["draws"] if draw["milliseconds"]) == [
        (False, 30.0),
        (True, 12.5),
        (True, 12.5),
    ]


def test_shadow_records_and_served_ones_of_one_file_keep_their_decisions() -> None:
    contents = [(shadow_record, record)[number % 2](number) for number in range(40)]
    lines = list(map(as_bytes, contents))
    assert check_equal(HISTORY, lines) == len(lines)
    assert [row["decisions"][0]["is_shadow"] for row in rows(HISTORY, lines)] == [True, False] * 20


def test_static_pages_with_and_without_a_choice_are_read_alike() -> None:
    rng = random.Random(9)
    contents = [static_record(rng, number) for number in range(300)]
    lines = [json.dumps(content, ensure_ascii=rng.random() < 0.5).encode() for content in contents]
    assert check_equal(HISTORY, lines) > 150


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"off_path": [block("psychic", 1, 1)]}, "unknown_strategy"),
        ({"shadow": {**record(1)["decisions"][0], "action_taken": "psychic:1"}}, "unknown_strategy"),
        ({"off_path": [{**block("title", 2, 1), "depth": 3}, block("title", 2, 3)]}, "bad_ranks"),
        ({"off_path": [block("title", 1, 1)]}, "contradiction"),
        ({"served_by": "policy"}, "contradiction"),
        ({"served_by": "fallback"}, "contradiction"),
        ({"shadow": None}, "wrong_value"),
        ({"off_path": [{**block("title", 2, 1), "milliseconds": -1}]}, "wrong_value"),
        ({"record_version": 1, "shadow": {"step": -1}, "off_path": [block("psychic", 1, 1)]}, None),
    ],
)
def test_faults_of_the_keys_of_version_2_have_their_reason(changes: dict[str, Any], reason: str | None) -> None:
    lines = [as_bytes({**shadow_record(number), **(changes if number % 5 == 0 else {})}) for number in range(15)]
    assert check_equal(HISTORY, lines) == 12
    assert [row["reason"] for row in rows(HISTORY, lines)] == [reason, None, None, None, None] * 3


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_disturbed_static_pages_are_read_alike(seeds: list[int]) -> None:
    contents = [disturbed_static_record(random.Random(seed), seed) for seed in seeds]
    for reader in (HISTORY, NIGHTLY):
        check_equal(reader, [json.dumps(content).encode() for content in contents])


def test_plans_outside_the_shortlist_have_their_features() -> None:
    shadow = {**record(1)["decisions"][0], "action_taken": SPACE.texts[-1], "taken_features": [9.0, 0.0, 0.0, 1.0]}
    line = as_bytes({**shadow_record(1), "shadow": shadow})
    assert check_equal(HISTORY, [line]) == 1
    [row] = rows(HISTORY, [line])
    assert row["decisions"][0]["action_features"][-1] == {"action": SPACE.texts[-1], "features": [9.0, 0.0, 0.0, 1.0]}
