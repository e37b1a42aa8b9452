"""A forgotten user is in no table and in no readable version; other rows stay correct."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace

import pytest

from ltrr.core.hashing import user_key
from ltrr.errors import CommitError
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from ltrr.pipelines import forgetting, ingest_logs, job_runner, runner, staleness
from ltrr.pipelines.forgetting import forget_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.runner import run_job
from ltrr.tables.catalog import table
from tests.logs.log_lines import NIGHT, event, noon, record, write_folder
from tests.pipelines.ingest_nights import SECRET, Home
from tests.pipelines.named_bytes import files_naming, user_with_small_key

pytestmark = pytest.mark.spark

GONE = user_with_small_key(SECRET)
DATES = [NIGHT + timedelta(days=n) for n in range(2)]


@pytest.fixture(autouse=True)
def _only_ingest(monkeypatch):
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr(Night, "tracking", SimpleNamespace(night_run_id="untracked"))
    monkeypatch.setattr(job_runner, "load_job", {"ingest_logs": ingest_logs.run}.__getitem__)
    for module in (runner, staleness, forgetting):
        monkeypatch.setattr(module, "JOBS", ("ingest_logs",))


def tables_naming(house: Home, *names: str) -> set[str]:
    """Tables with a byte that holds one of the names."""
    return {name.split("/")[0] for name in files_naming(house.path / "tables", names)}


def write_day(house: Home, day: date, *, is_on_night: bool) -> None:
    """Logs of a date with searches and clicks of GONE and of four others.

    Args:
        house: Home of the logs.
        day: Date of the logs.
        is_on_night: Whether GONE searches on NIGHT too.
    """
    at = {"at": noon(day), "user": GONE}
    there = [record(100, impression_id=f"gone-{day}", **at)]
    if day == NIGHT and not is_on_night:
        there = []
    if day == DATES[1]:
        # A search in the last second of the date before. The night that ingests it is not that
        # of its date.
        late = datetime.combine(NIGHT, time(23, 59, 59), UTC)
        there.append(record(101, at=late, user=GONE, impression_id="gone-late"))
    clicks = [
        event(0, at=noon(day, minutes=1), event_id=f"click-{day}", impression_id=f"0-{day}"),
        *(
            event(100 + number, at=noon(day, minutes=2), event_id=f"gone-{day}-{number}", impression_id=name)
            for number, name in enumerate([f"gone-{day}", "gone-late"][: len(there)])
        ),
    ]
    others = [record(n, at=noon(day), impression_id=f"{n}-{day}") for n in range(4)]
    write_folder(house.logs, day, {"decisions-1.ndjson": [*there, *others], "events-1.ndjson": clicks})


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("repair_days", [60, 1])
def test_a_forgotten_user_is_in_no_table_and_in_no_readable_version(spark, home, repair_days):
    """Rows of a date that is too old to run again are deleted.

    The repair window has one night, so the first date is too old.
    """
    house = Home(spark, home, NIGHT, LogSettings(rejected_share_limit=1.0, volume_factor=100.0))
    settings = house.settings
    settings = replace(settings, nights=replace(settings.nights, repair_days=repair_days))
    for day in DATES:
        write_day(house, day, is_on_night=repair_days != 60)
        run_job(spark, settings, "ingest_logs", day)
    key = user_key(SECRET, GONE)
    newest = house.warehouse.read(table("impressions"))
    assert newest.where(f"user_key = '{key}'").count() == (2 if repair_days == 60 else 3)
    assert house.warehouse.read(table("events")).where("impression_id like 'gone-%'").count() > 0
    assert tables_naming(house, key) >= {"impressions", "decisions", "slate_rows"}

    found = forget_users(spark, settings, [key], DATES[-1])

    assert found.dates == DATES
    assert house.warehouse.read(table("events")).where("impression_id like 'gone-%'").count() == 0
    for name in ("impressions", "decisions", "draws", "candidates", "slate_rows"):
        rows = house.warehouse.read(table(name))
        assert rows.where("impression_id like 'gone-%'").count() == 0, name
        assert rows.select("impression_id").distinct().count() == 8, f"{name} of all others is there"
        with pytest.raises(CommitError, match="a user was forgotten"):
            house.warehouse.read(table(name), 0)
    assert (found.rows_deleted == {}) == (repair_days == 60)
    assert tables_naming(house, GONE, key) == {"forgotten_users"}
    # The same command again, as after a kill, with another user whose dates cannot be run again.
    assert forget_users(spark, settings, [key], DATES[-1]).rows_deleted == {}
    other = user_key(SECRET, "person-1")
    found = forget_users(spark, settings, [other], DATES[-1])
    assert found.runs == []
    assert found.rows_deleted["impressions"] == 2
    assert house.warehouse.read(table("impressions")).where(f"user_key = '{other}'").count() == 0
    assert tables_naming(house, "person-1", other) == {"forgotten_users"}
    # The next night continues from there.
    after = DATES[-1] + timedelta(days=1)
    write_folder(
        house.logs,
        after,
        {"decisions-1.ndjson": [record(0, at=noon(after))], "events-1.ndjson": [event(0, at=noon(after, 1))]},
    )
    run_job(spark, settings, "ingest_logs", after)
    assert house.warehouse.read(table("impressions")).where("impression_id like 'gone-%'").count() == 0


def test_an_id_that_somebody_else_used_later_is_not_deleted(spark):
    theirs = spark.createDataFrame([(NIGHT, NIGHT, "i1")], "log_date date, arrival_date date, impression_id string")
    later = NIGHT + timedelta(days=60)
    slates = spark.createDataFrame(
        [(NIGHT, "i1", "gone"), (later, "i1", "other"), (later, "i2", "gone")],
        "log_date date, impression_id string, user_key string",
    )
    found = {(row.log_date, row.impression_id) for row in forgetting._rows_of(slates, ["gone"], theirs, 7).collect()}
    assert found == {(NIGHT, "i1"), (later, "i2")}
    events = spark.createDataFrame(
        [(NIGHT, NIGHT, "i1", "joined"), (None, NIGHT, "i1", "waiting"), (None, later, "i1", "of the other")],
        "log_date date, arrival_date date, impression_id string, status string",
    )
    found = {row.status for row in forgetting._rows_of(events, ["gone"], theirs, 7).collect()}
    assert found == {"joined", "waiting"}
