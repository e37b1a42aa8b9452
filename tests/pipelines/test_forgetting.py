"""A user who is forgotten is in no table and in no version that can be read, and the rest is as if never there."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from ltrr.core.hashing import user_key
from ltrr.errors import CommitError
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from ltrr.pipelines import forgetting, ingest_logs, runner, staleness
from ltrr.pipelines.forgetting import forget_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.runner import run_job
from ltrr.spark.commits import CommitLog
from ltrr.tables.catalog import table
from tests.logs.log_lines import NIGHT, event, noon, record, write_folder
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = pytest.mark.spark

GONE = "person-who-left"
DATES = [NIGHT + timedelta(days=n) for n in range(2)]


@pytest.fixture(autouse=True)
def _only_ingest(monkeypatch):
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr(Night, "tracking", SimpleNamespace(night_run_id="untracked"))
    monkeypatch.setattr(runner, "load_job", {"ingest_logs": ingest_logs.run}.__getitem__)
    for module in (runner, staleness, forgetting):
        monkeypatch.setattr(module, "JOBS", ("ingest_logs",))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("repair_days", [60, 1])
def test_a_forgotten_user_is_in_no_table_and_in_no_readable_version(spark, home, repair_days):
    """With a repair window of one night the first date is too old to run again, so its rows are deleted."""
    house = Home(spark, home, NIGHT, LogSettings(rejected_share_limit=1.0, volume_factor=100.0))
    settings = house.settings
    settings = replace(settings, nights=replace(settings.nights, repair_days=repair_days))
    for day in DATES:
        there = record(100, at=noon(day), user=GONE, impression_id=f"gone-{day}")
        click = event(0, at=noon(day, minutes=1), event_id=f"click-{day}", impression_id=f"0-{day}")
        others = [record(n, at=noon(day), impression_id=f"{n}-{day}") for n in range(4)]
        write_folder(house.logs, day, {"decisions-1.ndjson": [there, *others], "events-1.ndjson": [click]})
        run_job(spark, settings, "ingest_logs", day)
    key = user_key(SECRET, GONE)
    first = CommitLog(house.warehouse).run("ingest_logs", NIGHT).output("impressions").version
    assert house.warehouse.read(table("impressions"), first).where(f"user_key = '{key}'").count() == 1

    found = forget_users(spark, settings, [key], DATES[-1])

    assert found.dates == DATES
    for name in ("impressions", "decisions", "draws", "candidates", "slate_rows"):
        rows = house.warehouse.read(table(name))
        assert rows.where("impression_id like 'gone-%'").count() == 0, name
        assert rows.select("impression_id").distinct().count() == 8, f"{name} of all others is there"
        with pytest.raises(CommitError, match="a user was forgotten"):
            house.warehouse.read(table(name), 0)
    assert (found.rows_deleted == {}) == (repair_days == 60)
    # The same command again, as after a kill, and another user: whose dates cannot be run again by now.
    assert forget_users(spark, settings, [key], DATES[-1]).rows_deleted == {}
    other = user_key(SECRET, "person-1")
    found = forget_users(spark, settings, [other], DATES[-1])
    assert found.runs == []
    assert found.rows_deleted["impressions"] == 2
    assert house.warehouse.read(table("impressions")).where(f"user_key = '{other}'").count() == 0
    # The next night goes on from there.
    after = DATES[-1] + timedelta(days=1)
    write_folder(
        house.logs,
        after,
        {"decisions-1.ndjson": [record(0, at=noon(after))], "events-1.ndjson": [event(0, at=noon(after, 1))]},
    )
    run_job(spark, settings, "ingest_logs", after)
    assert house.warehouse.read(table("impressions")).where("impression_id like 'gone-%'").count() == 0
