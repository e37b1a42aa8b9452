"""A line is a decision, an event, or rejected with a reason, without exceptions or leaks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.hashing import ANONYMOUS
from ltrr.logs.line_format import LineContext
from ltrr.logs.line_rows import LineReader
from ltrr.logs.reading import read_line
from ltrr.logs.reasons import NO_FAULTS, REASONS
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.redaction import EXCERPT_LENGTH, KNOWN_KEYS, redact, redact_all
from ltrr.logs.settings import LogSettings
from tests.logs.log_lines import NIGHT, SPACE, as_bytes, event, noon, record, stamp, wrong_lines

STRATEGIES = frozenset(SPACE.strategies)
SETTINGS = LogSettings()
READER = LineReader(NIGHT, NIGHT - timedelta(days=1), STRATEGIES, SETTINGS, Pseudonyms("a secret"))


def test_good_lines_are_read() -> None:
    for name, line in (("decisions-1.ndjson", record(1)), ("events-1.ndjson", event(1))):
        assert read_line(as_bytes(line), LineContext(name), STRATEGIES, SETTINGS.kinds).reason == ""
        # Windows line ends and another name change nothing: the content decides the kind of a line.
        assert (
            read_line(as_bytes(line) + b"\r", LineContext("other.ndjson"), STRATEGIES, SETTINGS.kinds).content == line
        )


@pytest.mark.parametrize("reason", sorted(wrong_lines(1).keys() - {"out_of_range"}))
def test_each_fault_has_its_own_reason(reason: str) -> None:
    row = READER.row(wrong_lines(1)[reason], "decisions-1.ndjson")
    assert row["reason"] == reason
    assert row["detail"]
    assert "person-" not in row["excerpt"] + row["detail"]
    assert "4711" not in row["excerpt"] + row["detail"]


def test_the_list_of_reasons_is_closed_and_each_is_met() -> None:
    """Joins find the other faults; their tests are with the joins."""
    by_join = {"duplicate", "same_search", "forgotten", "not_shown", "outside_window", "unmatched", "after_label"}
    assert wrong_lines(1).keys() | by_join == REASONS.keys()


def test_the_page_of_the_contract_lists_every_reason() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "log-contract.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page.partition("| reason | meaning |")[2], re.MULTILINE)
    assert dict(rows) == REASONS
    assert all(f"`{reason}`" in page for reason in NO_FAULTS)


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
    assert read_line(line, LineContext("events-1.ndjson"), STRATEGIES, SETTINGS.kinds).reason in REASONS


def test_an_integer_beyond_every_float_is_out_of_range() -> None:
    line = json.dumps({**event(1), "value": 10**400}).encode()
    assert read_line(line, LineContext("events-1.ndjson"), STRATEGIES, SETTINGS.kinds).reason == "out_of_range"


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
        # The record is accepted, so the grain of every table must be unique.
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


@given(st.lists(st.text(alphabet='{}[]:,"\\ ax1-*') | st.sampled_from(['{"user":"a"}', '{"user": "b"}', '{"user":1}'])))
def test_lines_that_are_masked_together_are_masked_alike(lines: list[str]) -> None:
    assert redact_all(lines) == list(map(redact, lines))


def test_known_keys_name_no_value_that_could_be_an_id() -> None:
    assert not any(character.isdigit() for key in KNOWN_KEYS for character in key)


def test_a_pseudonym_maker_does_not_show_its_secret() -> None:
    assert "a secret" not in repr(READER)
    assert "a secret" not in repr(READER.pseudonyms)


def test_a_user_and_a_session_of_one_name_are_two_keys() -> None:
    pseudonyms = Pseudonyms("a secret")
    assert pseudonyms.user("u1") == pseudonyms.user("u1") != pseudonyms.session("u1")
    assert Pseudonyms("another").user("u1") != pseudonyms.user("u1")


def test_searches_without_a_user_count_by_their_session() -> None:
    """A robot without an account is one unit, so that the limits on a user bound it."""

    def keys_of(user: str, sessions: list[str]) -> list[str]:
        lines = [{**record(n), "user": user, "session": session} for n, session in enumerate(sessions)]
        return [READER.row(as_bytes(line), "decisions-1.ndjson")["impression"]["user_key"] for line in lines]

    anonymous = keys_of("", ["robot", "robot", "visit"])
    assert anonymous == [READER.pseudonyms.session(name) for name in ("robot", "robot", "visit")]
    assert keys_of("robot", ["robot", "visit"]) == [READER.pseudonyms.user("robot")] * 2
    assert not set(anonymous) & set(keys_of("robot", ["robot"]))


def test_searches_without_user_and_session_are_each_a_user_of_their_own() -> None:
    """One key for all of them would be the heaviest user, on one side of every split."""
    anonymous = [{"query_id": f"q{n}", "user_query": "shoes", "timestamp": stamp(noon())} for n in range(500)]
    rows = [READER.row(as_bytes(line), "ubi-1.ndjson") for line in anonymous]
    again = [READER.row(as_bytes(line), "ubi-2.ndjson") for line in anonymous]
    keys = [row["impression"]["user_key"] for row in rows]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith(ANONYMOUS) for key in keys)
    assert keys == [row["impression"]["user_key"] for row in again]
    assert Pseudonyms("a secret").user("") not in keys
    # An impression id that is used again on another date is another search.
    earlier = {**anonymous[0], "timestamp": stamp(noon(NIGHT - timedelta(days=1)))}
    assert READER.row(as_bytes(earlier), "ubi-1.ndjson")["impression"]["user_key"] not in keys
    # Folds are uniform: of 500 users at .3, a share outside .2 to .4 has a probability of 1e-6.
    assert 0.2 < sum(row["impression"]["user_fold"] < 30 for row in rows) / len(rows) < 0.4


MIDNIGHT = datetime.combine(NIGHT + timedelta(days=1), time(0), UTC)


@pytest.mark.parametrize(
    ("ahead_seconds", "reason"), [(0.0, None), (0.3, None), (4.999, None), (5.0, "future"), (3600.0, "future")]
)
def test_a_clock_that_is_a_little_ahead_at_midnight_counts_to_the_date_of_the_folder(ahead_seconds, reason) -> None:
    reader = replace(READER, settings=LogSettings(clock_skew_seconds=5.0))
    at = MIDNIGHT + timedelta(seconds=ahead_seconds)
    search = reader.row(as_bytes(record(1, at=at)), "decisions-1.ndjson")
    click = reader.row(as_bytes(event(1, at=at)), "events-1.ndjson")
    assert (search.get("reason"), click.get("reason")) == (reason, reason)
    if reason is None:
        # The time stays as logged: a replay computes features from it.
        assert (search["impression"]["log_date"], search["impression"]["at"]) == (NIGHT, at)
        assert click["event"]["at"] == at
    next_night = replace(reader, night=NIGHT + timedelta(days=1))
    assert next_night.row(as_bytes(record(1, at=at)), "decisions-1.ndjson")["impression"]["log_date"] > NIGHT


def test_a_key_that_stands_twice_is_refused_by_its_name() -> None:
    line = as_bytes(record(1))
    twice = line[:-1] + b',"impression_id":"another","impression_id":"third"}'
    unknown = line[:-1] + b',"person-4711":1,"person-4711":2}'
    inner = line.replace(b'"floor":', b'"floor":0.1,"floor":', 1)
    details = [READER.row(changed, "decisions-1.ndjson")["detail"] for changed in (twice, inner, unknown)]
    assert details == [f"a key twice: {name}" for name in ("impression_id", "floor", "one that is not shown")]
    assert READER.row(twice, "decisions-1.ndjson")["reason"] == "malformed_json"


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".1234567", ".123456789", ".999999999"])
def test_times_have_up_to_nine_digits_and_are_cut_to_microseconds(fraction: str, zone: str) -> None:
    stamped = f"{NIGHT}T12:00:00{fraction}{zone}"
    search = READER.row(as_bytes({**record(1), "at": stamped}), "decisions-1.ndjson")
    click = READER.row(as_bytes({**event(1), "at": stamped}), "events-1.ndjson")
    expected = datetime.combine(NIGHT, time(12), UTC) + timedelta(seconds=float(fraction or 0) // 1e-6 / 1e6)
    assert abs(search["impression"]["at"] - expected) <= timedelta(microseconds=1)
    assert search["impression"]["at"].microsecond == int(fraction[1:7].ljust(6, "0"))
    assert click["event"]["at"] == search["impression"]["at"]
    assert "reason" not in search


@pytest.mark.parametrize(
    "at",
    [
        f"{NIGHT}T12:00:00",
        f"{NIGHT}T12:00:00.Z",
        f"{NIGHT}T12:00:00.1234567890Z",
        f"{NIGHT}T12:00:00,5Z",
        f"{NIGHT}T12:00:00+0000",
        f"{NIGHT}T12:00:00+00",
        f"{NIGHT}T12:00:00-00:00",
        f"{NIGHT}T14:00:00+02:00",
        f"{NIGHT}T12:00Z",
        f"{NIGHT}T12:00:60Z",
        f"{NIGHT} 12:00:00Z",
        f"{NIGHT}t12:00:00z",
        "2026-02-30T12:00:00Z",
    ],
)
def test_another_form_of_a_time_is_rejected_and_the_reason_states_the_form(at: str) -> None:
    row = READER.row(as_bytes({**event(1), "at": at}), "events-1.ndjson")
    assert row["reason"] == "bad_timestamp"
    assert "Z or +00:00, and up to 9 digits after the point" in row["detail"]


@pytest.mark.parametrize(
    ("line", "format_"),
    [
        ({"event": "ranking", "id": "r1", "timestamp": "1772452800000", "items": []}, "Metarank"),
        ({"event": "interaction", "id": "i1", "ranking": "r1", "timestamp": "1772452801000"}, "Metarank"),
    ],
)
def test_lines_of_other_formats_are_named_with_what_to_read(line: dict[str, object], format_: str) -> None:
    row = READER.row(json.dumps(line).encode(), "events-1.ndjson")
    assert row["reason"] == "foreign_format"
    assert row["detail"].startswith(f"looks like {format_}: ")
    assert row["detail"].endswith("; docs/reference/log-contract.md describes the records that ltrr reads")
