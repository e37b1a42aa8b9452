"""Cases of public bug reports about folders of logs: every line of a night is read or named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from ltrr.errors import LtrrError
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from tests.logs.log_lines import NIGHT, as_bytes, event, record, write_folder
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = pytest.mark.spark


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)


@pytest.mark.long
def test_files_of_all_names_hosts_and_hours_are_read_once(spark, tmp_path: Path) -> None:
    """Rotated, renamed and packed files, the folder of a host, and hours with equal names."""
    home = Home(spark, tmp_path, NIGHT, LogSettings(rejected_share_limit=0.2))
    decisions, events = [record(n) for n in range(20)], [event(n) for n in range(20)]
    folder = write_folder(
        home.logs,
        NIGHT,
        {
            "decisions-1.ndjson": decisions[:3],
            "decisions-2.jsonl": decisions[3:6],
            "decisions-4.ndjson.1": decisions[6:9],
            "events-1.json": events[:10],
            "host-a/decisions-1.ndjson": decisions[9:12],
            # The number of a line is that in its own file: the cut line of hour 6 is the third.
            "hour=05/decisions-1.ndjson": decisions[12:15],
            "hour=06/decisions-1.ndjson": [decisions[15], decisions[16], as_bytes(decisions[17])[:200]],
            "hour=06/events-1.ndjson": events[10:],
            "hour=07/decisions-1.ndjson": [decisions[17], decisions[12], decisions[18]],
            "hour=08/events-1.ndjson": [events[10]],
        },
    )
    (folder / "decisions-3.ndjson.zst").write_bytes(pa.compress(as_bytes(decisions[19]), "zstd", asbytes=True))
    home.ingest(NIGHT)
    assert {row.impression_id for row in home.rows("impressions")} == {f"i{n}" for n in range(20)}
    assert Counter(row.status for row in home.rows("events")) == {"joined": 20}
    assert Counter(row.reason for row in home.rows("rejected_rows")) == {"duplicate": 2, "truncated_json": 1}
    assert [row.figure for row in home.rows("data_quality", "check = 'row_balance'")] == [0.0]


@pytest.mark.parametrize(
    ("name", "data", "named"),
    [
        ("decisions-12:00:00.ndjson", b"{}", "a colon in the name"),
        ("decisions-1.ndjson.gz", b"not packed", "decisions-1.ndjson.gz"),
        ("decisions-1.ndjson.zst", b"not packed", "decisions-1.ndjson.zst"),
        ("decisions-1.ndjson.zst", pa.compress(b"{}\n" * 9, "zstd", asbytes=True)[:-4], "decisions-1.ndjson.zst"),
        ("decisions-1.parquet", b"README", "decisions-1.parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error_that_names_it(
    spark, tmp_path: Path, name: str, data: bytes, named: str
) -> None:
    home = Home(spark, tmp_path, NIGHT)
    folder = write_folder(home.logs, NIGHT, {"decisions-0.ndjson": [record(1)]})
    (folder / name).write_bytes(data)
    with pytest.raises(LtrrError, match=named) as refused:
        home.ingest(NIGHT)
    assert refused.value.exit_code == 1
    assert "\n" not in str(refused.value)
    assert home.rows("impressions") == []


@pytest.mark.long
def test_lines_of_other_systems_are_read_or_named_with_the_way_in(spark, tmp_path: Path) -> None:
    """A file of UBI is read; Metarank's lines are named, with the page that has their mapping."""
    home = Home(spark, tmp_path, NIGHT, LogSettings(rejected_share_limit=1.0))
    at = f"{NIGHT}T12:00:00Z"
    hits = ["e1", "e2"]
    query = {"query_id": "q1", "user_query": "love", "client_id": "c", "timestamp": at, "query_response_hit_ids": hits}
    click = {"action_name": "click", "query_id": "q1", "client_id": "c", "timestamp": at}
    click["event_attributes"] = {"object": {"object_id": "e2"}, "position": {"ordinal": 2}}
    bulk = {"index": {"_index": "ubi_events"}}
    ranking = {"event": "ranking", "id": "r1", "timestamp": "1772452800000", "items": [{"id": "e1"}]}
    write_folder(
        home.logs,
        NIGHT,
        {
            "events-ubi.ndjson": [json.dumps(line).encode() for line in (bulk, query, bulk, click)],
            "events-metarank.ndjson": [json.dumps(ranking).encode()],
        },
    )
    home.ingest(NIGHT)
    assert {(row.entity_id, row.clicks) for row in home.rows("slate_rows")} == {("e1", 0), ("e2", 1)}
    [rejected] = home.rows("rejected_rows")
    assert rejected.reason == "foreign_format"
    assert "Metarank" in rejected.detail
    assert "docs/how-to/bring-a-log.md" in rejected.detail
