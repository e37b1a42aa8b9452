"""Mean reward of each query, from training users: most of a reward's variance lies between queries.

Some queries have eight relevant results and some have none. With the query's mean as a feature,
q-hat leaves smaller residuals, so the intervals of doubly robust estimates are narrower (Dudik et
al., ICML 2011). Rewards of held-out users are not used, and a training impression gets the mean of
the *other* impressions of its query.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.core.features import PLACES
from ltrr.estimation.fixed_point import TERM_UNIT

MOST_HOT = 10_000
"""Upper bound of the number of hot queries, whose means are broadcast.

A hot query has more than 1 / MOST_HOT of all impressions."""
_SUMS = ("rewards", "impressions")


@dataclass(frozen=True)
class QueryMeans:
    """Rewards of training users by query.

    Attributes:
        sums: Frame of query_key, rewards (whole numbers of 2^-24), impressions.
        counted: Number of impressions of all queries.
        overall: Mean reward of all impressions, 0 without impressions.
        strength: Weight of the overall mean, in impressions.
    """

    sums: DataFrame
    counted: int
    overall: float
    strength: float

    @staticmethod
    def of(training: DataFrame, strength: float) -> QueryMeans:
        """Means from `judged_impressions` of training users, with one shuffle by query."""
        reward = F.round(F.col("page_reward") / F.lit(TERM_UNIT)).cast("bigint")
        sums = training.groupBy("query_key").agg(F.sum(reward).alias("rewards"), F.count("*").alias("impressions"))
        sums = sums.cache()
        rewards, impressions = sums.agg(F.sum("rewards"), F.sum("impressions")).collect()[0]
        overall = rewards * TERM_UNIT / impressions if impressions else 0.0
        return QueryMeans(sums, int(impressions or 0), overall, strength)

    def with_query_mean(self, impressions: DataFrame, *, is_counted: bool) -> DataFrame:
        """The impressions with `query_mean`, the overall mean for queries without training data.

        No task gets all impressions of a hot query: the means of hot queries, fewer than
        `MOST_HOT`, are broadcast. The shuffle for the other queries distributes the impressions of
        hot queries by their ids.

        Args:
            impressions: `judged_impressions`; impression_id, query_key and page_reward are read.
            is_counted: Whether the sums include these impressions. Then the mean of each leaves out
                its own reward.

        >>> rows = [("i1", "love", 1.0), ("i2", "love", 0.0), ("i3", "halo", 1.0)]
        >>> schema = "impression_id string, query_key string, page_reward double"
        >>> training = spark.createDataFrame(rows, schema)
        >>> means = QueryMeans.of(training, strength=1.0).with_query_mean(training, is_counted=True)
        >>> sorted(row.query_mean for row in means.collect())
        [0.333333, 0.666667, 0.833333]
        """
        reward = F.col("page_reward") if is_counted else F.lit(0.0)
        own = F.lit(1 if is_counted else 0)
        others = _or_zero("rewards") * F.lit(TERM_UNIT) - reward
        mean = (others + F.lit(self.strength * self.overall)) / (_or_zero("impressions") - own + F.lit(self.strength))
        joined = self._with_sums(impressions)
        return joined.withColumn("query_mean", F.round(mean, PLACES)).drop("rewards", "impressions")

    def _with_sums(self, impressions: DataFrame) -> DataFrame:
        """The impressions with `rewards` and `impressions` of their query, null if it has none."""
        if self.counted < MOST_HOT:
            return impressions.join(F.broadcast(self.sums), on="query_key", how="left")
        is_hot = F.col("impressions") > F.lit(self.counted / MOST_HOT)
        hot = self.sums.where(is_hot).select("query_key", *(F.col(name).alias(f"_hot_{name}") for name in _SUMS))
        cold = self.sums.where(~is_hot).withColumnRenamed("query_key", "_key")
        marked = impressions.join(F.broadcast(hot), on="query_key", how="left")
        # No query_key begins with this character, so impressions of hot queries join no row.
        alone = F.concat(F.lit("\0"), "impression_id")
        keyed = marked.withColumn(
            "_key", F.when(F.col("_hot_impressions").isNull(), F.col("query_key")).otherwise(alone)
        )
        joined = keyed.join(cold, on="_key", how="left")
        sums = {name: F.coalesce(f"_hot_{name}", name) for name in _SUMS}
        return joined.withColumns(sums).drop("_key", *(f"_hot_{name}" for name in _SUMS))


def _or_zero(name: str) -> Column:
    return F.coalesce(F.col(name), F.lit(0)).cast("double")
