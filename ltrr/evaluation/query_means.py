"""Mean reward of each query, from training users: most of a reward's variance lies between queries.

Some queries have eight right answers and some have none. A q-hat that knows a query's own mean
leaves less to the weighted residual, so the interval of every doubly robust estimate shrinks (Dudik
et al., ICML 2011). No held-out user's reward is used, and a training impression gets the mean of
the *others* of its query.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.core.features import PLACES
from ltrr.estimation.fixed_point import TERM_UNIT

MOST_HOT = 10_000
"""Bound of the number of queries whose means are broadcast: those with more than 1 / MOST_HOT of all impressions."""
_SUMS = ("rewards", "impressions")


@dataclass(frozen=True)
class QueryMeans:
    """Rewards of training users by query.

    Attributes:
        sums: Frame of query_key, rewards (whole numbers of 2^-24), impressions.
        counted: Number of impressions of all queries.
        overall: Mean reward of an impression, 0 without impressions.
        strength: Weight of the overall mean, in impressions.
    """

    sums: DataFrame
    counted: int
    overall: float
    strength: float

    @staticmethod
    def of(training: DataFrame, strength: float) -> QueryMeans:
        """From `judged_impressions` of training users, by one shuffle to a row for each query, in whole numbers."""
        reward = F.round(F.col("page_reward") / F.lit(TERM_UNIT)).cast("bigint")
        sums = training.groupBy("query_key").agg(F.sum(reward).alias("rewards"), F.count("*").alias("impressions"))
        sums = sums.cache()
        rewards, impressions = sums.agg(F.sum("rewards"), F.sum("impressions")).collect()[0]
        overall = rewards * TERM_UNIT / impressions if impressions else 0.0
        return QueryMeans(sums, int(impressions or 0), overall, strength)

    def with_query_mean(self, impressions: DataFrame, *, is_counted: bool) -> DataFrame:
        """The impressions with `query_mean`; a query that training users never searched has the overall mean.

        No task gets all impressions of a hot query. The means of queries with the largest share of
        impressions, fewer than `MOST_HOT`, are broadcast. Only the others are shuffled, and there
        an impression of a hot query is keyed by its own id.

        Args:
            impressions: `judged_impressions`; impression_id, query_key and page_reward are read.
            is_counted: Whether they are among the summed impressions, so that each excludes its own
                reward.

        >>> rows = [("i1", "love", 1.0), ("i2", "love", 0.0), ("i3", "halo", 1.0)]
        >>> training = spark.createDataFrame(rows, "impression_id string, query_key string, page_reward double")
        >>> means = QueryMeans.of(training, strength=1.0)
        >>> sorted(row.query_mean for row in means.with_query_mean(training, is_counted=True).collect())
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
        # No query_key begins with this character, so an impression of a hot query joins no other
        # query's sums.
        alone = F.concat(F.lit("\0"), "impression_id")
        keyed = marked.withColumn(
            "_key", F.when(F.col("_hot_impressions").isNull(), F.col("query_key")).otherwise(alone)
        )
        joined = keyed.join(cold, on="_key", how="left")
        sums = {name: F.coalesce(f"_hot_{name}", name) for name in _SUMS}
        return joined.withColumns(sums).drop("_key", *(f"_hot_{name}" for name in _SUMS))


def _or_nothing(name: str) -> Column:
    return F.coalesce(F.col(name), F.lit(0)).cast("double")
