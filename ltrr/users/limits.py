"""Limits on single users: who counts in part or not at all on a date, and the filter of rows.

`to_limited_users` decides once, when logs are ingested. `only_counted` applies the decision
wherever rows are learned from or evaluated. The decision is a share per user and date, so the
filter is a join with a small table and a comparison of a hash. It needs no sort and no window over
the rows of one user, who may have a tenth of the log.
"""

from __future__ import annotations

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.core.hashing import ANONYMOUS
from ltrr.spark.fixed_point import from_fixed_point, to_fixed_point
from ltrr.spark.hashing import HashUse, salted_hash
from ltrr.users.settings import UserSettings, robust_bound

CAPPED, IMPRESSIONS, CLICKS, ONE_POSITION, SETTING = "capped", "impressions", "clicks", "one_position", "setting"
EVERYTHING = "everything"
"""Reasons in the table `limited_users`. All except `CAPPED` exclude the user."""

# With fewer users on a date, a 95th percentile does not describe ordinary users: only the caps
# apply.
_LEAST_USERS = 20
# Share of a user's clicks at one position below the first. A person who reads pages does not reach
# it by chance.
_ONE_POSITION_SHARE = 0.9
# Share of the entities shown to a user below the first position. A person who chooses does not
# click so many of them.
_EVERYTHING_SHARE = 0.9
# Share of the users who click on a surface. A position that more of them click is no sign of a
# robot.
_COMMON_POSITION_SHARE = 0.5
_HASH_UNITS = 1 << 53


def is_identified(user_key: Column) -> Column:
    """Whether a row has an identified user; anonymous searches have none.

    >>> keys = spark.createDataFrame([("k1",), ("~k2",), ("",), (None,)], "user_key string")
    >>> known = keys.select(is_identified(F.col("user_key")).alias("known"))
    >>> [row.known for row in known.collect()]
    [True, False, False, False]
    """
    return F.coalesce((user_key != "") & ~user_key.startswith(ANONYMOUS), F.lit(False))


def sampling_number(impression_id: Column) -> Column:
    """Pseudo-random number in [0, 1), a hash of the impression id.

    It does not depend on what happened in the impression, and every rerun gives the same number.
    The salt makes it independent of the other samples and orders that hashes of the same id define.

    >>> ids = spark.range(20_000).select(F.col("id").cast("string").alias("id"))
    >>> numbers = ids.select(sampling_number(F.col("id")).alias("x"))
    >>> found = numbers.agg(F.min("x"), F.avg("x"), F.max("x")).head()
    >>> 0.0 <= found[0] < 0.001, 0.49 < found[1] < 0.51, 0.999 < found[2] < 1.0
    (True, True, True)
    """
    return F.pmod(salted_hash(HashUse.COUNTED_USER, impression_id), F.lit(_HASH_UNITS)) / F.lit(float(_HASH_UNITS))


def to_user_days(impressions: DataFrame, slate_rows: DataFrame, lower_counts: DataFrame | None = None) -> DataFrame:
    """(impression), (impression, position) -> (log_date, user_key): counts of each identified user.

    Columns:
        impressions: Number of impressions.
        clicks: Number of shown entities that the user clicked or that earned a reward.
        page_reward: Sum of their rewards.
        one_position_clicks: Number of clicks at the user's most clicked position, without the first
            position and those that most users of the surface click.
        lower_clicks: Number of clicked entities below the first position.
        lower_shown: Number of entities that were shown below the first position.

    Three shuffles by user, of counts that Spark has combined before: a user with a tenth of the log
    is one row per task. The job drops the cached rows at its end.

    Args:
        impressions: Rows with log_date and user_key.
        slate_rows: Rows of the same dates with log_date, user_key, surface, position, clicks and
            page_reward, at least those with a click or reward.
        lower_counts: log_date, user_key and `lower_shown`, a number of entities that were shown
            below the first position; any number of rows per user. None: `slate_rows` has all rows,
            and they are counted.
    """
    user = ["log_date", "user_key"]
    searched = (
        impressions.where(is_identified(F.col("user_key"))).groupBy(*user).agg(F.count(F.lit(1)).alias("impressions"))
    )
    is_answered = (F.col("clicks") > 0) | (F.col("page_reward") > 0)
    answered = slate_rows.where(is_answered & is_identified(F.col("user_key")))
    # Read twice: to find the positions that most users click, and by user. One row per user and
    # clicked position.
    places = (
        answered.groupBy(*user, "surface", "position")
        .agg(F.count(F.lit(1)).alias("n"), F.sum(to_fixed_point(F.col("page_reward"))).alias("reward"))
        .persist(StorageLevel.MEMORY_AND_DISK)
    )
    # Counted in users, so that the clicks of one robot do not make its position a common one.
    surface = ["log_date", "surface"]
    everybody = places.groupBy(*surface, "position").agg(F.count(F.lit(1)).alias("users"))
    surfaces = places.groupBy(*surface).agg(F.count_distinct("user_key").alias("of_surface"))
    common = (
        everybody.join(surfaces, on=surface, how="inner")
        .where((F.col("position") == 1) | (F.col("users") > F.lit(_COMMON_POSITION_SHARE) * F.col("of_surface")))
        .select("log_date", "surface", "position", F.lit(True).alias("is_common"))
    )
    # One row per date, surface and common position: a few dozen rows.
    marked = places.join(F.broadcast(common), on=["log_date", "surface", "position"], how="left")
    acted = marked.groupBy(*user).agg(
        F.sum("n").alias("clicks"),
        F.sum("reward").alias("reward"),
        F.max(F.when(F.col("is_common").isNull(), F.col("n"))).alias("one_position_clicks"),
        F.sum(F.when(F.col("position") > 1, F.col("n"))).alias("lower_clicks"),
    )
    if lower_counts is None:
        lower_counts = slate_rows.where(F.col("position") > 1).withColumn("lower_shown", F.lit(1))
    of_users = lower_counts.where(is_identified(F.col("user_key")))
    shown = of_users.groupBy(*user).agg(F.sum("lower_shown").alias("lower_shown"))
    return (
        searched.join(acted, on=user, how="left")
        .join(shown, on=user, how="left")
        .select(
            *user,
            "impressions",
            F.coalesce("clicks", F.lit(0)).alias("clicks"),
            F.coalesce(from_fixed_point(F.col("reward")), F.lit(0.0)).alias("page_reward"),
            *(
                F.coalesce(name, F.lit(0)).alias(name)
                for name in ("one_position_clicks", "lower_clicks", "lower_shown")
            ),
        )
    )


def to_limited_users(user_days: DataFrame, settings: UserSettings) -> DataFrame:
    """Rows of `limited_users`: the users and dates whose impressions count in part, or not at all.

    The driver collects one row per date, its totals and quantiles. A date has at most as many rows
    as its impressions divided by the cap; on an ordinary date, a few users in a thousand are
    limited.

    Args:
        user_days: Rows of `to_user_days`; read twice.
        settings: Limits.
    """
    totals = user_days.groupBy("log_date").agg(
        F.count(F.lit(1)).alias("users"),
        F.sum("impressions").alias("impressions"),
        from_fixed_point(F.sum(to_fixed_point(F.col("page_reward")))).alias("reward"),
        # Exact quantiles: counts take few distinct values, and Spark keeps one number per value.
        *(F.percentile(name, F.array(F.lit(0.5), F.lit(0.95))).alias(f"{name}_at") for name in (IMPRESSIONS, CLICKS)),
    )
    bounds = [
        (
            row["log_date"],
            int(row["impressions"]),
            row["reward"],
            settings.cap(row["impressions"], row["impressions_at"][0]),
            _bound(row["users"], row["impressions_at"], settings.outlier_impressions, settings),
            _bound(row["users"], row["clicks_at"], settings.outlier_clicks, settings),
        )
        for row in totals.collect()
    ]
    of_date = user_days.sparkSession.createDataFrame(
        bounds,
        "log_date date, all_impressions bigint, all_reward double, cap int, impressions_bound double, "
        "clicks_bound double",
    )
    known = user_days.join(F.broadcast(of_date), on="log_date", how="inner")
    reason = (
        F.when(F.col("user_key").isin(list(settings.excluded)), SETTING)
        .when(F.col("impressions") > F.col("impressions_bound"), IMPRESSIONS)
        .when(F.col("clicks") > F.col("clicks_bound"), CLICKS)
        .when(
            (F.col("one_position_clicks") >= settings.one_position_clicks)
            & (F.col("one_position_clicks") >= F.lit(_ONE_POSITION_SHARE) * F.col("clicks")),
            ONE_POSITION,
        )
        .when(
            (F.col("lower_clicks") >= settings.everything_clicks)
            & (F.col("lower_clicks") >= F.lit(_EVERYTHING_SHARE) * F.col("lower_shown")),
            EVERYTHING,
        )
        .when(F.col("impressions") > F.col("cap"), CAPPED)
    )
    counted = F.when(F.col("reason") == CAPPED, F.col("cap") / F.col("impressions")).otherwise(F.lit(0.0))
    reward_share = F.when(F.col("all_reward") > 0, F.col("page_reward") / F.col("all_reward")).otherwise(F.lit(0.0))
    return (
        known.withColumn("reason", reason)
        .where(F.col("reason").isNotNull())
        .select(
            "log_date",
            "user_key",
            "impressions",
            "clicks",
            "page_reward",
            (F.col("impressions") / F.col("all_impressions")).alias("share_of_impressions"),
            reward_share.alias("share_of_reward"),
            counted.alias("counted_share"),
            "reason",
        )
    )


def only_counted(rows: DataFrame, limited_users: DataFrame, settings: UserSettings) -> DataFrame:
    """Rows of impressions that count: none of excluded users, a sample of capped users, all others.

    An impression counts with all its rows or with none, and every use counts the same impressions.
    The columns and their order stay the same.

    Spark sends the small table `limited_users` to the tasks. If it is ever too large for that,
    Spark shuffles both sides and splits the rows of a heavy user.

    Args:
        rows: Rows with log_date, user_key and impression_id.
        limited_users: Rows of the table `limited_users`, at least those of the dates of `rows`. All
            users of a date without rows count fully.
        settings: Keys that never count, on any date.

    >>> rows = spark.sql('''SELECT DATE'2026-03-02' log_date, user_key, impression_id
    ...     FROM VALUES ('robot', 'i1'), ('person', 'i2'), ('', 'i3'), (repeat('0', 32), 'i4')
    ...     AS t(user_key, impression_id)''')
    >>> limited = spark.sql('''SELECT DATE'2026-03-02' log_date, 'robot' user_key,
    ...     0.0D counted_share''')
    >>> kept = only_counted(rows, limited, UserSettings(excluded=("0" * 32,)))
    >>> sorted(row.impression_id for row in kept.collect())
    ['i2', 'i3']
    """
    return with_is_counted(rows, limited_users, settings).where("is_counted").select(*rows.columns)


def with_is_counted(rows: DataFrame, limited_users: DataFrame, settings: UserSettings) -> DataFrame:
    """Add `is_counted`: whether `only_counted` keeps the row."""
    limits = limited_users.select("log_date", "user_key", F.col("counted_share").alias("_counted_share"))
    joined = rows.join(limits, on=["log_date", "user_key"], how="left")
    is_counted = sampling_number(F.col("impression_id")) < F.coalesce("_counted_share", F.lit(1.0))
    if settings.excluded:
        is_counted &= ~F.coalesce(F.col("user_key").isin(list(settings.excluded)), F.lit(False))
    return joined.select(*rows.columns, is_counted.alias("is_counted"))


def _bound(users: int, quantiles: list[float], floor: int, settings: UserSettings) -> float:
    if users < _LEAST_USERS:
        return float("inf")
    median, upper = quantiles
    return max(float(floor), robust_bound(median, upper, settings.outlier_distance))
