"""Training rows of the bandit: decisions with their rewards."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.service_version import SERVICE
from ltrr.core.features import action_features
from ltrr.errors import SupportError
from ltrr.spark.fixed_point import from_fixed_point, to_fixed_point


def found_reward(clicks: Column, examination: Column, examination_floor: float) -> Column:
    """Contribution of a shown entity to `found_reward`: clicks / examination.

    The examination counts as at least `examination_floor`.

    >>> rows = [(1, 0.5), (0, 0.5), (1, 0.01)]
    >>> shown = spark.createDataFrame(rows, "clicks int, examination double")
    >>> reward = found_reward(F.col("clicks"), F.col("examination"), examination_floor=0.05)
    >>> [row.r for row in shown.select(reward.alias("r")).collect()]
    [2.0, 0.0, 20.0]
    """
    return clicks / F.greatest(examination, F.lit(examination_floor))


def best_plan_value(action_features_column: Column) -> Column:
    """The planner's value of the best plan of a decision, the baseline of its reward.

    The best plan is always in the shortlist, which has the plans of highest value.
    """
    value = [feature.name for feature in action_features()].index("value")
    return F.array_max(F.transform(action_features_column, lambda action: action["features"][value]))


def to_bandit_rows(decisions: DataFrame, slate_rows: DataFrame, examination_floor: float) -> DataFrame:
    """Training rows by (impression_id, step), from decisions by step and slates by position.

    Features, action set and propensity are those of the log. An impression without shown entities
    has the reward 0. Decisions whose plan was served (`served_by = policy`) are used, and shadow
    decisions: values learn from their looks, blocks and clicks. On other `static` pages and
    `fallback`, the propensity is not that of the plan shown. A decision service (`served_by =
    service`) logs the reward of the whole page with its choice, which stands for both rewards.

    Decisions and slates are of the same dates. They are shuffled once, by log_date and
    impression_id.

    Args:
        decisions: Rows of the table `decisions`.
        slate_rows: Rows of the table `slate_rows`, with `examination`.
        examination_floor: Minimum examination, which limits the weight of one click.
    """
    rewards = slate_rows.groupBy("log_date", "impression_id").agg(
        # In fixed point, so that the sum and the model's bytes do not depend on the order of rows.
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
    is_shadow = F.coalesce("is_shadow", F.lit(False))
    drawn = decisions.where(F.col("served_by").isin("policy", SERVICE) | is_shadow)
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
        F.coalesce("logged_reward", "found_reward", F.lit(0.0)).alias("found_reward"),
        F.coalesce("logged_reward", "page_reward", F.lit(0.0)).alias("page_reward"),
        best_plan_value(F.col("action_features")).alias("baseline"),
        "shared_features",
        F.col("action_features").alias("actions"),
        "look",
        "deeper",
        shown.alias("shown"),
        is_shadow.alias("is_shadow"),
    )


def check_unions_shown(candidates: DataFrame, max_unshown_share: float) -> float:
    """Check the share of impressions with drawn entities that were not shown; return the largest.

    The shares are by date. An entity that was not shown could not be clicked, and no weight
    corrects for that. So `found_reward` would be too low for plans that return more than the page
    shows.

    Args:
        candidates: Rows of the table `candidates`.
        max_unshown_share: Maximum share of a date.

    Raises:
        SupportError: The share of a date is above the limit.
    """
    impressions = candidates.where("is_drawn").groupBy("log_date", "impression_id")
    drawn = impressions.agg(F.max(F.col("position").isNull()).alias("is_cut"))
    shares = drawn.groupBy("log_date").agg(F.avg(F.col("is_cut").cast("double")).alias("share")).collect()
    # One row for each date.
    cut, day = max(((float(row["share"]), row["log_date"]) for row in shares), default=(0.0, None))
    if cut > max_unshown_share:
        raise SupportError(
            "found_reward cannot be corrected if drawn entities are not shown",
            which=f"candidates of {day}",
            expected=f"at most {max_unshown_share:.1%} of impressions with a drawn entity that has no position",
            got=f"{cut:.1%}",
            todo="show the whole union, or reduce budget x block_size to the size of the page",
        )
    return cut
