"""Effect of robots on the examination curve and on evidence, with and without limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.user_limits.attacks import DAY, POSITIONS, Robot, slate_rows
from ltrr.clicks.fit import fit_curves
from ltrr.clicks.pairs import to_linking_pairs
from ltrr.clicks.settings import ClickSettings
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.estimates import summarize_policy
from ltrr.users.limits import CAPPED, only_counted, to_limited_users, to_user_days
from ltrr.users.naming import heaviest_limited
from ltrr.users.settings import UserSettings

SETTINGS = UserSettings()


@dataclass(frozen=True)
class CurveError:
    """Largest relative distance of a curve from the curve of the honest searches alone.

    Attributes:
        unlimited: Error without limits.
        limited: Error with the limits.
        excluded: Number of excluded users.
        capped: Number of capped users.
    """

    unlimited: float
    limited: float
    excluded: int
    capped: int


def limits_of(rows: DataFrame) -> DataFrame:
    """Rows of `limited_users`, computed from slate rows as ingestion computes them."""
    impressions = rows.where("position = 1").select("log_date", "user_key")
    return to_limited_users(to_user_days(impressions, rows).persist(), SETTINGS).persist()


def fit(rows: DataFrame) -> np.ndarray:
    """Examination curve, fitted as the job fits it."""
    pairs = to_linking_pairs(rows, POSITIONS).persist()
    curve = fit_curves(pairs, ["search"], POSITIONS, ClickSettings()).curves["search"].examination
    pairs.unpersist()
    return curve


def measure_curve(spark: SparkSession, robots: tuple[Robot, ...], impressions: int, users: int) -> CurveError:
    """Errors of the curves with and without the limits, against the honest searches alone."""
    rows = spark.createDataFrame(slate_rows(1, impressions, users, robots)).persist()
    alone = fit(rows.where(F.col("user_key").startswith("person")))
    limited = limits_of(rows)
    unlimited_error, limited_error = (
        float(np.abs(fit(part) / alone - 1.0).max()) for part in (rows, only_counted(rows, limited, SETTINGS))
    )
    counts = {row["excludes"]: row["count"] for row in limited.groupBy(_excludes()).count().collect()}
    spark.catalog.clearCache()
    return CurveError(unlimited_error, limited_error, counts.get(True, 0), counts.get(False, 0))


def _excludes() -> Column:
    return (F.col("reason") != CAPPED).alias("excludes")


@dataclass(frozen=True)
class Evidence:
    """R over users of the champion that logged, over the nights of a life.

    Attributes:
        honest: R of the honest searches alone.
        unlimited: R with the robot, without limits.
        limited: R with the robot and the limits.
        named: First clause of the verdict about a user.
    """

    honest: float
    unlimited: float
    limited: float
    named: str


def judged_rows(seed: int, nights: int, impressions: int, robot_impressions: int, rewards: float) -> pd.DataFrame:
    """Impressions over the nights of a life.

    The mean reward of an impression is .5 for honest users and `rewards` for the robot.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for night in range(nights):
        who = [f"person-{n}" for n in rng.integers(0, 6 * impressions, impressions)]
        who += ["robot"] * robot_impressions
        earned = np.concatenate(((rng.random(impressions) < 0.5) * 1.0, np.full(robot_impressions, rewards)))
        parts.append(
            pd.DataFrame(
                {
                    "log_date": DAY + timedelta(days=night),
                    "impression_id": [f"{night}-{n}" for n in range(len(who))],
                    "user_key": who,
                    "surface": "search",
                    "position": 1,
                    "clicks": (earned > 0).astype(np.int32),
                    "page_reward": earned,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def measure_evidence(
    spark: SparkSession, nights: int, impressions: int, robot_impressions: int, rewards: float
) -> Evidence:
    """R with and without the limits, and the user that the verdict names."""
    made = judged_rows(1, nights, impressions, robot_impressions, rewards)
    rows = spark.createDataFrame(made)
    limited = limits_of(rows)
    counted = only_counted(rows, limited, SETTINGS).toPandas()
    named = heaviest_limited(limited, 1)
    spark.catalog.clearCache()
    return Evidence(
        evidence_of(made[made["user_key"] != "robot"]),
        evidence_of(made),
        evidence_of(counted),
        str(named[0]) if named else "",
    )


def evidence_of(made: pd.DataFrame) -> float:
    """R over users of the policy that logged; every weight is one."""
    rewards = made["page_reward"].to_numpy()
    one = np.ones(len(rewards))
    names = {"n": one, "p_w": one, "p_w_squared": one, "p_wr": rewards, "p_wr_squared": rewards**2}
    sums = ClusteredSums.of({**names, "p_unsupported": 0.0 * one}, list(made["user_key"]), tails=["p_wr"])
    return summarize_policy(sums, "p", 0.0).evidence_of_users


def measure_false_exclusions(spark: SparkSession, counts: np.ndarray, clicks_per_impression: float) -> tuple[int, int]:
    """Number of honest users whom the limits exclude, and number of honest users.

    Args:
        spark: Session.
        counts: Number of impressions of each user, [users].
        clicks_per_impression: Mean number of clicks; clicks follow the position-based model.
    """
    rng = np.random.default_rng(3)
    positions = np.arange(1, 11, dtype=np.float64) ** -0.7
    clicks = rng.poisson(counts[:, None] * clicks_per_impression * positions / positions.sum())
    frame = pd.DataFrame(
        {
            "log_date": DAY,
            "user_key": [f"person-{n}" for n in range(len(counts))],
            "impressions": counts.astype(np.int64),
            "clicks": clicks.sum(axis=1).astype(np.int64),
            "page_reward": clicks.sum(axis=1).astype(np.float64),
            "one_position_clicks": clicks[:, 1:].max(axis=1).astype(np.int64),
            "lower_clicks": clicks[:, 1:].sum(axis=1).astype(np.int64),
            "lower_shown": 9 * counts.astype(np.int64),
        }
    )
    limited = to_limited_users(spark.createDataFrame(frame), SETTINGS)
    return limited.where(_excludes()).count(), len(counts)


def count_user_impressions(users: int = 50_000) -> dict[str, np.ndarray]:
    """Distribution -> number of impressions on a day of each honest user who searched."""
    rng = np.random.default_rng(5)
    activity = np.arange(1, users + 1) ** -0.4
    worlds = rng.poisson(2.0 * users * activity / activity.sum())
    return {
        "the worlds of ltrr (power of rank -0.4)": worlds[worlds > 0],
        "log-normal, sigma 1": np.ceil(rng.lognormal(np.log(2.0), 1.0, users)),
        "log-normal, sigma 1.25": np.ceil(rng.lognormal(np.log(2.0), 1.25, users)),
        "Pareto, exponent 2.5": np.floor(rng.pareto(2.5, users) + 1.0),
    }
