"""The history of single queries. It grows with the log, so it stays in DataFrames.

The formulas are those of the coarse levels. The cost is one scan of the daily rows of the window,
at most (queries of a day x blocks drawn for them) rows per day, and two shuffles by query. With
much traffic most rows belong to queries that were searched once. They enter the fit of k (one pass,
three sums), and `only_drawn_enough` drops them before rows are written. If the scan of
`window_days` days becomes too slow, sum closed days over weeks as `ltrr.memory.rollup` does; the
decay is additive.
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
    """(parent, strategy, depth): sums and shrunk rates of each class; classes x blocks rows."""
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
    """Add the sums and rates of the class to each (query, block).

    Blocks of another plan space are left out. `core.queries` computes the class from the key, so no
    column has to store it.

    Args:
        query_counts: Rows of `to_decayed_counts` with the level `query`.
        parents: Rows of `class_rates`.
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
    """Estimate the weight k of a class in the rates of its queries (`strategies.shrinkage`).

    The expected rate of a query is the rate of the other queries of its class. The driver collects
    three exact sums, so k does not depend on the order of rows.

    Args:
        query_counts: Rows of `with_parent`, decayed, fixed point.
        settings: Bounds of k.
    """
    sums = {name: from_fixed_point(F.col(name)) for name in MOMENT_SUMS}
    others = F.col("parent_weights") - sums["weights"]
    expected = (F.col("parent_hits") - sums["hits"]) / others
    # A weight of the others below one draw is a remainder of rounding.
    counted = query_counts.withColumn("expected", F.when(others >= 1.0, expected)).where(
        (F.col("expected") > 0) & (sums["weights"] * sums["weights"] > sums["weights_squared"])
    )
    between, whole = moments(sums, F.col("expected"))
    row = counted.agg(exact_sum(between), exact_sum(whole), F.sum("hits")).first()
    excess, spread, hits = (float(value or 0) for value in (row or (0, 0, 0)))
    return strength(excess, spread, settings) if hits > 0 else settings.most_prior_draws


def only_drawn_enough(query_counts: DataFrame, least_query_draws: float) -> DataFrame:
    """Queries with at least `least_query_draws` decayed draws in total; adds `query_draws`."""
    of_query = Window.partitionBy("key").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    drawn = query_counts.withColumn("query_draws", from_fixed_point(F.sum("draws").over(of_query)))
    return drawn.where(F.col("query_draws") >= F.lit(least_query_draws))


def with_rates(query_counts: DataFrame, prior_draws: float) -> DataFrame:
    """Add support, mean_results, and the rates shrunk to the class.

    The rates are hit_rate, marginal_hit_rate and reciprocal_rank.

    >>> one = 1 << 20
    >>> sums = {"weights": 20 * one, "weights_squared": 20 * one, "hits": 10 * one,
    ...         "marginal_hits": 0, "reciprocal_ranks": 5 * one, "draws": 20 * one,
    ...         "results": 40 * one}
    >>> parent = {"parent_hit_rate": 0.2, "parent_marginal_hit_rate": 0.1,
    ...           "parent_reciprocal_rank": 0.1}
    >>> drawn = spark.createDataFrame([(*sums.values(), *parent.values())], [*sums, *parent])
    >>> row = with_rates(drawn, prior_draws=20.0).first()
    >>> row.support, row.hit_rate, row.marginal_hit_rate, row.mean_results
    (20.0, 0.35, 0.05, 2.0)
    >>> round(row.reciprocal_rank, 3)
    0.175
    """
    weights, squares = F.col("weights").cast("double"), F.col("weights_squared").cast("double")
    # Both sums are in fixed point, and the square of the first has the unit twice.
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
