"""The history of single queries: as the coarser levels, but it grows with the log, so it stays in DataFrames.

What it costs is one scan of the window's daily rows, at most (queries of a day x blocks drawn for
them) a day, and two shuffles by query. At 1000 times the traffic most rows are of queries searched
once: they take part in the fit of k (one pass, three sums) and are dropped by `only_drawn_enough`
before anything is written. If reading `window_days` of them ever costs more than the night has,
fold closed days into weeks as `ltrr.memory.rollup` does; the decay is additive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from ltrr.core.plans import PlanSpace
from ltrr.core.queries import query_class
from ltrr.spark.fixed_point import UNITS_PER_ONE, exact_sum, from_fixed_point
from ltrr.strategies.history import CoarseHistory
from ltrr.strategies.settings import HistorySettings
from ltrr.strategies.shrinkage import MOMENT_SUMS, moments, strength

_PARENT_COLUMNS = (
    "parent string, strategy string, depth int, parent_hits double, parent_weights double, parent_hit_rate double, "
    "parent_marginal_hit_rate double, parent_reciprocal_rank double"
)


def class_rates(spark: SparkSession, coarse: CoarseHistory, space: PlanSpace) -> DataFrame:
    """(parent, strategy, depth): each class's sums and shrunk rates; classes x blocks rows."""
    rows = [
        (
            key,
            strategy,
            d + 1,
            float(of_class.counts["hits"][s, d]),
            float(of_class.counts["weights"][s, d]),
            float(of_class.rates.hit_rate[s, d]),
            float(of_class.rates.marginal_hit_rate[s, d]),
            float(of_class.reciprocal_rank[s, d]),
        )
        for key, of_class in sorted(coarse.classes.items())
        for s, strategy in enumerate(space.strategies)
        for d in range(space.budget)
    ]
    return spark.createDataFrame(rows, _PARENT_COLUMNS)


def with_parent(query_counts: DataFrame, parents: DataFrame) -> DataFrame:
    """Add the class's sums and rates to each (query, block); blocks of another plan space are left out.

    The class is asked of `core.queries`, which every key was classed by: no column repeats it a day
    and block.

    Args:
        query_counts: the level `query` of `to_decayed_counts`.
        parents: of `class_rates`.
    """
    columns = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in query_counts.schema)
    classed = query_counts.mapInArrow(_with_class, f"parent string, {columns}")
    return classed.join(F.broadcast(parents), on=["parent", "strategy", "depth"], how="inner")


def _with_class(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        keys = pc.dictionary_encode(batch.column("key"))
        class_of_key = pa.array([query_class(key) for key in keys.dictionary.to_pylist()], pa.string())
        yield pa.RecordBatch.from_arrays(
            [class_of_key.take(keys.indices), *batch.columns], names=["parent", *batch.schema.names]
        )


def estimate_query_strength(query_counts: DataFrame, settings: HistorySettings) -> float:
    """The k of a class against one of its queries (`strategies.shrinkage`), expected: the rate of the class's others.

    Three exact sums reach the driver: the same k in any order of rows.

    Args:
        query_counts: of `with_parent`, decayed, fixed point.
        settings: bounds.
    """
    sums = {name: from_fixed_point(F.col(name)) for name in MOMENT_SUMS}
    others = F.col("parent_weights") - sums["weights"]
    expected = (F.col("parent_hits") - sums["hits"]) / others
    # Less than one draw's weight of others is what rounding leaves.
    counted = query_counts.withColumn("expected", F.when(others >= 1.0, expected)).where(
        (F.col("expected") > 0) & (sums["weights"] * sums["weights"] > sums["weights_squared"])
    )
    between, whole = moments(sums, F.col("expected"))
    row = counted.agg(exact_sum(between), exact_sum(whole), F.sum("hits")).first()
    excess, spread, hits = (float(value or 0) for value in (row or (0, 0, 0)))
    return strength(excess, spread, settings) if hits > 0 else settings.most_prior_draws


def only_drawn_enough(query_counts: DataFrame, least_query_draws: float) -> DataFrame:
    """Queries with so many decayed draws over all their blocks; adds `query_draws`, in draws."""
    of_query = Window.partitionBy("key").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    drawn = query_counts.withColumn("query_draws", from_fixed_point(F.sum("draws").over(of_query)))
    return drawn.where(F.col("query_draws") >= F.lit(least_query_draws))


def with_rates(query_counts: DataFrame, prior_draws: float) -> DataFrame:
    """Add support and the rates shrunk to the class: hit_rate, marginal_hit_rate, reciprocal_rank, mean_results.

    >>> one = 1 << 20
    >>> drawn = spark.createDataFrame([(20 * one, 20 * one, 10 * one, 0, 5 * one, 20 * one, 40 * one, 0.2, 0.1, 0.1)],
    ...     "weights bigint, weights_squared bigint, hits bigint, marginal_hits bigint, reciprocal_ranks bigint, "
    ...     "draws bigint, results bigint, parent_hit_rate double, parent_marginal_hit_rate double, "
    ...     "parent_reciprocal_rank double")
    >>> row = with_rates(drawn, prior_draws=20.0).first()
    >>> row.support, row.hit_rate, row.marginal_hit_rate, round(row.reciprocal_rank, 3), row.mean_results
    (20.0, 0.35, 0.05, 0.175, 2.0)
    """
    weights, squares = F.col("weights").cast("double"), F.col("weights_squared").cast("double")
    # Both are in fixed point: the square has the unit twice.
    support = weights * weights / (squares * F.lit(float(UNITS_PER_ONE)))
    own = F.col("support") / (F.col("support") + F.lit(prior_draws))

    def shrunk(name: str, parent_rate: str) -> Column:
        return own * (F.col(name) / weights) + (F.lit(1.0) - own) * F.col(parent_rate)

    rates: Mapping[str, Column] = {
        "hit_rate": shrunk("hits", "parent_hit_rate"),
        "marginal_hit_rate": shrunk("marginal_hits", "parent_marginal_hit_rate"),
        "reciprocal_rank": shrunk("reciprocal_ranks", "parent_reciprocal_rank"),
        "mean_results": F.try_divide("results", "draws"),
    }
    return query_counts.where(F.col("weights_squared") > 0).withColumn("support", support).withColumns(dict(rates))
