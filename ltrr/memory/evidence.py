"""Slate rows and impressions to the daily evidence of record."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.spark.fixed_point import to_fixed_point


def to_daily_evidence(slate_rows: DataFrame) -> DataFrame:
    """(impression, position) -> (log_date, query_key, entity_id): clicks and examinations, each once per user and day.

    A user who searches ten times in a day is one user: of clicks the largest counts (0 or 1), of
    examinations that of the best position the pair had on the user's pages that day. Sums are fixed
    point, so that no order of rows, files or partitions changes them. The grouping by user spreads
    a hot pair over tasks; at 1,000 times the data it is the one shuffle that holds a row a user and
    pair.

    Args:
        slate_rows: with `examination` (relative to position 1) on every row.

    >>> rows = spark.sql('''SELECT DATE'2026-03-02' log_date, 'love' query_key, 'e1' entity_id, t.*
    ...     FROM VALUES ('u1', 0, 1.0D), ('u1', 1, 0.5D), ('u2', 0, 0.25D) AS t(user_key, clicks, examination)''')
    >>> to_daily_evidence(rows).select("clicks", "clicks_squared", "examinations", "examinations_squared").collect()
    [Row(clicks=1048576, clicks_squared=1048576, examinations=1310720, examinations_squared=1114112)]
    """
    pair = ["log_date", "query_key", "entity_id"]
    by_user = slate_rows.groupBy(*pair, "user_key").agg(
        F.max("clicks").cast("double").alias("clicked"), F.max("examination").alias("examined")
    )
    return by_user.groupBy(*pair).agg(
        F.sum(to_fixed_point(F.col("clicked"))).alias("clicks"),
        F.sum(to_fixed_point(F.col("clicked") * F.col("clicked"))).alias("clicks_squared"),
        F.sum(to_fixed_point(F.col("examined"))).alias("examinations"),
        F.sum(to_fixed_point(F.col("examined") * F.col("examined"))).alias("examinations_squared"),
    )


def to_query_days(impressions: DataFrame) -> DataFrame:
    """(impression) -> (log_date, query_key): impressions, query class, distinct users as a theta sketch.

    The sketch merges over dates, and up to 4,096 users it is exact. It is kept per query and day,
    never per pair.

    >>> rows = spark.sql('''SELECT DATE'2026-03-02' log_date, 'love' query_key, 'one_word' query_class, user_key
    ...     FROM VALUES ('u1'), ('u1'), ('u2') AS t(user_key)''')
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
