"""Situation of a search: time, surface and context that a service gives, and their features.

Holidays depend on the user's country, which the service knows and the log does not contain.
Therefore the service gives `is_holiday` in the context (docs/adr/0010-holidays-are-told.md). The
features of a missing value are all zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ltrr.errors import UsageError

DEFAULT_SURFACE = "search"
"""Surface of a search for which the service gives none."""

DEVICES = ("phone", "tablet", "desktop", "tv", "speaker", "car")
"""Values of `context["device"]` with a feature of their own; all others share `other`."""

SURFACES = ("search", "suggest", "home", "browse", "voice")
"""Values of `surface` with a feature of their own; all others share `other`."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Situation:
    """Facts of a search in a decision record, apart from its query.

    Args:
        at: Time of the search, with a time zone; None if it is unknown.
        utc_offset_minutes: Offset of the user's clock.
        surface: Place in the product where the search is made.
        context: Other facts known before choosing. Features use `device` and `is_holiday` ("true"
            or "false").
    """

    at: datetime | None = None
    utc_offset_minutes: int = 0
    surface: str = ""
    context: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of_record(record: Mapping[str, Any]) -> Situation:
        """The situation in a decision record.

        >>> record = {"at": "2026-03-07T23:30:00.000Z", "utc_offset_minutes": 60}
        >>> Situation.of_record(record).local_time.isoformat()
        '2026-03-08T00:30:00+00:00'
        """
        at = record.get("at")
        return Situation(
            None if at is None else datetime.fromisoformat(at),
            record.get("utc_offset_minutes", 0),
            record.get("surface", ""),
            record.get("context", {}),
        )

    @property
    def local_time(self) -> datetime | None:
        """Time on the user's clock; its `tzinfo` has no meaning."""
        if self.at is None:
            return None
        return self.at - (self.at.utcoffset() or timedelta(0)) + timedelta(minutes=self.utc_offset_minutes)

    def as_logged(self) -> Situation:
        """The situation as a decision record contains it: a missing surface is `search`."""
        return self if self.surface else replace(self, surface=DEFAULT_SURFACE)

    def check_zone(self, which: str) -> None:
        """Check that a known time has a time zone.

        Raises:
            UsageError: it has none.
        """
        if self.at is not None and self.at.tzinfo is None:
            raise UsageError(
                "a time without a zone", which=which, expected="at with tzinfo, as UTC", got=self.at.isoformat()
            )

    def check_time(self, which: str) -> datetime:
        """The time, which a decision record requires.

        Raises:
            UsageError: there is no time, or it has no time zone.
        """
        self.check_zone(which)
        if self.at is None:
            raise UsageError(
                "a decision record needs a time",
                which=which,
                expected="a situation with `at`",
                got="none",
                todo="give `plan` or `record` a Situation(at=...)",
            )
        return self.at


UNKNOWN_SITUATION = Situation()
"""A situation of which nothing is known."""


def time_values(situation: Situation) -> list[float]:
    """Hour as a point on a circle, so that 23:59 is near 0:00; weekday one-hot; weekend; holiday.

    Seconds do not count, so a log that leaves them out replays exactly.

    >>> from datetime import UTC
    >>> morning = datetime(2026, 3, 7, 5, 0, 59, tzinfo=UTC)
    >>> values = time_values(Situation(morning, utc_offset_minutes=60))
    >>> [round(value, 3) for value in values]
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    """
    holiday = float(situation.context.get("is_holiday") == "true")
    local = situation.local_time
    if local is None:
        return [0.0] * (3 + len(WEEKDAYS)) + [holiday]
    angle = 2.0 * math.pi * (local.hour * 60 + local.minute) / 1440.0
    weekday = local.weekday()
    one_hot = [float(weekday == day) for day in range(len(WEEKDAYS))]
    return [math.sin(angle), math.cos(angle), *one_hot, float(weekday >= 5), holiday]


def context_values(situation: Situation) -> list[float]:
    """Device and surface, one-hot; a value without a feature of its own is `other`.

    >>> context_values(Situation(surface="search", context={"device": "fridge"}))
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return _one_hot(situation.context.get("device", ""), DEVICES) + _one_hot(situation.surface, SURFACES)


def _one_hot(value: str, known: tuple[str, ...]) -> list[float]:
    return [float(value == name) for name in known] + [float(bool(value) and value not in known)]
