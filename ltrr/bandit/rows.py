"""Decisions and what came of them, as the rows that a bandit learns from."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.core.features import action_features
from ltrr.errors import SupportError
from ltrr.spark.fixed_point import from_fixed_point, to_fixed_point


def found_reward(clicks: Column, examination: Column, examination_floor: float) -> Column:
    """What a shown entity counts in `found_reward`: clicks / examination, examination at least `examination_floor`.

    >>> shown = spark.createDataFrame([(1, 0.5), (0, 0.5), (1, 0.01)], "clicks int, examination double")
    >>> reward = found_reward(F.col("clicks"), F.col("examination"), examination_floor=0.05)
    >>> [row.r for row in shown.select(reward.alias("r")).collect()]
    [2.0, 0.0, 20.0]
    """
    return clicks / F.greatest(examination, F.lit(examination_floor))


def best_plan_value(action_features_column: Column) -> Column:
    """The planner's value of the best plan of a decision: the baseline that its reward is measured from.

    The shortlist holds the plans of highest value, so the best of all is always in it.
    """
    value = [feature.name for feature in action_features()].index("value")
    return F.array_max(F.transform(action_features_column, lambda action: action["features"][value]))


def to_bandit_rows(decisions: DataFrame, slate_rows: DataFrame, examination_floor: float) -> DataFrame:
    """(impression_id, step) decisions and (impression_id, position) slates -> (impression_id, step) training rows.

    Features, action set and propensity are those that were logged; only the reward is newer than
    the decision. An impression that showed nothing earned nothing. Only decisions that the policy
    drew and carried out (`served_by = policy`) are taken: of a `fallback` or `static` page the
    propensity is not that of what was shown.

    Both sides are of the same dates and shuffled once by log_date and impression_id.

    Args:
        decisions: of the table `decisions`.
        slate_rows: of the table `slate_rows`, with `examination`.
        examination_floor: bounds the weight of one click.
    """
    rewards = slate_rows.groupBy("log_date", "impression_id").agg(
        # In fixed point, so that the sum, and every byte that is learned from it, does not depend
        # on its order.
        from_fixed_point(
            F.sum(to_fixed_point(found_reward(F.col("clicks"), F.col("examination"), examination_floor)))
        ).alias("found_reward"),
        from_fixed_point(F.sum(to_fixed_point(F.col("page_reward")))).alias("page_reward"),
        F.sort_array(F.collect_list(F.struct("position", "entity_id", "clicks", "examination"))).alias("page"),
    )
    no_page = F.array().cast("array<struct<position:int,entity_id:string,clicks:int,examination:double>>")
    shown = F.transform(
        F.coalesce("page", no_page),
        lambda row: F.struct(row["entity_id"], row["clicks"], row["examination"]),
    )
    drawn = decisions.where(F.col("served_by") == "policy")
    return drawn.join(rewards, on=["log_date", "impression_id"], how="left").select(
        "impression_id",
        "step",
        "log_date",
        "query_key",
        "query_class",
        "user_key",
        "user_fold",
        "policy_version",
        "action_taken",
        "logging_propensity",
        F.coalesce("found_reward", F.lit(0.0)).alias("found_reward"),
        F.coalesce("page_reward", F.lit(0.0)).alias("page_reward"),
        best_plan_value(F.col("action_features")).alias("baseline"),
        "shared_features",
        F.col("action_features").alias("actions"),
        "look",
        "deeper",
        shown.alias("shown"),
    )


def check_unions_were_shown(candidates: DataFrame, max_unshown_share: float) -> float:
    """The largest share of a date's impressions that drew an entity and did not show it; refuses one above the limit.

    What was not shown could not be clicked, and no weight corrects for that: `found_reward` would
    punish plans that bring more than the page holds.

    Args:
        candidates: of the table `candidates`.
        max_unshown_share: the limit.

    Raises:
        SupportError: with the share, and what to change.
    """
    impressions = candidates.where("is_drawn").groupBy("log_date", "impression_id")
    drawn = impressions.agg(F.max(F.col("position").isNull()).alias("is_cut"))
    shares = drawn.groupBy("log_date").agg(F.avg(F.col("is_cut").cast("double")).alias("share")).collect()
    # One row a date.
    cut, day = max(((float(row["share"]), row["log_date"]) for row in shares), default=(0.0, None))
    if cut > max_unshown_share:
        raise SupportError(
            "found_reward cannot be corrected where drawn entities are not shown",
            which=f"candidates of {day}",
            expected=f"at most {max_unshown_share:.1%} of impressions with a drawn entity that has no position",
            got=f"{cut:.1%}",
            todo="show the whole union, or lower budget x block_size to what the page holds",
        )
    return cut
