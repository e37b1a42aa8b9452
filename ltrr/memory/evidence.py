"""Daily evidence of the memory, from slate rows and impressions."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.spark.fixed_point import to_fixed_point


def to_daily_evidence(slate_rows: DataFrame) -> DataFrame:
    """(impression, position) -> (log_date, query_key, entity_id): clicks and examinations.

    Each user counts once per date and pair of query and entity: with the largest of the user's
    clicks (0 or 1), and with the examination of the best position that the pair had on the user's
    pages. Sums are in fixed point, so they do not depend on the order of rows, files or partitions.
    The grouping by user distributes a frequent pair over tasks. It is the only shuffle with one row
    per user and pair. The empty query_key has no evidence: people who browse want different things.

    Args:
        slate_rows: Slate rows with `examination` (relative to position 1).

    >>> rows = spark.sql('''SELECT DATE'2026-03-02' log_date, 'love' query_key, 'e1' entity_id, t.*
    ...     FROM VALUES ('u1', 0, 1.0D), ('u1', 1, 0.5D), ('u2', 0, 0.25D)
    ...     AS t(user_key, clicks, examination)''')
    >>> to_daily_evidence(rows).drop("log_date", "query_key", "entity_id").collect()
    [Row(clicks=1048576, clicks_squared=1048576,
         examinations=1310720, examinations_squared=1114112)]
    """
    pair = ["log_date", "query_key", "entity_id"]
    by_user = (
        slate_rows.where(F.col("query_key") != "")
        .groupBy(*pair, "user_key")
        .agg(F.max("clicks").cast("double").alias("clicked"), F.max("examination").alias("examined"))
    )
    return by_user.groupBy(*pair).agg(
        F.sum(to_fixed_point(F.col("clicked"))).alias("clicks"),
        F.sum(to_fixed_point(F.col("clicked") * F.col("clicked"))).alias("clicks_squared"),
        F.sum(to_fixed_point(F.col("examined"))).alias("examinations"),
        F.sum(to_fixed_point(F.col("examined") * F.col("examined"))).alias("examinations_squared"),
    )


def to_query_days(impressions: DataFrame) -> DataFrame:
    """(impression) -> (log_date, query_key): impressions, query class and distinct users.

    Users are counted by a theta sketch per query and date. Sketches can be merged over dates; up to
    4,096 users they are exact.

    >>> rows = spark.sql('''SELECT DATE'2026-03-02' log_date, 'love' query_key,
    ...     'one_word' query_class, user_key FROM VALUES ('u1'), ('u1'), ('u2') AS t(user_key)''')
    >>> to_query_days(rows).select("impressions", "users", "query_class").collect()
    [Row(impressions=3, users=2.0, query_class='one_word')]
    """
    counted = impressions.groupBy("log_date", "query_key").agg(
        # The class is a function of the key.
        F.min("query_class").alias("query_class"),
        F.count(F.lit(1)).alias("impressions"),
        F.theta_sketch_agg("user_key").alias("users_sketch"),
    )
    return counted.withColumn("users", F.theta_sketch_estimate("users_sketch").cast("double"))
