"""Retention of nights in the table of the memory."""

from __future__ import annotations

from datetime import date, timedelta


def nights_to_replace(today: date, keep_nights: int) -> str:
    """SQL condition on the rows that the night's write removes.

    These are the rows of the same night, and those of nights that are no longer kept. Both are
    whole partitions, so no file is rewritten.

    >>> nights_to_replace(date(2026, 3, 9), keep_nights=7)
    "as_of_date = DATE'2026-03-09' OR as_of_date <= DATE'2026-03-02'"
    """
    last_dropped = today - timedelta(days=keep_nights)
    return f"as_of_date = DATE'{today}' OR as_of_date <= DATE'{last_dropped}'"
