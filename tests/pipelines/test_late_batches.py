"""Batches that arrive late, in any order, end in the tables of one ingestion of the whole log."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ltrr.config.settings import NightSettings, Settings
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from ltrr.pipelines import ingest_logs, job_runner, runner, staleness
from ltrr.pipelines.night import Night
from ltrr.pipelines.runner import run_job, run_repairs
from tests.logs import ubi_documents as ubi
from tests.logs.log_lines import NIGHT, as_bytes, event, noon, record, write_folder
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = [pytest.mark.spark, pytest.mark.long]

DATES = [NIGHT + timedelta(days=n) for n in range(2)]
LAST = DATES[-1]
CLOSING = LAST + timedelta(days=1)
# Facts about the way of a line into the tables, which differ between two ways by nature.
WAY = {"arrival_date", "settled_date", "source", "offset", "line_hash"}
TABLES = ("impressions", "decisions", "draws", "candidates", "slate_rows", "limited_users", "events")
SETTINGS = LogSettings(rejected_share_limit=1.0, volume_factor=100.0)
# The response of this search has the entity, the events of the next night do not show it.
UNSEEN = "e0-4"


@pytest.fixture(autouse=True)
def _only_ingest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr(Night, "tracking", SimpleNamespace(night_run_id="untracked"))
    monkeypatch.setattr(job_runner, "load_job", {"ingest_logs": ingest_logs.run}.__getitem__)
    for module in (runner, staleness):
        monkeypatch.setattr(module, "JOBS", ("ingest_logs",))


@dataclass(frozen=True)
class Line:
    """A line of a log.

    Attributes:
        content: The line.
        first: First date in whose folder it may arrive.
        last: Last date in whose folder it may arrive.
    """

    content: bytes
    first: date
    last: date


def log_of(day: date) -> list[Line]:
    """Searches of a date in both formats, with their events and pages; each line once."""
    after, at = day + timedelta(days=1), {"at": noon(day)}
    found = []
    for n in range(8):
        shown = f"{n}-{day}"
        own = {"impression_id": shown}
        found.append(Line(as_bytes(record(n, **own, **at)), day, after))
        clicked = event(n, event_id=f"c{shown}", at=noon(day, 1), **own)
        bought = event(n, event_id=f"p{shown}", at=noon(after, -1), kind="purchase", entity=n % 4, **own)
        found += [Line(as_bytes(clicked), day, after), Line(as_bytes(bought), after, after)]
    for n in range(6):
        found += search_of(day, n)
    return found


def search_of(day: date, n: int) -> list[Line]:
    """Documents of a search: two pages, a request for facets, and events.

    Documents of one search arrive in the order of their times. Odd searches have events that show
    an entity; searches 0 and 3 have clicks on entities that another line shows.
    """
    after = day + timedelta(days=1)
    start = datetime.combine(day, time(23, 50), UTC)

    def at(seconds: float) -> dict[str, Any]:
        return {"query_id": f"u{n}-{day}", "timestamp": ubi.zoned(start + timedelta(seconds=seconds))}

    second = [f"e{n % 7}-{place}" for place in range(5, 8)]
    documents = [
        (ubi.search(n, **at(0)), day, day),
        (ubi.search(n, query_response_hit_ids=[], **at(1)), day, after),
        (ubi.search(n, query_response_hit_ids=second, **at(60)), day, after),
        (ubi.search(n, user_query="another text", query_response_hit_ids=["x"], **at(61)), day, after),
        # The second page has this entity.
        (ubi.event(n, "click", 6, **at(70)), day, after),
    ]
    if n % 2:
        documents += [(ubi.event(n, "impression", place, **at(2)), day, after) for place in (0, 1, 6)]
    if n == 0:
        documents += [(ubi.event(n, "impression", place, **at(2)), after, after) for place in (0, 6)]
        documents.append((ubi.event(n, "click", 4, **at(5)), day, day))
    return [Line(ubi.as_line(document), first, last) for document, first, last in documents]


def always(day: date) -> list[bytes]:
    """A search and a click of a date, so that no night is empty."""
    own = {"impression_id": f"always-{day}"}
    click = event(0, at=noon(day, 1), event_id=f"always-{day}", **own)
    return [as_bytes(record(0, at=noon(day), **own)), as_bytes(click)]


def arrivals(log: list[Line], seed: int) -> dict[tuple[date, str], list[bytes]]:
    """(folder, file) -> lines: each line in a folder of its dates, every fourth one twice."""
    rng = random.Random(seed)
    files: dict[tuple[date, str], list[bytes]] = {}
    for line in log:
        days = [line.first + timedelta(days=n) for n in range((line.last - line.first).days + 1)]
        for _ in range(2 if rng.random() < 0.25 else 1):
            files.setdefault((rng.choice(days), f"batch-{rng.randrange(3)}.ndjson"), []).append(line.content)
    for lines in files.values():
        rng.shuffle(lines)
    return files


def settings_of(home: Home) -> Settings:
    return replace(home.settings, nights=NightSettings(repair_first=True))


def in_batches(spark, path: Path, log: list[Line], seed: int) -> Home:
    """Nights whose batches arrive in any order, up to the last night, and the repair."""
    home, rng = Home(spark, path, DATES[0], SETTINGS), random.Random(seed)
    settings, days = settings_of(home), [*DATES, CLOSING]
    waiting = arrivals(log, seed)
    late: dict[tuple[date, str], list[bytes]] = {}
    for (day, name), lines in waiting.items():
        if name != "batch-0.ndjson" and rng.random() < 0.6:
            late[day, name] = lines
        else:
            write_folder(home.logs, day, {name: lines}, close=False)
    assert len(late) >= 2
    for day in days:
        write_folder(home.logs, day, {"on-time.ndjson": always(day)})
        run_job(spark, settings, "ingest_logs", day)
        # Some come after the next night; their own night runs again, and the next one repairs.
        for place in [place for place in late if place[0] < day and rng.random() < 0.3][:1]:
            write_folder(home.logs, place[0], {place[1]: late.pop(place)})
            run_job(spark, settings, "ingest_logs", place[0])
    order = sorted(late)
    rng.shuffle(order)
    for day, name in order:
        write_folder(home.logs, day, {name: late[day, name]})
    for day in sorted({day for day, _ in order}):
        run_job(spark, settings, "ingest_logs", day)
    run_repairs(spark, settings, CLOSING)
    return home


def at_once(spark, path: Path, log: list[Line]) -> Home:
    """The log as one history, and the night that closes its last date."""
    home = Home(spark, path, DATES[0], SETTINGS, first_night=LAST)
    on_time = [line for day in DATES for line in always(day)]
    due = [line.content for line in log if line.first <= LAST]
    rest = [line.content for line in log if line.first > LAST]
    write_folder(home.logs, LAST, {"log.ndjson": [*due, *on_time]})
    home.ingest(LAST)
    write_folder(home.logs, CLOSING, {"log.ndjson": [*rest, *always(CLOSING)]})
    home.ingest(CLOSING)
    return home


def closed_rows(home: Home, name: str) -> Counter[str]:
    """Rows of closed dates, without the way of the lines, and without the event of `UNSEEN`."""
    rows = home.table(name).where(f"log_date <= DATE'{LAST}'")
    rows = rows.where(f"entity_id != '{UNSEEN}'") if name == "events" else rows
    return Counter(str({key: value for key, value in row.asDict().items() if key not in WAY}) for row in rows.collect())


@pytest.fixture(scope="module")
def whole(_session, tmp_path_factory: pytest.TempPathFactory) -> Home:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_VARIABLE, SECRET)
        return at_once(_session, tmp_path_factory.mktemp("whole"), [line for day in DATES for line in log_of(day)])


@pytest.mark.parametrize("seed", [1, 2])
def test_late_batches_in_any_order_end_in_the_tables_of_one_ingestion(spark, tmp_path: Path, whole, seed: int) -> None:
    home = in_batches(spark, tmp_path, [line for day in DATES for line in log_of(day)], seed)
    for name in TABLES:
        expected, found = closed_rows(whole, name), closed_rows(home, name)
        assert found == expected, (name, (found - expected).most_common(3), (expected - found).most_common(3))
    # The limit of the law: an event that was joined to the response stays joined.
    of_first = f"entity_id = '{UNSEEN}' AND impression_id = 'u0-{DATES[0]}'"
    assert [row.status for row in home.rows("events", of_first)] == ["joined"]
    assert [row.reason for row in whole.rows("events", of_first)] == ["not_shown"]
    pages = home.rows("slate_rows", "impression_id LIKE 'u2-%'")
    assert Counter(row.impression_id for row in pages) == {f"u2-{day}": 8 for day in DATES}
