"""Times and dates of many lines at once, as microseconds and days since 1970."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.arrays import Bools, Longs

if TYPE_CHECKING:
    from ltrr.logs.column_lines import NightFacts

DAY = 86_400_000_000
"""Microseconds of a day."""
# The years 1 and 9999, in microseconds since 1970.
EARLIEST, LATEST = -62_135_596_800 * 1_000_000, 253_402_300_800 * 1_000_000
_STAMP = pa.timestamp("us", "UTC")
_TOO_FINE = r"(\.\d{6})\d{1,3}"


def parse_times(texts: pa.Array, form: str) -> tuple[Longs, Bools]:
    r"""Microseconds since 1970, and whether a text is a time of this form.

    Digits beyond microseconds are cut off.

    >>> zulu = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$"
    >>> texts = ["1970-01-01T00:00:01.1234567Z", "1970-02-30T00:00:00Z", None, "1970-01-01"]
    >>> at, is_time = parse_times(pa.array(texts), zulu)
    >>> at.tolist(), is_time.tolist()
    ([1123456, 0, 0, 0], [True, False, False, False])
    """
    matches = pc.fill_null(pc.match_substring_regex(texts, form), fill_value=False)
    cut = pc.replace_substring_regex(texts, _TOO_FINE, r"\1")
    stamps = _to_stamps(pc.if_else(matches, cut, pa.scalar(None, pa.string())))
    at = np.asarray(pc.fill_null(stamps.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    is_given = np.asarray(stamps.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    return at, is_given & (at > EARLIEST) & (at < LATEST)


def _to_stamps(texts: pa.Array) -> pa.Array:
    """Times; null where digits are no date, such as those of 30 February."""
    try:
        return texts.cast(_STAMP)
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return pa.nulls(1, _STAMP)
        half = len(texts) // 2
        return pa.concat_arrays([_to_stamps(texts[:half]), _to_stamps(texts[half:])])


def midnight(day: date) -> int:
    """Microseconds from 1970 to the beginning of a date.

    >>> midnight(date(1970, 1, 2))
    86400000000
    """
    return (day - date(1970, 1, 1)).days * DAY


def find_dates(at: Longs, reader: NightFacts) -> tuple[Longs, Bools, Bools]:
    """Days since 1970, whether a time is up to the night and its clock skew, and if it is open."""
    end = midnight(reader.night) + DAY
    skew = int(timedelta(seconds=reader.settings.clock_skew_seconds) / timedelta(microseconds=1))
    return np.floor_divide(at, DAY), at - skew < end, at >= midnight(reader.first_open)


def arrival_and_log_dates(day: Longs, reader: NightFacts) -> tuple[pa.Array, pa.Array]:
    """Date on which each line arrived, and the date that it counts for."""
    night = midnight(reader.night) // DAY
    arrival = np.minimum(day, night) if reader.is_history else np.full(len(day), night)
    return _to_date(arrival), _to_date(np.minimum(day, arrival))


def _to_date(days: Longs) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32())
