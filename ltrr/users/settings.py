"""Settings of the limits on a single user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import expm1, log1p
from typing import Any

from ltrr.errors import ConfigError, check_ranges

_KEY = re.compile(r"[0-9a-f]{32}")
# Multiple of a date's median up to which the number of a user's impressions is ordinary.
_ORDINARY = 4.0


@dataclass(frozen=True)
class UserSettings:
    """Limits on how much one user counts in learning and evaluation, and users that do not count.

    Raw tables keep every row. The limits apply where rows are learned from or evaluated.

    Attributes:
        impressions_per_day: Maximum number of impressions of one user and date that count. Of a
            user with more, a random sample of about this size counts, chosen by a hash of the
            impression.
        share_of_day: Maximum share of a date's impressions that one user may count for, 0..1. Of
            this limit and impressions_per_day, the lower one applies.
        least_impressions: Smallest limit, in impressions of one user and date, that share_of_day
            can lead to. The limit is also at least four times the median number of impressions
            of the date's users.
        outlier_impressions: Number of impressions of one user and date that never excludes the
            user. With more, the user is excluded on that date if the number also exceeds the robust
            bound, which outlier_distance defines.
        outlier_clicks: Number of clicked or rewarded entities of one user and date that never
            excludes the user. With more, the user is excluded on that date if the number also
            exceeds the robust bound of such numbers.
        outlier_distance: Distance of the robust bound from the median of a date's users, as a
            multiple of the distance between their median and their 95th percentile; all on the
            scale log(1 + count). 3 is 4.9 standard deviations of a log-normal count.
        one_position_clicks: Minimum number of clicks at one position other than the first that
            excludes a user on a date. They must also be at least nine tenths of the user's clicks
            on that date.
        everything_clicks: Minimum number of clicked entities below the first position that excludes
            a user on a date. They must also be at least nine tenths of the entities that the user
            was shown there on that date.
        excluded: User keys that never count, in the form in which data_quality and limited_users
            show them.
    """

    impressions_per_day: int = 50
    share_of_day: float = 0.001
    least_impressions: int = 8
    outlier_impressions: int = 100
    outlier_clicks: int = 60
    outlier_distance: float = 3.0
    one_position_clicks: int = 15
    everything_clicks: int = 10
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges and the form of the keys.

        >>> UserSettings(share_of_day=0.0)
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: users.share_of_day:
        expected 0 < value <= 1, got 0.0
        >>> UserSettings(excluded=("jane.doe",))
        Traceback (most recent call last):
        ltrr.errors.ConfigError: not a user key: users.excluded[0]: expected 32 hex digits,
        as data_quality and limited_users print them, got 8 characters;
        copy the key from `ltrr tables show limited_users`
        """
        least = 1 <= self.least_impressions <= self.impressions_per_day
        rules = (
            ("impressions_per_day", self.impressions_per_day >= 1, ">= 1"),
            ("share_of_day", 0.0 < self.share_of_day <= 1.0, "0 < value <= 1"),
            ("least_impressions", least, "1 <= value <= impressions_per_day"),
            ("outlier_impressions", self.outlier_impressions >= 1, ">= 1"),
            ("outlier_clicks", self.outlier_clicks >= 1, ">= 1"),
            ("outlier_distance", self.outlier_distance >= 1.0, ">= 1"),
            ("one_position_clicks", self.one_position_clicks >= 1, ">= 1"),
            ("everything_clicks", self.everything_clicks >= 1, ">= 1"),
        )
        check_ranges("users", self, rules)
        for number, key in enumerate(self.excluded):
            if not _KEY.fullmatch(key):
                raise ConfigError(
                    "not a user key",
                    which=f"users.excluded[{number}]",
                    expected="32 hex digits, as data_quality and limited_users print them",
                    # It may be a user id, so the message does not repeat it.
                    got=f"{len(key)} characters",
                    todo="copy the key from `ltrr tables show limited_users`",
                )

    def digested(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that enter the digest of all settings.

        Args:
            given: These settings as plain data.
        """
        # A setting that is newer than the first homes counts only if it is changed.
        is_default = self.everything_clicks == UserSettings.everything_clicks
        return {name: value for name, value in given.items() if name != "everything_clicks" or not is_default}

    def cap(self, impressions: int, median: float) -> int:
        """Number of impressions of one user that count on a date.

        Args:
            impressions: Number of impressions of all users of the date.
            median: Median number of impressions per user of the date.

        >>> settings = UserSettings()
        >>> settings.cap(500, 2.0), settings.cap(500, 7.0), settings.cap(15_000, 2.0)
        (8, 28, 15)
        >>> settings.cap(1_000_000, 2.0)
        50
        """
        least = max(self.least_impressions, int(_ORDINARY * median), int(self.share_of_day * impressions))
        return min(self.impressions_per_day, least)


def robust_bound(median: float, upper: float, distance: float) -> float:
    """Largest count of one user and date that is no outlier.

    It is median + distance x (upper - median), on the scale log(1 + count). As long as less than 5%
    of the users are abnormal, the size of their counts does not move either quantile.

    Args:
        median: Median of the counts of a date's users.
        upper: Their 95th percentile.
        distance: `UserSettings.outlier_distance`.

    >>> round(robust_bound(median=2.0, upper=8.0, distance=3.0), 6)
    80.0
    """
    start = log1p(median)
    return expm1(start + distance * (log1p(upper) - start))
