"""Times of foreign logs: text with or without a zone, or a number since 1970.

A number shows its unit by its size: seconds, milliseconds and microseconds of the same moment
differ by factors of a thousand. Text without a zone is read as UTC. `data_quality` says which forms
a night has, and a file that mixes text with and without a zone fails the check `clock_forms`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

ZONED, NAIVE = "text with a zone", "text without a zone"
SECONDS, MILLISECONDS, MICROSECONDS, NANOSECONDS = (
    f"{unit} since 1970" for unit in ("seconds", "milliseconds", "microseconds", "nanoseconds")
)
FORMS = (ZONED, NAIVE, SECONDS, MILLISECONDS, MICROSECONDS, NANOSECONDS)
"""Forms of a time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A number below 1e11 is in seconds (years 1970 to 5138), below 1e14 in milliseconds (from 1973 on),
# below 1e17 in microseconds and below 1e20 in nanoseconds (likewise).
_UNITS = ((1e11, SECONDS), (1e14, MILLISECONDS), (1e17, MICROSECONDS), (1e20, NANOSECONDS))
_MICROSECONDS_OF = {
    SECONDS: Fraction(1_000_000),
    MILLISECONDS: Fraction(1_000),
    MICROSECONDS: Fraction(1),
    NANOSECONDS: Fraction(1, 1_000),
}
_DASHBOARDS = "%b %d, %Y @ %H:%M:%S.%f"
"""Form in which OpenSearch Dashboards exports a time, such as Jan 24, 2025 @ 07:31:30.699."""
_TEXT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d(:\d\d)?)(?P<part>[.,]\d{1,9})?\s?"
    r"(?P<zone>Z|z|UTC|[+-]\d\d(:?\d\d)?)?",
    re.ASCII,
)


class Clock(NamedTuple):
    """A time in UTC, and the form in which it was logged."""

    at: datetime
    form: str


def parse_time(value: Any) -> Clock | None:
    """The time of a value; None if it is no time of any form.

    Digits beyond microseconds are cut off.

    >>> parse_time("2025-01-24T07:31:30.699+0000").at.isoformat()
    '2025-01-24T07:31:30.699000+00:00'
    >>> parse_time("2025-01-24 08:31:30.1234567+01:00").at.isoformat()
    '2025-01-24T07:31:30.123456+00:00'
    >>> [parse_time(number).form for number in (1717527762, 1717527762025, "1717527762025000")]
    ['seconds since 1970', 'milliseconds since 1970', 'microseconds since 1970']
    >>> parse_time("2025-01-24T07:31:30").form
    'text without a zone'
    >>> parse_time("Jan 24, 2025 @ 07:31:30.699") == parse_time("2025-01-24 07:31:30.699")
    True
    >>> parse_time("24.01.2025"), parse_time(None), parse_time(True), parse_time(-5)
    (None, None, None, None)
    """
    if isinstance(value, str):
        return _parse_number(float(value), value) if _is_number(value) else _parse_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _parse_number(float(value), value)


def to_contract_time(at: datetime) -> str:
    """A time in the form of the log contract.

    >>> to_contract_time(datetime(2025, 1, 24, 7, 31, 30, 699000, tzinfo=UTC))
    '2025-01-24T07:31:30.699000Z'
    """
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{9,20}(\.\d{1,9})?", text, re.ASCII) is not None


def _parse_number(number: float, exact: Any) -> Clock | None:
    if not 0 <= number < _UNITS[-1][0]:
        return None
    form = next(form for limit, form in _UNITS if number < limit)
    # Exact arithmetic: a double is too short for microseconds since 1970.
    try:
        return Clock(_EPOCH + timedelta(microseconds=int(Fraction(exact) * _MICROSECONDS_OF[form])), form)
    except OverflowError:
        # A date after the year 9999.
        return None


def _parse_text(text: str) -> Clock | None:
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        return _parse_dashboards(text.strip())
    part = (found["part"] or ".0")[1:7].ljust(6, "0")
    zone = found["zone"] or ""
    offset = "+00:00" if zone.upper() in ("", "Z", "UTC") else zone
    seconds = found["time"] if found["time"].count(":") == 2 else f"{found['time']}:00"
    try:
        at = datetime.fromisoformat(f"{found['day']}T{seconds}.{part}{offset}")
        return Clock(at.astimezone(UTC), ZONED if zone else NAIVE)
    except (ValueError, OverflowError):
        # The digits are no date, or the zone moves it out of the calendar.
        return None


def _parse_dashboards(text: str) -> Clock | None:
    try:
        return Clock(datetime.strptime(text, _DASHBOARDS).replace(tzinfo=UTC), NAIVE)
    except ValueError:
        return None
