"""What a query earns on average, from training users: most of a reward's variance lies between queries.

Some queries have eight right answers and some have none. A q-hat that knows a query's own mean leaves less to the
weighted residual, and the interval of every doubly robust estimate shrinks by as much (Dudik et al., ICML 2011). No
held-out user's reward is used, and a training impression is given the mean of the *others* of its query.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.core.features import PLACES
from ltrr.estimation.fixed_point import TERM_UNIT

MOST_HOT = 10_000
"""Queries whose means are broadcast: those with more than 1 / MOST_HOT of all impressions, so fewer than that many."""
_SUMS = ("rewards", "impressions")


@dataclass(frozen=True)
class QueryMeans:
    """Rewards of training users by query.

    Attributes:
        sums: query_key, rewards (whole numbers of 2^-24), impressions.
        counted: impressions of all queries.
        overall: mean reward of an impression, 0 where there is none.
        strength: impressions that the overall mean counts for.
    """

    sums: DataFrame
    counted: int
    overall: float
    strength: float

    @staticmethod
    def of(training: DataFrame, strength: float) -> QueryMeans:
        """From `judged_impressions` of training users. One shuffle to a row a query, in whole numbers: any order."""
        reward = F.round(F.col("page_reward") / F.lit(TERM_UNIT)).cast("bigint")
        sums = training.groupBy("query_key").agg(F.sum(reward).alias("rewards"), F.count("*").alias("impressions"))
        sums = sums.cache()
        rewards, impressions = sums.agg(F.sum("rewards"), F.sum("impressions")).collect()[0]
        overall = rewards * TERM_UNIT / impressions if impressions else 0.0
        return QueryMeans(sums, int(impressions or 0), overall, strength)

    def given_to(self, impressions: DataFrame, *, is_counted: bool) -> DataFrame:
        """The impressions with their `query_mean`; a query that training users never searched has the overall mean.

        No task holds all impressions of a hot query. The queries with the largest share of impressions, fewer than
        `MOST_HOT`, are broadcast; only the others meet their means in a shuffle, and there an impression of a hot query
        goes by its own id.

        Args:
            impressions: of `judged_impressions`; impression_id, query_key and page_reward are read.
            is_counted: whether they are among those that were summed, so that each leaves its own reward out.

        >>> rows = [("i1", "love", 1.0), ("i2", "love", 0.0), ("i3", "halo", 1.0)]
        >>> training = spark.createDataFrame(rows, "impression_id string, query_key string, page_reward double")
        >>> means = QueryMeans.of(training, strength=1.0)
        >>> sorted(row.query_mean for row in means.given_to(training, is_counted=True).collect())
        [0.333333, 0.666667, 0.833333]
        """
        reward = F.col("page_reward") if is_counted else F.lit(0.0)
        own = F.lit(1 if is_counted else 0)
        others = _or_nothing("rewards") * F.lit(TERM_UNIT) - reward
        mean = (others + F.lit(self.strength * self.overall)) / (
            _or_nothing("impressions") - own + F.lit(self.strength)
        )
        joined = self._with_sums(impressions)
        return joined.withColumn("query_mean", F.round(mean, PLACES)).drop("rewards", "impressions")

    def _with_sums(self, impressions: DataFrame) -> DataFrame:
        """With `rewards` and `impressions` of the query, null where it has none."""
        if self.counted < MOST_HOT:
            return impressions.join(F.broadcast(self.sums), on="query_key", how="left")
        is_hot = F.col("impressions") > F.lit(self.counted / MOST_HOT)
        hot = self.sums.where(is_hot).select("query_key", *(F.col(name).alias(f"_hot_{name}") for name in _SUMS))
        cold = self.sums.where(~is_hot).withColumnRenamed("query_key", "_key")
        marked = impressions.join(F.broadcast(hot), on="query_key", how="left")
        # No query_key begins with this character, so an impression of a hot query meets no other query's sums.
        alone = F.concat(F.lit("\0"), "impression_id")
        keyed = marked.withColumn(
            "_key", F.when(F.col("_hot_impressions").isNull(), F.col("query_key")).otherwise(alone)
        )
        joined = keyed.join(cold, on="_key", how="left")
        sums = {name: F.coalesce(f"_hot_{name}", name) for name in _SUMS}
        return joined.withColumns(sums).drop("_key", *(f"_hot_{name}" for name in _SUMS))


def _or_nothing(name: str) -> Column:
    return F.coalesce(F.col(name), F.lit(0)).cast("double")
