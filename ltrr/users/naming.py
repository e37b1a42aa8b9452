"""Descriptions of heavy users, for operators: in `data_quality` and in verdicts.

`data_quality` has the keys of the users. Verdicts have none, because a verdict is kept as it was
made: in tables, notes, bundles and MLflow, where a user could not be forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.spark.fixed_point import to_fixed_point
from ltrr.spark.quality import Check
from ltrr.users.limits import CAPPED, is_identified

log = logging.getLogger(__name__)

NAMED_A_NIGHT = 20
NAMED_IN_A_VERDICT = 3
# A capped user with a smaller share of a date needs no action of the operator.
_NOTABLE_SHARE = 0.01
_ABOUT = "single users: "


@dataclass(frozen=True)
class LimitedUser:
    """A limited user, on the date on which the user's share was largest."""

    log_date: str
    user_key: str
    impressions: int
    clicks: int
    share_of_impressions: float
    share_of_reward: float
    counted_share: float
    reason: str

    def __str__(self) -> str:
        """Description of the user as a clause of a sentence.

        >>> robot = LimitedUser("2026-03-02", "3f2a", 1500, 1490, 0.0909, 0.21, 0.0, "impressions")
        >>> str(robot)
        'user 3f2a, excluded (impressions): 1500 impressions and 1490 clicks on 2026-03-02,
        9.1% of the impressions and 21.0% of the rewards'
        """
        return f"user {self.user_key}, {self.describe()}"

    def describe(self) -> str:
        """What the user did, without the key."""
        how = f"counted at {self.counted_share:.1%} (capped)" if self.reason == CAPPED else f"excluded ({self.reason})"
        return (
            f"{how}: {self.impressions} impressions and {self.clicks} clicks on {self.log_date}, "
            f"{self.share_of_impressions:.1%} of the impressions and {self.share_of_reward:.1%} of the rewards"
        )


def heaviest_limited(limited_users: DataFrame, most: int) -> list[LimitedUser]:
    """Find the users to name: excluded users, and capped ones with a notable share of a date.

    Each user occurs once, with the date on which the user's share was largest. Excluded users come
    first, each group with the largest shares first.

    Args:
        limited_users: Rows of the table, of the dates in question.
        most: Maximum number of users.
    """
    share = F.greatest("share_of_reward", "share_of_impressions")
    is_notable = (F.col("reason") != CAPPED) | (share >= _NOTABLE_SHARE)
    weight = F.struct((F.col("reason") != CAPPED).alias("is_excluded"), share.alias("share"), F.col("log_date"))
    row = F.struct(
        F.col("log_date").cast("string").alias("log_date"),
        *("user_key", "impressions", "clicks", "share_of_impressions", "share_of_reward", "counted_share", "reason"),
    )
    by_user = (
        limited_users.where(is_notable)
        .groupBy("user_key")
        .agg(F.max(weight).alias("weight"), F.max_by(row, weight).alias("row"))
    )
    first = by_user.orderBy(F.desc("weight.is_excluded"), F.desc("weight.share"), "user_key").limit(most)
    return [LimitedUser(**row["row"].asDict()) for row in first.collect()]


def user_checks(limited_users: DataFrame) -> list[Check]:
    """Rows of `data_quality` about limited users: two counts, and one row for each user to name.

    They are only reported: learning and evaluation already leave these users out.
    """
    is_capped = F.col("reason") == CAPPED
    counts = limited_users.agg(
        F.count_distinct(F.when(~is_capped, F.col("user_key"))).alias("excluded"),
        F.count_distinct(F.when(is_capped, F.col("user_key"))).alias("capped"),
    ).collect()[0]
    checks = [
        Check("excluded_users", float(counts["excluded"]), None, "reported", "left out of learning and judging"),
        Check("capped_users", float(counts["capped"]), None, "reported", "counted in part: see limited_users"),
    ]
    if counts["excluded"] or counts["capped"]:
        checks += [
            Check(f"user_{user.user_key}", user.share_of_reward, None, "reported", str(user))
            for user in heaviest_limited(limited_users, NAMED_A_NIGHT)
        ]
    return checks


def heaviest_counted(impressions: DataFrame, most: int, least_share: float) -> list[str]:
    """Clauses about the users with the largest shares of the evaluated rewards, largest first.

    The program's log has the keys of these users, for the setting `users.excluded`.

    Args:
        impressions: Counted impressions or their slate rows, with user_key and page_reward.
        most: Maximum number of users.
        least_share: Share of the rewards from which a user is named.
    """
    by_user = (
        impressions.where(is_identified(F.col("user_key")))
        .groupBy("user_key")
        .agg(F.sum(to_fixed_point(F.col("page_reward"))).alias("reward"))
    )
    total = impressions.agg(F.sum(to_fixed_point(F.col("page_reward"))).alias("reward")).collect()[0]["reward"]
    if not total:
        return []
    heavy = by_user.where(F.col("reward") >= F.lit(least_share * total)).orderBy(F.desc("reward"), "user_key")
    found = heavy.limit(most).collect()
    for row in found:
        log.warning("heavy_user=%s share_of_rewards=%.4f", row["user_key"], row["reward"] / total)
    return [f"one user earned {row['reward'] / total:.1%} of the rewards judged on" for row in found]


def verdict_reasons(limited: Sequence[LimitedUser], counted: Sequence[str]) -> list[str]:
    """Reasons of a verdict about single users, without keys; `is_about_a_user` recognises them.

    `limited_users` and `data_quality` have the keys of the limited users of the date.

    >>> reasons = verdict_reasons([], ["one user earned 21.0% of the rewards judged on"])
    >>> reasons, is_about_a_user(reasons[0]), is_about_a_user("evidence R is 31.0, below 100")
    (['single users: one user earned 21.0% of the rewards judged on'], True, False)
    """
    return [f"{_ABOUT}{clause}" for clause in (*(f"one user, {user.describe()}" for user in limited), *counted)]


def is_about_a_user(reason: str) -> bool:
    """Whether a reason of a verdict is about a single user."""
    return reason.startswith(_ABOUT)
