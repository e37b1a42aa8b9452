"""Closed periods that a night still has to write, also after a change of the settings.

A date closes when its longest reward window is over. A week closes when its last date has closed.
Settings may change between two nights. With a shorter window, several periods close at once, and
the night writes all of them. With a longer window, some periods are open again. The night then
removes their rows, and a later night writes them when they close again.

A note of the night before records the newest written period. A period without any rows is therefore
not written again every night.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.memory.rollup import DAYS_PER_WEEK, first_open_week, week_of
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import BanditNotes, MemoryNotes, RankerNotes


@dataclass(frozen=True)
class ClosedPeriods:
    """Dates or weeks, each by its first day.

    Attributes:
        written: Closed periods that the night writes, oldest first.
        reopened: Periods that were written and are open again. The night removes their rows.

    >>> periods = ClosedPeriods((date(2026, 3, 2),), (date(2026, 3, 3),))
    >>> periods.where("log_date")
    "log_date IN (DATE'2026-03-02', DATE'2026-03-03')"
    """

    written: Sequence[date]
    reopened: Sequence[date] = ()

    def where(self, column: str) -> str:
        """Condition on the partitions that the night replaces; empty if it replaces none."""
        replaced = ", ".join(f"DATE'{day}'" for day in (*self.written, *self.reopened))
        return f"{column} IN ({replaced})" if replaced else ""

    def only_written(self, rows: DataFrame, column: str = "log_date") -> DataFrame:
        """Rows of the dates that the night writes."""
        return rows.where(F.col(column).isin(list(self.written)))

    def only_since(self, rows: DataFrame, column: str) -> DataFrame:
        """Rows from the oldest period on that the night writes.

        Of the examination curves these are those of the dates and of later ones: the dates of a
        history are before the first curve, and have the first.
        """
        return rows.where(F.col(column) >= F.lit(min(self.written)))


def periods_to_write(
    closed: Sequence[date], through: date | None, present: Callable[[], Collection[date]], newest: date | None
) -> ClosedPeriods:
    """The periods that a night writes and those that it removes.

    Args:
        closed: All periods that are closed on this night, oldest first.
        through: Newest period written as of the night before; None if it left no note.
        present: Function that returns the periods with rows; called only without a note or if
            periods are open again.
        newest: Closed period that the night's logs may have changed, written in any case; None if
            there is none.

    >>> days = [date(2026, 3, day) for day in range(1, 9)]
    >>> def days_of(periods):
    ...     return [[day.day for day in group] for group in (periods.written, periods.reopened)]
    >>> days_of(periods_to_write(days, date(2026, 3, 7), list, days[-1]))
    [[8], []]
    >>> days_of(periods_to_write(days, date(2026, 3, 5), list, days[-1]))
    [[6, 7, 8], []]
    >>> days_of(periods_to_write(days[:4], date(2026, 3, 6), lambda: days[:6], days[3]))
    [[4], [5, 6]]
    >>> days_of(periods_to_write(days, None, lambda: [days[0], days[3]], days[-1]))
    [[2, 3, 5, 6, 7, 8], []]
    """
    if through is None:
        there = set(present())
        missing = {period for period in closed if period not in there}
        reopened = [period for period in there if not closed or period > closed[-1]]
    else:
        missing = {period for period in closed if period > through}
        last = closed[-1] if closed else date.min
        reopened = [period for period in present() if last < period <= through] if through > last else []
    return ClosedPeriods(tuple(sorted(missing | ({newest} if newest else set()))), tuple(sorted(reopened)))


def dates_to_write(night: Night, name: str, window_nights: int, kind: type[BanditNotes | RankerNotes]) -> ClosedPeriods:
    """Closed dates whose rows of table `name` the night writes.

    The newest of them becomes the note `rows_through`.

    Args:
        night: Night of the job that writes the table.
        name: Name of a table by log_date.
        window_nights: Number of nights to search for dates without rows, if the night before left
            no note.
        kind: Declaration of the job's notes.
    """
    before = night.previous_notes_of(kind)
    noted = before.rows_through if before else None
    closed = night.closed_dates(window_nights if noted is None else None)
    periods = periods_to_write(
        closed,
        noted,
        lambda: _list_periods(night, name, "log_date"),
        closed[-1] if closed else None,
    )
    if closed or periods.reopened:
        night.note(rows_through=closed[-1] if closed else night.settings.first_date - timedelta(days=1))
    return periods


def weeks_to_fold(night: Night, name: str, horizon_weeks: int) -> ClosedPeriods:
    """Closed weeks, by their Mondays, that the night folds into table `name`.

    The first open week becomes the note `first_open_week`.

    Args:
        night: Night of the job that folds.
        name: Name of a table by period_start.
        horizon_weeks: Number of weeks to search for weeks without rows, if the night before left no
            note.
    """
    week = timedelta(days=DAYS_PER_WEEK)
    last_final = night.settings.logs.first_open(night.date)
    open_week = first_open_week(last_final)
    before = night.previous_notes_of(MemoryNotes)
    noted = before.first_open_week if before else None
    oldest = week_of(night.settings.first_date)
    if noted is None:
        oldest = max(oldest, open_week - horizon_weeks * week)
    closed = [oldest + n * week for n in range((open_week - oldest).days // DAYS_PER_WEEK)]
    closing = week_of(last_final)
    night.note(first_open_week=open_week)
    return periods_to_write(
        closed,
        noted - week if noted else None,
        lambda: _list_periods(night, name, "period_start"),
        closing if closed and closing == closed[-1] else None,
    )


def _list_periods(night: Night, name: str, column: str) -> list[date]:
    """Periods with rows as of the night before, a few hundred values of a partition column."""
    rows = night.read_own_previous(name).select(column).distinct().collect()
    return sorted(row[column] for row in rows)
