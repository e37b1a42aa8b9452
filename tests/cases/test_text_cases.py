"""Cases from public reports about texts, built from inputs of our own.

Each test names the case and the reports that it is made after.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltrr.artifacts.decision_record import record_line
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.record_checks import check_decision_record
from ltrr.cli import main
from ltrr.core.queries import query_key
from ltrr.core.situation import Situation
from ltrr.errors import NotReadyError
from ltrr.logs.line_rows import LineReader
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.serving import Block, Policy, replay
from ltrr.tracking.settings import TrackingSettings
from ltrr.tracking.store import connect

NIGHT = date(2026, 3, 2)
STRATEGIES = ("title", "memory", "popular")
READER = LineReader(NIGHT, NIGHT - timedelta(days=1), frozenset(STRATEGIES), LogSettings(), Pseudonyms("x"))


@pytest.mark.parametrize(
    "texts",
    [
        ("\u2764\ufe0f songs", "\u2764 songs", "\u2764\ufe0e songs"),
        ("\u260e\ufe0f", "\u260e\ufe0e", "\u260e"),
        ("1\ufe0f\u20e3", "1\u20e3"),
    ],
)
def test_query_heart_a_variation_selector_makes_no_other_query(texts: tuple[str, ...]) -> None:
    """milesj/emojibase#1, JuliaStrings/utf8proc PR 102."""
    (key,) = {query_key(text) for text in texts}
    assert query_key(key) == key != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C#", "C"),
        ("F#", "F"),
        ("C++", "C"),
        ("100%", "100"),
        ('7"', "7"),
        (".NET", "net"),
        ("3.5", "35"),
        ("AT&T", "at t"),
        ("@madonna", "madonna"),
        ("#live", "live"),
        ("$5", "5"),
        ("!!!", "???"),
        ("!!!", ""),
        ("*\ufe0f\u20e3", "#\ufe0f\u20e3"),
    ],
)
def test_query_sharp_a_mark_with_a_meaning_makes_another_query(one: str, other: str) -> None:
    """typesense/typesense#455, Pagefind/pagefind#639."""
    assert query_key(one) != query_key(other)
    assert query_key(f"  {one} ") == query_key(one)


def test_query_turkish_the_dot_of_a_capital_i_is_part_of_it() -> None:
    """OHF-Voice/hassil#295, 4gray/iptvnator#609."""
    assert query_key("\u0130stanbul") == query_key("istanbul") == query_key("I\u0307STANBUL")
    assert query_key("\u0130N\u015e") == query_key("in\u015f")
    assert query_key("\u0131l\u0131k") != query_key("ilik")


@pytest.mark.parametrize("unit", [0xD83D, 0xDC00])
def test_serve_half_emoji_the_search_is_logged_and_ingested(tmp_path: Path, unit: int) -> None:
    """encode/django-rest-framework#6895, infiniflow/ragflow PR 9246."""
    half = chr(unit)
    publish_first_champion(tmp_path, PolicySettings("search", STRATEGIES, 2, 2), NIGHT)
    policy = Policy.load(tmp_path / "search")
    query, entity, user = (json.loads(json.dumps(text + half)) for text in ("party ", "e1", "u1"))
    now = Situation(datetime(2026, 3, 2, 12, tzinfo=UTC), 0, f"home{half}", {f"device{half}": f"phone{half}"})
    looks = [Block(name, 1, "ok", (entity, "e2"), (1.0, 0.5)) for name in ("title", "popular")]
    looks.append(Block("memory", 1, "empty"))
    served = policy.for_user(user)
    choice = served.plan(query, looks, f"i1{half}", situation=now)
    drawn = [Block(name, depth, "ok", (entity, f"{name}{depth}{half}"), (1.0, 0.5)) for name, depth in choice.blocks]
    slate = served.rank(query, drawn).top(10)
    record = served.record(
        impression_id=f"i1{half}",
        query_text=query,
        user=user,
        session=f"s1{half}",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=slate,
    )
    assert record["query_text"] == "party \ufffd"
    assert (record["user"], record["session"], record["impression_id"]) == ("u1\ufffd", "s1\ufffd", "i1\ufffd")
    assert (record["surface"], record["context"]) == ("home\ufffd", {"device\ufffd": "phone\ufffd"})
    # An entity has one id in looks, draws and page; the service keeps its own.
    ids = {result["entity_id"] for kind in ("looks", "draws") for block in record[kind] for result in block["results"]}
    assert "e1\ufffd" in {row["entity_id"] for row in record["slate"]} <= ids
    assert entity in slate.entity_ids
    assert check_decision_record(record) == []
    assert replay(policy, record).is_exact
    line = record_line(record).encode()
    row = READER.row(line, "decisions-1.ndjson")
    assert row["impression"]["query_key"] == policy.key(query) == query_key(query)
    event = {"event_id": f"v{half}", "impression_id": f"i1{half}", "entity_id": entity, "kind": "click"}
    click = READER.row(record_line({**event, "at": "2026-03-02T12:01:00Z", "value": None}).encode(), "events-1.ndjson")
    assert (click["event"]["impression_id"], click["event"]["entity_id"]) == ("i1\ufffd", "e1\ufffd")


@pytest.mark.spark
def test_slice_brackets_a_slice_is_shown_as_it_was_logged(
    spark: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Textualize/rich (markup), ovh/tygenie#38."""
    queries = ["[deluxe] abbey road", "a [/b] c", "plain", "[link=x]y", "esc \x1b[31m"]
    rows = [
        {"query": query, "logging_propensity": 0.5, "pi": 0.5, "reward": float(n % 2), "user": f"u{n}"}
        for query in queries
        for n in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "log.parquet")
    code = main(
        ["ope", str(tmp_path / "log.parquet"), "--target-propensity", "pi", "--estimator", "ips", "--slice", "query"]
    )
    out = capsys.readouterr().out
    assert code == 0
    for shown in (*queries[:-1], r"esc \x1b[31m"):
        assert f"query={shown}" in " ".join(out.split())
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("fraction", "microsecond"), [("", 0), (".123456789", 123456), (".1234567", 123456), (".999999999", 999999)]
)
def test_ingest_nanoseconds_times_of_go_and_dotnet_are_read(fraction: str, microsecond: int) -> None:
    """Graylog2/graylog2-server#17493, canonical/pebble PR 29: cut to microseconds, not rounded."""
    event = {"event_id": "v", "impression_id": "i", "entity_id": "e", "kind": "click", "value": None}
    for zone in ("Z", "+00:00"):
        line = record_line({**event, "at": f"2026-03-02T23:59:59{fraction}{zone}"}).encode()
        at = READER.row(line, "events-1.ndjson")["event"]["at"]
        assert at == datetime(2026, 3, 2, 23, 59, 59, microsecond, tzinfo=UTC)


def test_mlflow_locked_a_held_database_is_one_sentence_and_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mlflow/mlflow PR 6490; `tests/tracking` covers faults between two writes."""
    monkeypatch.setattr("ltrr.tracking.store._SQLITE_SECONDS", 0.1)
    settings = TrackingSettings().under(tmp_path)
    connect(settings)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotReadyError, match="database is locked") as refused:
            connect(settings)
    assert refused.value.exit_code == 3
