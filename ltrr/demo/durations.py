"""Durations and remaining time as texts for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Minimum number of timed steps for an estimate: steps differ much.
_LEAST = 3


def duration_text(seconds: float) -> str:
    """Seconds as hours, minutes and seconds.

    >>> duration_text(0.2), duration_text(48.4), duration_text(773), duration_text(3_725)
    ('0 s', '48 s', '12 min 53 s', '1 h 2 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def left_text(seconds: float | None) -> str:
    """Text of an estimate of the remaining time; empty without an estimate.

    >>> left_text(None), left_text(20), left_text(724), left_text(30_000)
    ('', 'under 1 min left', 'about 13 min left', 'about 8 h left')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return "under 1 min left"
    minutes = int(seconds // 60) + 1
    return f"about {minutes} min left" if minutes < 120 else f"about {round(minutes / 60)} h left"


def seconds_left(last: Mapping[str, float], left: Sequence[str]) -> float | None:
    """Estimate the seconds of the remaining steps; None with too few timed steps.

    Each step counts with its latest duration, or with the mean of all if it has none.

    Args:
        last: Step -> seconds of its latest run.
        left: Names of the remaining steps, one entry per run.

    >>> seen = {"ingest_logs": 10.0, "fit_click_model": 2.0, "train_ranker": 6.0}
    >>> seconds_left(seen, ["ingest_logs", "build_memory"])
    16.0
    >>> seconds_left({"ingest_logs": 10.0}, ["fit_click_model"]) is None
    True
    """
    if len(last) < _LEAST:
        return None
    mean = sum(last.values()) / len(last)
    return sum(last.get(step, mean) for step in left)
