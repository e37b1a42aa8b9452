"""Shown entities and what came of them, as the rows that a ranker learns from, and who learns from which."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

QUERY_FOLDS = 100


def to_ranking_rows(slate_rows: DataFrame, examination_floor: float, gain_cap: float) -> DataFrame:
    """(impression_id, position) slates -> (impression_id, entity_id) training rows.

    The gain of an entity is clicks / examination of where it was shown: what its clicks would have been at position 1,
    so that the order which was served does not teach itself (Joachims, Swaminathan & Schnabel, WSDM 2017). Features
    are those that were logged.

    Args:
        slate_rows: of the table `slate_rows`, with `examination`.
        examination_floor: examination counts as at least this much.
        gain_cap: and a gain as at most this: less variance for a little bias at the bottom of the page.
    """
    examination = F.greatest("examination", F.lit(examination_floor))
    return slate_rows.select(
        "impression_id",
        "entity_id",
        "log_date",
        "position",
        "query_key",
        "user_key",
        "user_fold",
        "features",
        "clicks",
        examination.alias("examination"),
        F.least(F.col("clicks") / examination, F.lit(gain_cap)).alias("gain"),
    )


def query_fold(query_key: Column) -> Column:
    """The fold of a query, 0..99: whole queries are held out, for ever, so that no judge has seen the evidence.

    >>> keys = spark.createDataFrame([(f"query {n}",) for n in range(5_000)], "query_key string")
    >>> folds = keys.select(query_fold(F.col("query_key")).alias("fold"))
    >>> folds.distinct().count(), 0.28 < folds.where("fold < 30").count() / 5_000 < 0.32
    (100, True)
    """
    # A salt of its own: the parts of the bandit's layout are another hash of the same key.
    return F.pmod(F.xxhash64(F.lit("query_fold"), query_key), F.lit(QUERY_FOLDS)).cast("int")


def only_training(rows: DataFrame, held_out_users: int, held_out_queries: int) -> DataFrame:
    """Rows of training users searching training queries."""
    return rows.where((F.col("user_fold") >= held_out_users) & (query_fold(F.col("query_key")) >= held_out_queries))


def only_judging(rows: DataFrame, held_out_users: int, held_out_queries: int) -> DataFrame:
    """Rows of held-out users searching held-out queries: neither the user nor the query was learned from."""
    return rows.where((F.col("user_fold") < held_out_users) & (query_fold(F.col("query_key")) < held_out_queries))


def only_of_width(rows: DataFrame, features: int) -> DataFrame:
    """Rows with this many features: those from before a change of strategies have another number."""
    return rows.where(F.size("features") == features)


def only_clicked(rows: DataFrame) -> DataFrame:
    """Whole impressions with a click: the others order nothing, for no entity gained more than another."""
    gained = F.max("gain").over(Window.partitionBy("log_date", "impression_id"))
    return rows.withColumn("_gained", gained).where("_gained > 0").drop("_gained")


def only_capped(rows: DataFrame, query_impressions: int) -> DataFrame:
    """At most `query_impressions` whole impressions of a query and date, chosen by a hash of the impression."""
    by_hash = Window.partitionBy("log_date", "query_key").orderBy(F.xxhash64("impression_id"), "impression_id")
    numbered = rows.withColumn("_place", F.dense_rank().over(by_hash))
    return numbered.where(F.col("_place") <= query_impressions).drop("_place")
