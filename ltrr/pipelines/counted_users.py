"""Limits per user in the jobs: rows that count, and users that a verdict names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import sqrt
from typing import Any

from pyspark.sql import DataFrame

from ltrr.evaluation.judged_impressions import only_on_dates
from ltrr.evaluation.scoring import ALL
from ltrr.pipelines.night import Night
from ltrr.users.limits import only_counted
from ltrr.users.naming import NAMED_IN_A_VERDICT, heaviest_counted, heaviest_limited, verdict_reasons


def only_counted_users(night: Night, rows: DataFrame) -> DataFrame:
    """Rows of the users and impressions that count; same columns.

    Args:
        night: Night of any job after `ingest_logs`.
        rows: Rows with log_date, user_key and impression_id.
    """
    return only_counted(rows, night.read("limited_users"), night.settings.users)


def name_heavy_users(
    night: Night, rows: list[dict[str, Any]], dates: Sequence[date], impressions: DataFrame
) -> list[dict[str, Any]]:
    """Rows of `ope_estimates` with heavy users among the reasons of the overall estimates.

    The reasons have no keys of users. Limited users of the dates are always described. Users who
    count are described if R, with each user's rewards added up, is below `good_evidence`. This
    takes one more pass over the rewards, without scoring. One user with a share s of the rewards
    keeps R below 1 / s^2. Users are therefore described from half of the share that alone would
    explain such an R. No verdict changes.

    Args:
        night: Night of `evaluate_policies`.
        rows: Rows to which the reasons are added.
        dates: Judged dates.
        impressions: Judged impressions: user_key, page_reward.
    """
    settings = night.settings.evaluation
    limited = heaviest_limited(only_on_dates(night.read("limited_users"), dates), NAMED_IN_A_VERDICT)
    whole = [row for row in rows if row["slice"] == ALL]
    is_thin = any(row["evidence"] is not None and row["evidence"] < settings.good_evidence for row in whole)
    share = 0.5 / sqrt(max(settings.good_evidence, 1.0))
    counted = heaviest_counted(impressions, NAMED_IN_A_VERDICT, share) if is_thin else []
    reasons = verdict_reasons(limited, counted)
    return [row | {"reasons": [*row["reasons"], *reasons]} if row["slice"] == ALL else row for row in rows]
