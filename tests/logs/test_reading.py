"""A line is a decision, an event, or rejected with one word of the closed list; never an exception, never a leak."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.logs.line_rows import LineReader
from ltrr.logs.reading import read_line
from ltrr.logs.reasons import REASONS
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.redaction import EXCERPT_LENGTH, KNOWN_KEYS, redact
from tests.logs.log_lines import NIGHT, SPACE, as_bytes, event, record, wrong_lines

KINDS = frozenset({"click", "purchase"})
STRATEGIES = frozenset(SPACE.strategies)
READER = LineReader(NIGHT, NIGHT - timedelta(days=1), STRATEGIES, KINDS, Pseudonyms("a secret"))


def test_good_lines_are_read() -> None:
    for name, line in (("decisions-1.ndjson", record(1)), ("events-1.ndjson", event(1))):
        assert read_line(as_bytes(line), name, STRATEGIES, KINDS).reason == ""
        # Windows line ends and another name change nothing: the content says what a line is.
        assert read_line(as_bytes(line) + b"\r", "other.ndjson", STRATEGIES, KINDS).content == line


@pytest.mark.parametrize("reason", sorted(wrong_lines(1).keys() - {"out_of_range"}))
def test_each_fault_has_its_own_reason(reason: str) -> None:
    row = READER.row(wrong_lines(1)[reason], "decisions-1.ndjson")
    assert row["reason"] == reason
    assert row["detail"]
    assert "person-" not in row["excerpt"] + row["detail"]
    assert "4711" not in row["excerpt"] + row["detail"]


def test_the_list_of_reasons_is_closed_and_each_is_met() -> None:
    """What is not seen in the line itself is found by joins, and has its tests there."""
    by_join = {"duplicate", "forgotten", "not_shown", "outside_window", "unmatched"}
    assert wrong_lines(1).keys() | by_join == REASONS.keys()


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b"9" * 10_000,
        b'{"at": NaN}',
        b'{"event_id": 1e999}',
        b"\x00",
        '{"event_id":"\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
)
def test_hostile_lines_are_rejected_not_raised(line: bytes) -> None:
    assert read_line(line, "events-1.ndjson", STRATEGIES, KINDS).reason in REASONS


def test_an_integer_beyond_every_float_is_out_of_range() -> None:
    line = json.dumps({**event(1), "value": 10**400}).encode()
    assert read_line(line, "events-1.ndjson", STRATEGIES, KINDS).reason == "out_of_range"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in inner for found in _paths(child, (*path, key)))]


@given(st.sampled_from(_paths(record(1))[1:]), anything)
def test_a_record_changed_anywhere_is_read_or_rejected_with_a_word_of_the_list(path, value) -> None:
    changed = json.loads(as_bytes(record(1)))
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    row = READER.row(json.dumps(changed).encode(), "decisions-1.ndjson")
    assert row.get("reason") in (None, *REASONS)
    if "reason" not in row:
        # Taken, so every table's grain must hold.
        assert len({(c["strategy"], c["rank"]) for c in row["candidates"]}) == len(row["candidates"])
        assert len({(d["strategy"], d["depth"]) for d in row["draws"]}) == len(row["draws"])
        assert [s["position"] for s in row["slate_rows"]] == list(range(1, len(row["slate_rows"]) + 1))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_rejected_with_a_word_of_the_list(line: bytes) -> None:
    assert READER.row(line, "decisions-1.ndjson")["reason"] in REASONS


@given(st.text(alphabet='{}[]:,"\\ \n', max_size=60), st.text(alphabet='{}[]:,"\\ \n', max_size=60))
def test_no_value_survives_redaction_wherever_it_stands(before: str, after: str) -> None:
    excerpt = redact(f"{before}person4711{after}")
    assert "4711" not in excerpt
    assert len(excerpt) <= EXCERPT_LENGTH


def test_known_keys_name_no_value_that_could_be_an_id() -> None:
    assert not any(character.isdigit() for key in KNOWN_KEYS for character in key)


def test_a_pseudonym_maker_does_not_show_its_secret() -> None:
    assert "a secret" not in repr(READER)
    assert "a secret" not in repr(READER.pseudonyms)


def test_a_user_and_a_session_of_one_name_are_two_keys() -> None:
    pseudonyms = Pseudonyms("a secret")
    assert pseudonyms.user("u1") == pseudonyms.user("u1") != pseudonyms.session("u1")
    assert Pseudonyms("another").user("u1") != pseudonyms.user("u1")
