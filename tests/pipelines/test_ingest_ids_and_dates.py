"""Special logs: no traffic, ids used again, anonymous users, fast clocks, sub-folders."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from ltrr.errors import DataQualityError
from ltrr.logs.folder import NO_TRAFFIC
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from ltrr.spark.commits import JobRun
from tests.assertions import assert_keys_are_unique
from tests.logs.log_lines import NIGHT, event, noon, record, write_folder
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = [pytest.mark.spark, pytest.mark.long]

SETTINGS = LogSettings(late_days=1, volume_factor=100.0)
EMPTY, BETWEEN, LAST = (NIGHT + timedelta(days=days) for days in (1, 2, 3))
AHEAD = datetime.combine(LAST + timedelta(days=1), time(0, 0, 0, 300_000), UTC)


@pytest.fixture(scope="module")
def house(_session, tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(_session, tmp_path_factory.mktemp("home"), NIGHT, SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_VARIABLE, SECRET)
        write_folder(made.logs, NIGHT, {"decisions-1.ndjson": [record(1), record(2)], "events-1.ndjson": [event(1)]})
        made.ingest(NIGHT)
        (write_folder(made.logs, EMPTY, {}) / NO_TRAFFIC).touch()
        made.ingest(EMPTY)
        # No other night is needed in between, so a commit alone is enough.
        between = made.night(BETWEEN)
        outputs = between.carried_outputs()
        between.commits.commit(JobRun("ingest_logs", BETWEEN, 1, "test", "test", (), outputs, {}, 0.0))
        searches = [
            # The id is no longer remembered: it is another search, with a click on another entity.
            record(1, at=noon(LAST)),
            *({**record(n, at=noon(LAST)), "user": ""} for n in range(10, 14)),
            record(20, at=AHEAD),
        ]
        clicks = [
            event(1, event_id="again", entity=1, at=noon(LAST, minutes=2)),
            event(20, event_id="ahead", at=AHEAD + timedelta(seconds=1)),
            # Its clock is one second behind that of the search.
            event(10, event_id="behind", at=noon(LAST) - timedelta(seconds=1)),
        ]
        files = {"host-a/decisions-1.ndjson": searches[:3], "host-b/decisions-1.ndjson": searches[3:]}
        write_folder(made.logs, LAST, {**files, "hour=12/events-1.ndjson": clicks})
        made.ingest(LAST)
    return made


def test_a_date_without_traffic_is_closed_and_no_measure_of_the_next(house: Home) -> None:
    found = {(row.log_date, row.verdict) for row in house.rows("data_quality", "check = 'impressions'")}
    assert found == {(NIGHT, "ok"), (EMPTY, "reported"), (LAST, "ok")}


def test_an_id_that_is_used_again_is_another_search_with_rewards_of_its_own(house: Home) -> None:
    rewarded = house.rows("slate_rows", "impression_id = 'i1' AND page_reward > 0")
    found = {(row.log_date, row.entity_id, row.page_reward) for row in rewarded}
    assert found == {(NIGHT, "e1", 1.0), (LAST, "e2", 1.0)}
    assert len(house.rows("impressions", "impression_id = 'i1'")) == 2
    assert_keys_are_unique(house.warehouse, filled=("events", "impressions", "decisions", "slate_rows", "candidates"))


def test_every_line_of_every_folder_is_taken_once(house: Home) -> None:
    assert house.rows("rejected_rows") == []
    assert len(house.rows("impressions", f"arrival_date = DATE'{LAST}'")) == 6
    sources = {(row.source, row.offset) for row in house.rows("events", f"arrival_date = DATE'{LAST}'")}
    assert sources == {(f"dt={LAST}/hour=12/events-1.ndjson", place) for place in (1, 2, 3)}


def test_anonymous_searches_are_as_many_users(house: Home) -> None:
    keys = [row.user_key for row in house.rows("impressions", f"log_date = DATE'{LAST}'")]
    assert len(set(keys)) == len(keys) == 6


def test_a_search_by_a_clock_ahead_counts_to_the_date_of_its_folder_with_its_click(house: Home) -> None:
    [search] = house.rows("impressions", "impression_id = 'i20'")
    assert (search.log_date, search.arrival_date) == (LAST, LAST)
    assert house.rows("slate_rows", "impression_id = 'i20' AND clicks = 1")[0].log_date == LAST
    assert {row.status for row in house.rows("events")} == {"joined"}


def test_traffic_on_a_date_that_is_declared_to_have_none_stops_the_night(
    spark, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    other = Home(spark, home, NIGHT, SETTINGS)
    (write_folder(other.logs, NIGHT, {"decisions-1.ndjson": [record(1)]}) / NO_TRAFFIC).touch()
    with pytest.raises(DataQualityError, match="declares no traffic by _NO_TRAFFIC and has 1 impressions"):
        other.ingest(NIGHT)
