"""Settings of the limits on a single user."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import expm1, log1p

from ltrr.errors import ConfigError, check_ranges

_KEY = re.compile(r"[0-9a-f]{32}")
# Up to so many times the median of a date, a user searches as people do.
_ORDINARY = 4.0


@dataclass(frozen=True)
class UserSettings:
    """Limits on how much one user counts in learning and evaluation, and users that do not count.

    Raw tables keep every row. The limits hold where rows are learned from or judged on.

    Attributes:
        impressions_per_day: Maximum number of impressions of one user and date that count. Of a
            user with more, a random sample of about this size counts, chosen by a hash of the
            impression.
        share_of_day: Maximum share of a date's impressions that one user may count for, 0..1. The
            lower of both limits holds.
        least_impressions: Number of impressions of one user and date that share_of_day never goes
            below; nor does it go below four times the median of the date's users.
        outlier_impressions: Number of impressions of one user and date up to which the user is
            never excluded for them. Above it, the user is excluded on that date if the number is
            also above the robust bound.
        outlier_clicks: Likewise for entities that the user clicked, or that earned a reward.
        outlier_distance: The robust bound lies this many times as far above the median of the
            date's users as their 95th percentile does, both on the scale log(1 + count). 3 is 4.9
            standard deviations of a log-normal count.
        one_position_clicks: Number of clicks at one position, other than the first, from which a
            user is excluded on a date if they are at least nine tenths of the user's clicks on that
            date.
        excluded: User keys, as data_quality and limited_users print them, that never count.
    """

    impressions_per_day: int = 50
    share_of_day: float = 0.001
    least_impressions: int = 8
    outlier_impressions: int = 100
    outlier_clicks: int = 60
    outlier_distance: float = 3.0
    one_position_clicks: int = 15
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        >>> UserSettings(share_of_day=0.0)
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: users.share_of_day: expected 0 < value <= 1, got 0.0
        >>> UserSettings(excluded=("jane.doe",))
        Traceback (most recent call last):
        ltrr.errors.ConfigError: not a user key: users.excluded[0]: expected 32 hex digits, as data_quality and \
limited_users print them, got 8 characters; copy the key from `ltrr tables show limited_users`
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

    def cap(self, impressions: int, median: float) -> int:
        """Number of impressions of one user that count on a date.

        Args:
            impressions: of all users of the date.
            median: of its users' numbers of impressions.

        >>> UserSettings().cap(500, 2.0), UserSettings().cap(500, 7.0), UserSettings().cap(15_000, 2.0)
        (8, 28, 15)
        >>> UserSettings().cap(1_000_000, 2.0)
        50
        """
        least = max(self.least_impressions, int(_ORDINARY * median), int(self.share_of_day * impressions))
        return min(self.impressions_per_day, least)


def robust_bound(median: float, upper: float, distance: float) -> float:
    """Count up to which a user and date is no outlier: median + distance x (upper - median), on the scale log(1 + n).

    Both quantiles stay where they are as long as fewer than 5 % of the users are abnormal, however
    abnormal they are.

    Args:
        median: of the counts of a date's users.
        upper: their 95th percentile.
        distance: as `UserSettings.outlier_distance`.

    >>> round(robust_bound(median=2.0, upper=8.0, distance=3.0), 6)
    80.0
    """
    start = log1p(median)
    return expm1(start + distance * (log1p(upper) - start))
