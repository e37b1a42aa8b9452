"""Impressions that an evaluation may use, with their rewards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.service_version import SERVICE
from ltrr.evaluation.logged_decision import COLUMNS


def is_held_out(held_out_percent: int) -> Column:
    """Whether the user's fold is held out of training.

    >>> folds = spark.createDataFrame([(0,), (29,), (30,), (99,)], "user_fold int")
    >>> [row.held for row in folds.select(is_held_out(30).alias("held")).collect()]
    [True, True, False, False]
    """
    return F.col("user_fold") < F.lit(held_out_percent)


def only_on_dates(frame: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Rows of these log_dates; same columns."""
    return frame.where(F.col("log_date").isin(list(dates)))


def only_by_policy(decisions: DataFrame, versions: Collection[str]) -> DataFrame:
    """First decisions of impressions that these versions served, without fallbacks; same columns.

    A decision service is one of the versions if its plans are those that are judged.
    """
    is_served = F.col("served_by").isin("policy", SERVICE) & (F.col("step") == 1)
    return decisions.where(is_served & F.col("policy_version").isin(sorted(versions)))


def judged_impressions(decisions: DataFrame, slate_rows: DataFrame, versions: Collection[str]) -> DataFrame:
    """One row with page_reward for each impression that a policy of the judged plan space served.

    Fallbacks are left out. A page without rows has a reward of 0. A decision service logged the
    reward of the page with its choice. The join by log_date and
    impression_id, over the same few dates, takes one shuffle.

    Args:
        decisions: Decisions of closed dates.
        slate_rows: Slate rows of the same dates.
        versions: Versions of the bundles with the judged plans and features.
    """
    rewards = slate_rows.groupBy("log_date", "impression_id").agg(F.sum("page_reward").alias("page_reward"))
    joined = only_by_policy(decisions, versions).join(rewards, on=["log_date", "impression_id"], how="left")
    reward = F.coalesce(F.col("logged_reward"), F.col("page_reward"), F.lit(0.0))
    logged = [name for name in COLUMNS if name not in ("page_reward", "query_mean")]
    return joined.select("impression_id", "user_fold", *logged, reward.alias("page_reward"))


@dataclass(frozen=True)
class ServedCounts:
    """Numbers of the window's impressions, by how they were served.

    Attributes:
        by_policy: Served by a policy of the judged plan space, or by a decision service that chose
            among its plans. Only these are used.
        by_other_space: Served by a policy with other plans or features.
        by_static: Served by a fixed plan without randomness, which is no evidence about other
            plans.
        by_fallback: Served by the fallback instead of the sampled plan.
    """

    by_policy: int
    by_other_space: int
    by_static: int
    by_fallback: int

    @property
    def fallback_share(self) -> float:
        """Share of fallbacks in all impressions; 0 without impressions."""
        served = self.by_policy + self.by_other_space + self.by_static + self.by_fallback
        return self.by_fallback / served if served else 0.0


def count_by_version(decisions: DataFrame) -> dict[tuple[str, str], int]:
    """(policy_version, served_by) -> number of impressions; the driver collects a few rows."""
    rows = decisions.where(F.col("step") == 1).groupBy("policy_version", "served_by").count().collect()
    return {(row["policy_version"], row["served_by"]): int(row["count"]) for row in rows}


def count_served(served: dict[tuple[str, str], int], versions: Collection[str]) -> ServedCounts:
    """Numbers of impressions by how they were served.

    >>> served = {("v1", "policy"): 90, ("v0", "policy"): 5, ("v1", "fallback"): 5}
    >>> count_served(served, ["v1"]).fallback_share
    0.05
    """

    def total(how: str, *, known: bool | None = None) -> int:
        return sum(n for (v, by), n in served.items() if by == how and (known is None or (v in versions) == known))

    return ServedCounts(
        by_policy=total("policy", known=True) + total(SERVICE, known=True),
        by_other_space=total("policy", known=False) + total(SERVICE, known=False),
        by_static=total("static"),
        by_fallback=total("fallback"),
    )
