"""Lines read as columns give the rows of lines read one by one."""

from __future__ import annotations

import gzip
import json
import os
import random
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql.pandas.types import to_arrow_schema

from ltrr.logs.formats import formats_named
from ltrr.logs.line_rows import LineReader
from ltrr.logs.parsed_rows import parsed_schema
from ltrr.logs.parsing import parse_run
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from tests.logs.log_lines import NIGHT, SPACE, as_bytes, block, record, wrong_lines
from tests.logs.log_lines import event as event_of
from tests.logs.ubi_documents import as_bulk, as_line, event, search, shop_log

DATA = Path(os.environ.get("LTRR_UBI_DATA") or Path(__file__).parents[3] / "shared" / "data" / "ubi")
LOG = DATA / "queries_events.ndjson.gz"
HISTORY = LineReader(
    NIGHT, date(2026, 2, 1), frozenset(SPACE.strategies), LogSettings(), Pseudonyms("s"), is_history=True
)
NIGHTLY = replace(HISTORY, is_history=False, first_open=date(2026, 3, 1))
UBI = replace(HISTORY, formats=formats_named("ubi"))


SCHEMA: list[pa.Schema] = []
pytestmark = pytest.mark.spark


class Slow(LineReader):
    """The same reader without its columns."""

    def read_columns(self, lines: Any, name: str, schema: pa.Schema) -> Any:
        return super().read_columns(lines[:0], name, schema)


@pytest.fixture(autouse=True, scope="module")
def schema(_session) -> pa.Schema:
    SCHEMA.append(to_arrow_schema(parsed_schema(), timezone="UTC"))


def rows(reader: LineReader, lines: list[bytes]) -> list[dict[str, Any]]:
    batches = parse_run(lines, reader, SCHEMA[0], "dt=2026-03-02/log-1.ndjson")
    found = pa.Table.from_batches(batches, SCHEMA[0]).to_pylist()
    return sorted(found, key=lambda row: row["line"])


def check_equal(reader: LineReader, lines: list[bytes]) -> int:
    """Number of lines that are read as columns, after the comparison of all rows."""
    slow = Slow(**{name: getattr(reader, name) for name in reader.__dataclass_fields__})
    # As text, in which NaN equals NaN.
    assert list(map(str, rows(reader, lines))) == list(map(str, rows(slow, lines)))
    return sum(len(read.places) for read in reader.read_columns(lines, "log-1.ndjson", SCHEMA[0]))


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


def varied_record(rng: random.Random, number: int) -> dict[str, Any]:
    """A record with a plan, looks, draws and facts of any kind that the contract allows."""
    content = record(number)
    plan = rng.choice(SPACE.texts)
    depths = {name: int(depth) for name, _, depth in (part.partition(":") for part in plan.split(","))}
    first = rng.randrange(5)
    draws = [block(name, depth + 1, first + rng.randrange(4)) for name, n in depths.items() for depth in range(n)]
    looks = [entry for entry in content["looks"] if rng.random() < 0.7]
    for entry in (*looks, *draws):
        if rng.random() < 0.2:
            entry |= {"status": rng.choice(["empty", "timeout", "error"]), "results": []}
        for result in entry["results"]:
            if rng.random() < 0.3:
                result["score"] = None
            if rng.random() < 0.4:
                result["overlap"] = [rng.choice([None, 0, 1, 0.5]) for _ in range(14)]
            if rng.random() < 0.4:
                result |= {"clicks": rng.choice([0, 1.5]), "examinations": rng.choice([0.25, 3])}
    shown = sorted({result["entity_id"] for entry in draws for result in entry["results"]})[: rng.randrange(4)]
    decision = {**content["decisions"][0], "action_taken": plan}
    if rng.random() < 0.3:
        decision["taken_features"] = [0.25, -0.1, 0.0, 0.668]
    content |= {
        "looks": looks,
        "draws": draws,
        "decisions": [decision],
        "slate": [
            {"entity_id": entity, "position": n + 1, "features": [rng.choice([None, 1, 0.5])]}
            for n, entity in enumerate(shown)
        ],
        "context": rng.choice([{}, {"device": "phone", "a": "b"}, {"z": "}", "a": "\u00e9"}]),
        "user": rng.choice(["", "person-1", "person-2"]),
    }
    if rng.random() < 0.2:
        content |= {"version_propensity": rng.choice([0.5, 1])}
    if rng.random() < 0.2:
        content |= {"served_by": rng.choice(["static", "fallback"]), "decisions": rng.choice([[], [decision]])}
    return content


def test_records_of_all_kinds_are_read_alike() -> None:
    rng = random.Random(8)
    contents = [varied_record(rng, number) for number in range(400)]
    lines = [json.dumps(content, ensure_ascii=rng.random() < 0.5).encode() for content in contents]
    assert check_equal(HISTORY, lines) > 200


scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=6)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
near_numbers = st.sampled_from([0, 1, -0.0, 1.0, 2, 1.5, 1.0000009, 0.1666667, 2**31, 2**53 + 1, "e1", "title", [], {}])
times = st.sampled_from(
    [
        *(0, 1771000000, 1771000000000, 1771000000000123, 1771000000000000001, 99999999999999999999, -1, 1.5),
        *("2026-02-20T10:00:00Z", "2026-02-20T10:00:00.1234567Z", "2026-02-20T10:00:00+0100", "2026-02-20 10:00"),
        *("2026-02-30T10:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999Z"),
        *("2026-03-02T23:59:59.999999Z", "2026-03-03T00:00:04Z", "2026-03-03T00:00:06Z", "1771000000"),
    ]
)


def _paths(content: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path for key, value in inside for path in ((*prefix, key), *_paths(value, (*prefix, key)))]


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A document with some of its values changed, removed or added; or its text cut or broken."""
    base = draw(
        st.sampled_from([search(1), event(1, "click", 0), event(2, "impression", 1), {"index": {"_index": "i"}}])
        | st.builds(lambda seed: varied_record(random.Random(seed), seed), st.integers(0, 99))
        | st.just(event_of(3))
    )
    content = json.loads(json.dumps(base))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(_paths(content) or [()]))
        if not path:
            break
        place = content
        for key in path[:-1]:
            place = place[key]
        if draw(st.booleans()):
            place.pop(path[-1])
        else:
            place[path[-1]] = draw(times if path[-1] in ("timestamp", "at") else values | near_numbers)
    if draw(st.integers(0, 9)) == 0:
        content[draw(st.sampled_from(["event_id", "user_id", "session_id", "query_attributes", "create", "x"]))] = draw(
            values
        )
    line = json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    damage = draw(st.integers(0, 19))
    if damage == 0:
        line = line[: draw(st.integers(0, len(line)))]
    elif damage == 1:
        place = draw(st.integers(0, len(line)))
        line = line[:place] + draw(st.sampled_from([b"\xff", b"\x00", b"\t", b"{}", b"}", b'"', b"\r"])) + line[place:]
    return line.replace(b"\n", b" ")


@settings(max_examples=60, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=12))
def test_any_lines_are_read_alike(lines: list[bytes]) -> None:
    for reader in (UBI, HISTORY, NIGHTLY):
        check_equal(reader, lines)
