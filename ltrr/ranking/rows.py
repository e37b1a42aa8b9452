"""Training and evaluation rows of the ranker, and their split by users and queries."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltrr.spark.hashing import HashUse, salted_hash

QUERY_FOLDS = 100

PAGE = ("log_date", "impression_id")
"""Key of an impression: an impression_id is unique only within its date."""


def to_ranking_rows(slate_rows: DataFrame, examination_floor: float, gain_cap: float) -> DataFrame:
    """(impression_id, position) -> (impression_id, entity_id): rows of impressions with a click.

    The gain of an entity is clicks / examination of its position: its expected clicks at position
    1. So the ranker does not learn the served order (Joachims, Swaminathan & Schnabel, WSDM 2017).
    Features are those that were logged. Impressions without a click are left out, because all their
    gains are 0. Rows without logged features have empty `features`.

    Args:
        slate_rows: Rows of the table `slate_rows`, with `examination`.
        examination_floor: Lower limit of examination.
        gain_cap: Upper limit of a gain. It reduces variance at the price of a small bias at the
            bottom of the page.
    """
    examination = F.greatest("examination", F.lit(examination_floor))
    return only_clicked(slate_rows).select(
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


def only_clicked(rows: DataFrame) -> DataFrame:
    """All rows of impressions with a click.

    This is a semi-join with the few clicked impressions. A night does it once, for the date that it
    writes.
    """
    return rows.join(rows.where("clicks > 0").select(*PAGE).distinct(), on=list(PAGE), how="left_semi")


def query_fold(query_key: Column) -> Column:
    """The fold of a query, 0..99, by a hash.

    Queries are held out as a whole, so that the ranker is never evaluated on queries of its
    training.

    >>> keys = spark.createDataFrame([(f"query {n}",) for n in range(5_000)], "query_key string")
    >>> folds = keys.select(query_fold(F.col("query_key")).alias("fold"))
    >>> folds.distinct().count(), 0.28 < folds.where("fold < 30").count() / 5_000 < 0.32
    (100, True)
    """
    return F.pmod(salted_hash(HashUse.RANKER_FOLD, query_key), F.lit(QUERY_FOLDS)).cast("int")


def only_training(rows: DataFrame, held_out_users: int, held_out_queries: int) -> DataFrame:
    """Rows of training users and training queries."""
    return rows.where((F.col("user_fold") >= held_out_users) & (query_fold(F.col("query_key")) >= held_out_queries))


def only_judging(rows: DataFrame, held_out_users: int, held_out_queries: int) -> DataFrame:
    """Rows of held-out users and held-out queries: training used neither the user nor the query."""
    return rows.where((F.col("user_fold") < held_out_users) & (query_fold(F.col("query_key")) < held_out_queries))


def only_of_width(rows: DataFrame, features: int) -> DataFrame:
    """Rows with this number of features; rows before a change of strategies have another number."""
    return rows.where(F.size("features") == features)


def only_without_features(rows: DataFrame) -> DataFrame:
    """Rows of pages whose log has no ranker features, as logs of other systems."""
    return rows.where(F.size("features") == 0)


def to_clicks(rows: DataFrame, query_impressions: int) -> DataFrame:
    """(impression_id, entity_id) -> (impression_id, clicked): clicks of a sample of pages.

    A hash chooses at most `query_impressions` pages of each query and date. Columns: log_date,
    impression_id, query_key, clicked, weight. There are no features, so the window over a frequent
    query holds few bytes per click. Spark applies the limit before the shuffle too.
    """
    clicks = rows.where("gain > 0").select(
        *PAGE, "query_key", F.col("entity_id").alias("clicked"), F.col("gain").alias("weight")
    )
    in_order = (salted_hash(HashUse.RANKER_CAP, "impression_id"), "impression_id")
    by_hash = Window.partitionBy("log_date", "query_key").orderBy(*in_order)
    placed = clicks.withColumn("_place", F.dense_rank().over(by_hash))
    return placed.where(F.col("_place") <= query_impressions).drop("_place")


def to_click_groups(rows: DataFrame, clicks: DataFrame) -> DataFrame:
    """(impression_id, entity_id) -> (impression_id, clicked, entity_id): one page per click.

    A group is the whole page for one clicked entity, which has `label` 1; all others have 0.
    `weight` is 1 / examination of the clicked entity's position, the same in the whole group. The
    sum over groups of weight x discount(place of the clicked entity) is the page's DCG with
    inverse-examination gains. Its expectation over clicks is the DCG by relevance (Agarwal et al.,
    "A General Framework for Counterfactual Learning-to-Rank", SIGIR 2019, additive metrics). Other
    clicked entities stay in the group. Without them, the place of the clicked entity would depend
    on what else was examined. The best DCG of each group is 1, so XGBoost's normalisation by it
    does not cancel the weight.

    Args:
        rows: Rows of the table `ranking_rows`.
        clicks: Rows of `to_clicks`.

    >>> page = [("i1", "a", 1.0), ("i1", "b", 4.0), ("i1", "c", 0.0)]
    >>> rows = spark.createDataFrame(page, "impression_id string, entity_id string, gain double")
    >>> rows = rows.selectExpr(
    ...     "*", "'q' AS query_key", "DATE'2026-01-05' AS log_date", "array(0.5D) AS features")
    >>> groups = to_click_groups(rows, to_clicks(rows, query_impressions=10))
    >>> found = groups.orderBy("clicked", "entity_id").collect()
    >>> [(row.clicked, row.entity_id, row.label, row.weight) for row in found]
    [('a', 'a', 1.0, 1.0), ('a', 'b', 0.0, 1.0), ('a', 'c', 0.0, 1.0),
     ('b', 'a', 0.0, 4.0), ('b', 'b', 1.0, 4.0), ('b', 'c', 0.0, 4.0)]
    """
    pages = rows.select(*PAGE, "entity_id", "features").join(clicks, on=list(PAGE), how="inner")
    label = (F.col("entity_id") == F.col("clicked")).cast("double")
    return pages.select(*PAGE, "clicked", "entity_id", label.alias("label"), "weight", "features")
