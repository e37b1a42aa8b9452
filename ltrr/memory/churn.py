"""Effect of a refresh: share of searches whose best entity in the memory changes."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Churn:
    """Changes that the night's memory makes to the searches of a date.

    Attributes:
        searches: Number of impressions of the date.
        known: Number of impressions whose query was in the previous night's memory.
        changed: Number of known impressions whose best entity is another one in the new memory, or
            is missing there.
    """

    searches: int
    known: int
    changed: int

    @property
    def share(self) -> float:
        """Share of changed among known impressions; NaN if none is known."""
        return self.changed / self.known if self.known else nan


def measure_churn(before: DataFrame, current: DataFrame, searches: DataFrame) -> Churn:
    """Compare two memories over the searches of a date.

    Two shuffles by query_key, of the size of the memories; the driver collects three numbers.

    Args:
        before: Memory of the previous night: query_key, entity_id, score.
        current: Memory of the night, with the same columns.
        searches: Number of impressions of the date by query: query_key, impressions.

    >>> memory = "query_key string, entity_id string, score double"
    >>> before = spark.createDataFrame(
    ...     [("love", "e1", 0.5), ("love", "e2", 0.4), ("hate", "e3", 0.1)], memory)
    >>> current = spark.createDataFrame(
    ...     [("love", "e1", 0.3), ("love", "e2", 0.4), ("hate", "e3", 0.2)], memory)
    >>> searches = spark.createDataFrame(
    ...     [("love", 3), ("hate", 6), ("new", 1)], "query_key string, impressions bigint")
    >>> churn = measure_churn(before, current, searches)
    >>> churn, round(churn.share, 3)
    (Churn(searches=10, known=9, changed=3), 0.333)
    """
    joined = searches.join(_best(before, "was"), on="query_key", how="left").join(
        _best(current, "is"), on="query_key", how="left"
    )
    known = F.when(F.col("was").isNotNull(), F.col("impressions")).otherwise(F.lit(0))
    changed = F.when(~F.col("was").eqNullSafe(F.col("is")), known).otherwise(F.lit(0))
    row = joined.agg(F.sum("impressions"), F.sum(known), F.sum(changed)).first()
    return Churn(*(int(count or 0) for count in row or (0, 0, 0)))


def _best(memory: DataFrame, name: str) -> DataFrame:
    """Entity with the highest score of each query; of equal scores, the last entity_id."""
    best = F.max(F.struct("score", "entity_id")).getField("entity_id")
    return memory.groupBy("query_key").agg(best.alias(name))
