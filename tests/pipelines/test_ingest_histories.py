"""A history of UBI documents: slates, joined events, and the same tables from any files."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltrr.logs.secret import SECRET_VARIABLE
from tests.logs.log_lines import write_folder
from tests.logs.ubi_documents import FIRST, LAST, as_bulk, as_csv, as_line, event, search, shop_log, shuffled
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = pytest.mark.spark

DATA = Path(os.environ.get("LTRR_UBI_DATA") or Path(__file__).parents[3] / "shared" / "data" / "ubi")
LOG = DATA / "queries_events.ndjson.gz"
TABLES = ("impressions", "slate_rows", "events")
# Where a line stood is part of `events`, and differs between files by nature.
PLACE = {"source", "offset", "line_hash"}


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)


def ingested(spark, path: Path, files: dict[str, list[bytes]], *, runs: int = 1) -> Home:
    home = Home(spark, path, FIRST, first_night=LAST)
    write_folder(home.logs, LAST, files)
    for _ in range(runs):
        home.ingest(LAST)
    return home


def contents(home: Home) -> dict[str, Counter[str]]:
    return {
        name: Counter(
            str({key: value for key, value in row.asDict().items() if key not in PLACE}) for row in home.rows(name)
        )
        for name in TABLES
    }


@pytest.mark.long
def test_slates_are_impression_events_or_the_response_and_events_join_them(spark, tmp_path: Path) -> None:
    home = ingested(spark, tmp_path / "bulk", {"ubi-1.ndjson": as_bulk(shop_log())})
    slates = Counter(row.impression_id for row in home.rows("slate_rows"))
    assert slates == {f"q{n}": 3 if n % 2 == 0 else 5 for n in range(40)}
    kinds = Counter((row.kind, row.status) for row in home.rows("events"))
    assert kinds == {("impression", "joined"): 60, ("click", "joined"): 14, ("add_to_cart", "joined"): 5}
    clicked = {row.impression_id: row.page_reward for row in home.rows("slate_rows", "clicks = 1")}
    assert clicked == {f"q{n}": 1.0 for n in range(0, 40, 3)}
    assert {row.log_date for row in home.rows("impressions")} <= {
        date.fromordinal(n) for n in range(FIRST.toordinal(), LAST.toordinal() + 1)
    }
    checks = {row.check: row.figure for row in home.rows("data_quality")}
    assert (checks["row_balance"], checks["structure_lines"]) == (0.0, len(shop_log()))
    assert home.rows("decisions") == []
    check_any_files_give_the_same_tables(spark, tmp_path / "mixed", contents(home))


def check_any_files_give_the_same_tables(spark, path: Path, expected: dict[str, Counter[str]]) -> None:
    """Shuffled, repeated, in files of all kinds side by side, in sub-folders, ingested twice."""
    log = shuffled(shop_log(), 3)
    folder = write_folder(
        path / "logs",
        LAST,
        {
            "ubi-2.jsonl": [*map(as_line, log[:20])],
            "host-a/ubi-1.json.gz": as_bulk(log[20:40]),
            "host-b/ubi-1.ndjson.1": [line + b"\r" for line in map(as_line, log[40:60])],
            "ubi-3.csv": [as_csv(log[60:80])],
        },
    )
    (folder / "ubi-1.ndjson.zst").write_bytes(pa.compress(b"\n".join(map(as_line, log[80:])), "zstd", asbytes=True))
    copies = log[::2]
    searches = [document for document in copies if "user_query" in document]
    actions = [document for document in copies if "user_query" not in document]
    for name, rows in (("queries", searches), ("events", actions)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"ubi-{name}.parquet")
    home = ingested(spark, path, {}, runs=2)
    assert contents(home) == expected
    rejected = Counter(row.reason for row in home.rows("rejected_rows"))
    assert rejected == {"same_search": len(searches), "duplicate": len(actions)}
    assert {row.figure for row in home.rows("data_quality", "check = 'row_balance'")} == {0.0}


@pytest.mark.long
def test_documents_of_one_search_are_joined_and_positions_count_from_one(spark, tmp_path: Path) -> None:
    pages = [
        search(0, query_response_hit_ids=[]),
        search(0, query_response_hit_ids=["a", "b"], timestamp="2026-02-03T09:00:00.010Z"),
        search(0, query_response_hit_ids=["c"], timestamp="2026-02-03T09:00:09.000Z"),
        search(0, query_response_hit_ids=["b", "a"], timestamp="2026-02-03T09:00:10.000Z"),
        search(0, query_response_hit_ids=["x"], user_query="Other", timestamp="2026-02-03T09:00:11.000Z"),
    ]
    from_zero = [search(1), *(event(1, "view", place) for place in range(2))]
    for place, document in enumerate(from_zero[1:]):
        document["event_attributes"]["position"]["ordinal"] = place
    twice = [search(2), event(2, "impression", 0, seconds=1), event(2, "impression", 4, seconds=2)]
    twice[2]["event_attributes"]["position"]["ordinal"] = 1
    home = ingested(
        spark,
        tmp_path,
        {"ubi-1.ndjson": [*map(as_line, shuffled([*pages, *from_zero, *twice, event(1, "click", 1)], 1))]},
    )
    found = {(row.impression_id, row.position): row.entity_id for row in home.rows("slate_rows")}
    assert found == {
        ("q0", 1): "a",
        ("q0", 2): "b",
        ("q0", 3): "c",
        ("q1", 1): "e1-0",
        ("q1", 2): "e1-1",
        ("q2", 1): "e2-0",
    }
    assert Counter(row.reason for row in home.rows("rejected_rows")) == {"same_search": 1}


@pytest.mark.long
def test_shown_events_of_a_later_night_replace_the_response(spark, tmp_path: Path) -> None:
    """The last date of a history stays open for one night, as every date does."""
    late = search(0, timestamp=f"{LAST}T23:59:00Z")
    home = ingested(
        spark, tmp_path, {"ubi-1.ndjson": [as_line(late), as_line(search(1)), as_line(event(1, "click", 0))]}
    )
    assert len(home.rows("slate_rows", "impression_id = 'q0'")) == 5
    after = date(2026, 3, 3)
    shown = [event(0, "impression", place, timestamp=f"{after}T00:00:01Z") for place in (0, 1)]
    click = event(0, "click", 1, timestamp=f"{after}T00:00:05Z")
    other = search(2, timestamp=f"{after}T08:00:00Z")
    write_folder(home.logs, after, {"ubi-1.ndjson": [*map(as_line, [*shown, click, other])]})
    home.ingest(after)
    rows = {row.position: (row.entity_id, row.clicks) for row in home.rows("slate_rows", "impression_id = 'q0'")}
    assert rows == {1: ("e0-0", 0), 2: ("e0-1", 1)}


@pytest.mark.skipif(not LOG.exists(), reason=f"no UBI data in {DATA}: set LTRR_UBI_DATA")
def test_the_sample_log_is_one_history_with_every_line_accounted_for(spark, tmp_path: Path) -> None:
    home = Home(spark, tmp_path, date(2024, 6, 4), first_night=date(2025, 3, 3))
    folder = write_folder(home.logs, date(2025, 3, 3), {})
    (folder / "ubi-1.ndjson.gz").write_bytes(LOG.read_bytes())
    home.ingest(date(2025, 3, 3))
    documents = [json.loads(line) for line in gzip.decompress(LOG.read_bytes()).splitlines()]
    actions = Counter((line["application"], line["action_name"]) for line in documents if "action_name" in line)
    searches = {
        line["query_id"]: line["application"]
        for line in documents
        if "user_query" in line and "action_name" not in line
    }
    kept = Counter((row.surface, "search") for row in home.rows("impressions"))
    assert kept == Counter((application, "search") for application in searches.values())
    surface = {row.impression_id: row.surface for row in home.rows("impressions")}
    joined = Counter((surface[row.impression_id], row.kind) for row in home.rows("events", "status = 'joined'"))
    assert joined == {
        ("Chorus", "impression"): 932,
        ("Chorus", "click"): 145,
        ("Chorus", "add_to_cart"): 153,
        ("esci_ubi_sample", "impression"): 1000,
        ("esci_ubi_sample", "click"): 60,
    }
    assert all(joined[key] <= actions[key] for key in joined)
    checks = {row.check: row.figure for row in home.rows("data_quality")}
    assert (checks["row_balance"], checks["structure_lines"]) == (0.0, 3_921)
    rejected = Counter(row.reason for row in home.rows("rejected_rows"))
    lines = sum("action_name" in line or "user_query" in line for line in documents)
    assert lines == 3_921
    # Clicks on entities that the slate does not show wait for a line that shows them.
    waiting = home.table("events").where("status = 'waiting'").count()
    assert waiting == checks["waiting_events"] == 108
    settled = sum(joined.values()) + waiting + sum(rejected.values())
    assert sum(kept.values()) + checks["page_lines"] + settled == lines
    # Positions from 0 in one application, from 1 in the other: both start at 1 in the tables.
    assert {row.position for row in home.rows("slate_rows")} >= {1, 2, 3}
    assert min(row.position for row in home.rows("slate_rows")) == 1
