"""After any change of settings, tables have the rows of exactly the closed periods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltrr.logs.settings import EventKind, LogSettings
from ltrr.memory.rollup import first_open_week, week_of
from ltrr.pipelines import closing
from ltrr.pipelines.closing import ClosedPeriods, dates_to_write, weeks_to_fold
from ltrr.pipelines.notes import BanditNotes, required_notes

FIRST = date(2026, 3, 4)
DAY = timedelta(days=1)


def _unread(kind: Any) -> dict[str, None]:
    """The required notes as None: the functions read only those that the night before set."""
    return dict.fromkeys(required_notes(kind))


@dataclass
class ToyHome:
    """Rows of closed dates and weeks as the nights of one home write them, without Spark.

    Attributes:
        changed: Date -> night that last changed its logs.
        rows: Table -> period -> state of its logs when it was written.
        notes: Notes of the night before, by table.
    """

    changed: dict[date, date] = field(default_factory=dict)
    rows: dict[str, dict[date, Any]] = field(default_factory=lambda: {"days": {}, "weeks": {}})
    notes: dict[str, dict[str, date]] = field(default_factory=lambda: {"days": {}, "weeks": {}})

    def run(self, night: date, days_open: int, *, keeps_notes: bool = True) -> None:
        """Run one night; without notes it is the last night of an older ltrr."""
        logs = LogSettings(kinds={"click": EventKind(30), "purchase": EventKind(days_open * 1440)})
        first_open = logs.first_open(night)
        day = max(first_open, FIRST)
        while day <= night:
            self.changed[day] = night
            day += DAY
        self._write("days", night, logs, lambda seen: dates_to_write(seen, "days", 90, BanditNotes), self.changed.get)
        self._write("weeks", night, logs, lambda seen: weeks_to_fold(seen, "weeks", 26), self.week)
        if not keeps_notes:
            self.notes = {"days": {}, "weeks": {}}

    def _write(
        self,
        name: str,
        night: date,
        logs: LogSettings,
        ask: Callable[[Any], ClosedPeriods],
        content: Callable[[date], Any],
    ) -> None:
        last = logs.first_open(night)

        def closed_dates(window_days: int | None = None) -> list[date]:
            days = [FIRST + n * DAY for n in range((last - FIRST).days + 1)]
            return days if window_days is None else days[-window_days:]

        new_notes: dict[str, date] = {}
        seen = SimpleNamespace(
            date=night,
            job=name,
            settings=SimpleNamespace(logs=logs, first_date=FIRST),
            closed_dates=closed_dates,
            previous_notes_of=lambda kind: kind(**{**_unread(kind), **self.notes[name]}),
            note=lambda **values: new_notes.update(values),
            present=lambda: sorted(self.rows[name]),
        )
        periods = ask(seen)
        # A rerun starts from the same committed state.
        assert ask(seen) == periods
        for period in periods.reopened:
            del self.rows[name][period]
        self.rows[name] |= {period: content(period) for period in periods.written}
        self.notes[name] = new_notes

    def week(self, monday: date) -> tuple[date | None, ...]:
        return tuple(self.changed.get(monday + n * DAY) for n in range(7))


@pytest.fixture(autouse=True)
def _no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "_list_periods", lambda night, *_: night.present())


def check_law(home: ToyHome, night: date, days_open: int) -> None:
    last = night - days_open * DAY
    closed = [FIRST + n * DAY for n in range((last - FIRST).days + 1)]
    assert home.rows["days"] == {day: home.changed[day] for day in closed}
    open_week = first_open_week(last)
    mondays = {week_of(FIRST + n * DAY) for n in range((night - FIRST).days + 1)}
    assert home.rows["weeks"] == {monday: home.week(monday) for monday in mondays if monday < open_week}


@settings(max_examples=300)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(0, 40))
def test_rows_are_those_of_the_closed_periods_whatever_the_windows_were(windows: list[int], forgets: int) -> None:
    home = ToyHome()
    for number, days_open in enumerate(windows):
        night = FIRST + number * DAY
        home.run(night, days_open, keeps_notes=number != forgets or days_open != 1)
        check_law(home, night, days_open)


def test_a_shorter_window_leaves_no_holes() -> None:
    """A shorter window closes two dates and a week at once.

    Purchases count for 48 hours, and from the night of a Tuesday on for 24.
    """
    home = ToyHome()
    for number in range(40):
        night = FIRST + number * DAY
        days_open = 2 if night < date(2026, 3, 17) else 1
        home.run(night, days_open)
        check_law(home, night, days_open)
    assert {date(2026, 3, 14), date(2026, 3, 15)} <= home.rows["days"].keys()
    assert date(2026, 3, 9) in home.rows["weeks"]


def test_holes_that_an_older_version_left_are_filled_and_empty_dates_are_not_written_for_ever() -> None:
    home = ToyHome()
    for number in range(20):
        home.run(FIRST + number * DAY, 1)
    hole, night = FIRST + 5 * DAY, FIRST + 20 * DAY
    del home.rows["days"][hole]
    home.notes = {"days": {}, "weeks": {}}
    home.run(night, 1)
    check_law(home, night, 1)
    # A date without impressions has no rows, and the note says that it was written.
    del home.rows["days"][hole]
    home.run(night + DAY, 1)
    assert hole not in home.rows["days"]
