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
from ltrr.core.fixed_point import UNIT


@dataclass(frozen=True)
class QueryMeans:
    """Rewards of training users by query.

    Attributes:
        sums: query_key, rewards (whole numbers of 2^-24), impressions.
        overall: mean reward of an impression, 0 where there is none.
        strength: impressions that the overall mean counts for.
    """

    sums: DataFrame
    overall: float
    strength: float

    @staticmethod
    def of(training: DataFrame, strength: float) -> QueryMeans:
        """From `judged_impressions` of training users. One shuffle to a row a query, in whole numbers: any order."""
        reward = F.round(F.col("page_reward") / F.lit(UNIT)).cast("bigint")
        sums = training.groupBy("query_key").agg(F.sum(reward).alias("rewards"), F.count("*").alias("impressions"))
        sums = sums.cache()
        rewards, impressions = sums.agg(F.sum("rewards"), F.sum("impressions")).collect()[0]
        return QueryMeans(sums, rewards * UNIT / impressions if impressions else 0.0, strength)

    def given_to(self, impressions: DataFrame, *, is_counted: bool) -> DataFrame:
        """The impressions with their `query_mean`; a query that training users never searched has the overall mean.

        Args:
            impressions: of `judged_impressions`.
            is_counted: whether they are among those that were summed, so that each leaves its own reward out.

        >>> rows = [("love", 1.0), ("love", 0.0), ("halo", 1.0)]
        >>> training = spark.createDataFrame(rows, "query_key string, page_reward double")
        >>> means = QueryMeans.of(training, strength=1.0)
        >>> sorted(row.query_mean for row in means.given_to(training, is_counted=True).collect())
        [0.333333, 0.666667, 0.833333]
        """
        reward = F.col("page_reward") if is_counted else F.lit(0.0)
        own = F.lit(1 if is_counted else 0)
        others = _or_nothing("rewards") * F.lit(UNIT) - reward
        mean = (others + F.lit(self.strength * self.overall)) / (
            _or_nothing("impressions") - own + F.lit(self.strength)
        )
        joined = impressions.join(self.sums, on="query_key", how="left")
        return joined.withColumn("query_mean", F.round(mean, PLACES)).drop("rewards", "impressions")


def _or_nothing(name: str) -> Column:
    return F.coalesce(F.col(name), F.lit(0)).cast("double")
