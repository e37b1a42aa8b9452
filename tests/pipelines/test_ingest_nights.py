"""Consecutive nights: late lines, waiting events, repeated ids, and reruns."""

from __future__ import annotations

import gzip
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ltrr.errors import ConfigError, LtrrError, NotReadyError
from ltrr.logs.folder import SUCCESS
from ltrr.logs.log_rows import to_impressions, to_nested_rows
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from ltrr.pipelines import ingest_logs
from ltrr.pipelines.ingest_logs import Intake
from ltrr.spark.columns import conform
from ltrr.spark.delta import digest_of
from ltrr.tables.catalog import table
from ltrr.users.settings import UserSettings
from tests.assertions import assert_keys_are_unique
from tests.logs.log_lines import NIGHT, event, noon, record, write_folder
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = pytest.mark.spark

NEXT = NIGHT + timedelta(days=1)
BEFORE = NIGHT - timedelta(days=1)
FORGOTTEN = "person-who-left"
# User of record(3), who searches only on the first date.
ROBOT = "person-3"
# One line is a large share of these small nights, so the limit is off.
PATIENT = LogSettings(late_days=1, rejected_share_limit=1.0, volume_factor=100.0)

FIRST_NIGHT: list[dict[str, Any]] = [
    *(record(n) for n in range(10)),
    record(10, at=noon(BEFORE)),
    event(0),
    event(0, event_id="again-but-another-click"),
    event(2, entity=1, kind="purchase"),
    event(20, event_id="comes-before-its-impression", at=noon(minutes=2)),
    event(99, event_id="of-no-impression"),
]
SECOND_NIGHT: list[dict[str, Any]] = [
    record(20, at=noon(minutes=1)),
    *(record(n, at=noon(NEXT)) for n in range(21, 26)),
    record(26, at=noon(NEXT), user=FORGOTTEN),
    record(0),
    event(0, event_id="bought-the-next-day", kind="purchase", at=noon(NEXT, minutes=-60)),
    event(1, event_id="bought-too", kind="purchase", at=noon(NEXT)),
    event(0, at=noon(NEXT)),
    event(10, event_id="of-a-closed-date", kind="purchase", at=noon(NEXT, minutes=-700)),
    event(22, at=noon(NEXT, minutes=5)),
]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)


@pytest.fixture(scope="module")
def two_nights(_session, tmp_path_factory: pytest.TempPathFactory) -> Home:
    excluded = UserSettings(excluded=(Pseudonyms(SECRET).user(ROBOT),))
    house = Home(_session, tmp_path_factory.mktemp("home"), NIGHT, PATIENT, excluded)
    write_folder(house.logs, NIGHT, {"events-1.ndjson": FIRST_NIGHT[11:], "decisions-1.ndjson": FIRST_NIGHT[:11]})
    write_folder(house.logs, NEXT, {"decisions-1.ndjson": SECOND_NIGHT[:8], "events-1.ndjson": SECOND_NIGHT[8:]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_VARIABLE, SECRET)
        house.ingest(NIGHT)
        user_key = Pseudonyms(SECRET).user(FORGOTTEN)
        gone = _session.createDataFrame([(user_key, NIGHT)], "user_key string, since date")
        house.warehouse.append(table("forgotten_users"), gone)
        house.ingest(NEXT)
    return house


def events(house: Home) -> dict[str, tuple[str, str | None]]:
    return {row.event_id: (row.status, row.reason) for row in house.rows("events")}


def test_a_late_purchase_lands_in_the_partition_of_its_impression(two_nights: Home) -> None:
    shown = two_nights.rows("slate_rows", f"log_date = DATE'{NIGHT}' and page_reward > 0")
    # Impression 0 has two clicks and a purchase on the next day; an entity can earn once.
    assert {(row.impression_id, row.entity_id, row.clicks, row.page_reward) for row in shown} == {
        ("i0", "e0", 1, 1.0),
        ("i1", "e1", 0, 1.0),
        ("i2", "e3", 0, 1.0),
        ("i20", "e20", 1, 1.0),
    }
    assert {row.log_date for row in two_nights.rows("events", "event_id = 'bought-too'")} == {NIGHT}


def test_an_impression_that_arrives_a_day_late_joins_the_event_that_waited(two_nights: Home) -> None:
    assert events(two_nights)["comes-before-its-impression"] == ("joined", None)
    arrived = two_nights.rows("impressions", "impression_id = 'i20'")[0]
    assert (arrived.log_date, arrived.arrival_date) == (NIGHT, NEXT)
    early = two_nights.rows("impressions", "impression_id = 'i10'")[0]
    assert (early.log_date, early.arrival_date) == (BEFORE, NIGHT)


def test_what_cannot_count_is_rejected_by_name_whenever_it_is_settled(two_nights: Home) -> None:
    assert events(two_nights)["of-no-impression"] == ("rejected", "unmatched")
    assert events(two_nights)["of-a-closed-date"] == ("rejected", "late")
    rejected = {(r.source, r.offset): r.reason for r in two_nights.rows("rejected_rows")}
    assert rejected == {
        # In the folder of the first night, rejected on the second night.
        (f"dt={NIGHT}/events-1.ndjson", 5): "unmatched",
        (f"dt={NEXT}/decisions-1.ndjson", 7): "forgotten",
        (f"dt={NEXT}/decisions-1.ndjson", 8): "duplicate",
        (f"dt={NEXT}/events-1.ndjson", 3): "duplicate",
        (f"dt={NEXT}/events-1.ndjson", 4): "late",
    }
    assert not two_nights.rows("events", "status = 'waiting'")
    balance = two_nights.rows("data_quality", "check = 'row_balance'")
    assert {row.figure for row in balance} == {0.0}


LOG_TABLES = (
    "events",
    "impressions",
    "decisions",
    "draws",
    "candidates",
    "slate_rows",
    "rejected_rows",
    "data_quality",
)


def test_an_excluded_user_is_named_every_night_and_raw_tables_stay_whole(two_nights: Home) -> None:
    key = Pseudonyms(SECRET).user(ROBOT)
    limited = [
        (r.log_date, r.user_key, r.impressions, r.counted_share, r.reason) for r in two_nights.rows("limited_users")
    ]
    assert limited == [(NIGHT, key, 1, 0.0, "setting")]
    named = two_nights.rows("data_quality", f"check = 'user_{key}'")
    assert {(row.log_date, row.verdict) for row in named} == {(NIGHT, "reported"), (NEXT, "reported")}
    assert all("excluded (setting): 1 impressions" in row.detail for row in named)
    assert len(two_nights.rows("impressions", f"user_key = '{key}'")) == 1
    assert two_nights.rows("slate_rows", f"user_key = '{key}'")


def test_each_table_holds_each_of_its_keys_once(two_nights: Home) -> None:
    assert_keys_are_unique(two_nights.warehouse, filled=LOG_TABLES)


def test_no_user_is_named_in_a_plan_or_table(two_nights: Home) -> None:
    intake = Intake(two_nights.night(NEXT))
    plans = [frame._jdf.queryExecution().toString() for frame in (intake.parsed, intake.settled_events)]
    rows = [str(two_nights.rows(name)) for name in ("impressions", "decisions", "slate_rows", "rejected_rows")]
    commits = [file.read_text() for file in (two_nights.path / "tables").rglob("_delta_log/*.json")]
    for text in (*plans, *rows, *commits):
        assert SECRET not in text
        assert "person-" not in text
        assert "visit-" not in text
    # The quarantine has no line of a forgotten user.
    files = (two_nights.path / "quarantine").rglob("*.gz")
    aside = b"".join(gzip.decompress(file.read_bytes()) for file in files)
    assert b"of-a-closed-date" in aside
    assert FORGOTTEN.encode() not in aside


@pytest.mark.long
def test_the_same_night_again_writes_nothing_new(two_nights: Home) -> None:
    first = two_nights.night(NEXT).commits.run("ingest_logs", NEXT)
    again = two_nights.ingest(NEXT)
    assert first is not None
    assert (again.attempt, again.outputs) == (first.attempt + 1, first.outputs)


def test_the_order_of_files_and_lines_does_not_matter(two_nights: Home, spark, home: Path) -> None:
    lines = list(FIRST_NIGHT)
    random.Random(3).shuffle(lines)
    house = Home(spark, home, NIGHT, PATIENT)
    write_folder(house.logs, NIGHT, {"events-9 z.ndjson.gz": lines[:6], "decisions-0.ndjson": lines[6:]})
    intake = Intake(house.night(NIGHT))
    run = two_nights.night(NIGHT).commits.run("ingest_logs", NIGHT)
    assert run is not None
    ordered = {output.table: (output.rows, output.digest) for output in run.outputs}
    slates = intake.slates.with_rewards(intake.entity_rewards())
    frames = {
        "impressions": to_impressions(intake.decisions),
        "slate_rows": slates,
        **{name: to_nested_rows(intake.decisions, name) for name in ("decisions", "draws", "candidates")},
    }
    for name, frame in frames.items():
        assert digest_of(conform(frame, table(name)), table(name)) == ordered[name], name
    assert intake.settled_events.count() == ordered["events"][0]


def test_without_a_secret_nothing_is_read(spark, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE)
    with pytest.raises(ConfigError, match=SECRET_VARIABLE) as refused:
        ingest_logs.run(Home(spark, home, NIGHT).night(NIGHT))
    assert refused.value.exit_code == 2


def test_logs_that_are_not_there_or_not_closed_are_not_ready(spark, home: Path) -> None:
    house = Home(spark, home, NIGHT)
    with pytest.raises(NotReadyError, match=rf"logs of {NIGHT} are not there: .*dt={NIGHT}") as missing:
        ingest_logs.run(house.night(NIGHT))
    write_folder(house.logs, NIGHT, {"decisions-1.ndjson": [record(1)]}, close=False)
    with pytest.raises(NotReadyError, match=rf"not closed: .*no {SUCCESS} in it"):
        ingest_logs.run(house.night(NIGHT))
    assert missing.value.exit_code == 3
    assert not (home / "tables").exists()


def test_a_torn_file_is_one_clear_error(spark, home: Path) -> None:
    house = Home(spark, home, NIGHT)
    folder = write_folder(house.logs, NIGHT, {"decisions-1.ndjson.gz": [record(n) for n in range(200)]})
    torn = folder / "decisions-1.ndjson.gz"
    torn.write_bytes(torn.read_bytes()[:-100])
    with pytest.raises(LtrrError, match=r"log file cannot be read to its end: .*decisions-1\.ndjson\.gz") as fault:
        ingest_logs.run(house.night(NIGHT))
    assert "\n" not in str(fault.value)
    assert not (home / "tables").exists()
