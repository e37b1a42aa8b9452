"""Scores of query and entity: click rates, shrunk to a predicted score by empirical Bayes.

score = (C + k p0) / (E + k), with the decayed clicks C and examinations E of a pair of query and
entity. The predicted score p0 is the click rate of the entity for *other* queries, shrunk to the
rate of all pairs:

    p0 = (C_entity - C + k0 g) / (E_entity - E + k0),  g = sum of C / sum of E

Robbins, "An Empirical Bayes Approach to Statistics", 1956; the Gamma-Poisson form follows
DuMouchel, "Bayesian Data Mining in Large Frequency Tables", The American Statistician 1999.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from ltrr.memory.settings import MemorySettings
from ltrr.spark.fixed_point import exact_sum, from_fixed_point

# Minimum of the global rate, so that the prediction is defined in a memory without clicks.
_LEAST_RATE = 1e-6


AS_OF = "as_of_date"
"""Column that separates memories of several dates."""


def with_predicted_score(evidence: DataFrame, entity_prior_examinations: float, by: Sequence[str] = ()) -> DataFrame:
    """Add the evidence as doubles (weighted_...) and the predicted score p0.

    Columns: weighted_clicks, weighted_clicks_squared, weighted_examinations, predicted_score. Sums
    over entities and over all pairs are sums of whole numbers. The sums per entity are joined back
    on entity_id: one shuffle of the pairs, or none while the entities fit a broadcast.

    Args:
        evidence: (query_key, entity_id) as of a date, fixed point.
        entity_prior_examinations: Weight k0 of the global rate, in examinations.
        by: Columns that separate memories, such as `AS_OF`; each memory is predicted from its own
            pairs.

    >>> one = 1 << 20
    >>> rows = [("love", "e1", one, one, 2 * one), ("hate", "e1", 0, 0, 2 * one),
    ...         ("love", "e2", 0, 0, one)]
    >>> columns = "clicks bigint, clicks_squared bigint, examinations bigint"
    >>> evidence = spark.createDataFrame(rows, f"query_key string, entity_id string, {columns}")
    >>> scored = with_predicted_score(evidence, entity_prior_examinations=2.0)
    >>> sorted((row.query_key, row.entity_id, row.predicted_score) for row in scored.collect())
    [('hate', 'e1', 0.35), ('love', 'e1', 0.1), ('love', 'e2', 0.2)]
    """
    entities = evidence.groupBy(*by, "entity_id").agg(
        F.sum("clicks").alias("entity_clicks"), F.sum("examinations").alias("entity_examinations")
    )
    whole = entities.groupBy(*by).agg(
        F.sum("entity_clicks").alias("clicks"), F.sum("entity_examinations").alias("examinations")
    )
    rate = whole.select(*by, F.coalesce(F.try_divide("clicks", "examinations"), F.lit(0.0)).alias("global_rate"))
    joined = evidence.join(entities, on=[*by, "entity_id"], how="inner")
    # One row per memory.
    if by:
        joined = joined.join(F.broadcast(rate), on=list(by), how="inner")
    else:
        joined = joined.join(F.broadcast(rate), how="cross")
    prior = F.lit(entity_prior_examinations)
    elsewhere_clicks = from_fixed_point(F.col("entity_clicks") - F.col("clicks"))
    elsewhere_examinations = from_fixed_point(F.col("entity_examinations") - F.col("examinations"))
    predicted = (elsewhere_clicks + prior * F.greatest("global_rate", F.lit(_LEAST_RATE))) / (
        elsewhere_examinations + prior
    )
    return joined.select(
        *by,
        "query_key",
        "entity_id",
        from_fixed_point(F.col("clicks")).alias("weighted_clicks"),
        from_fixed_point(F.col("clicks_squared")).alias("weighted_clicks_squared"),
        from_fixed_point(F.col("examinations")).alias("weighted_examinations"),
        predicted.alias("predicted_score"),
    )


def estimate_prior_examinations(predicted: DataFrame, settings: MemorySettings) -> float:
    """Estimate the weight k of the predicted score, in examinations, by the method of moments.

    Let m = E p0 be the expected clicks of a pair. The variance of C around m is the sum of two
    terms: C2 (chance) and m E / k (differences between pairs). So

        k = sum of E / sum of ((C - m)^2 - C2) / m

    over all pairs, within the bounds of the settings. k is the upper bound if pairs do not differ
    more than by chance. Pearson's weights 1 / m limit the influence of a few frequent pairs. Sums
    are decimals, so k does not depend on the order of rows.
    """
    return _prior_of(_to_prior_sums(predicted).first(), settings)


def estimate_priors_by_date(predicted: DataFrame, settings: MemorySettings) -> dict[date, float]:
    """The result of `estimate_prior_examinations` for each memory, by `AS_OF`; one row per date."""
    rows = _to_prior_sums(predicted, (AS_OF,)).collect()
    return {row[AS_OF]: _prior_of(row, settings) for row in sorted(rows, key=lambda row: row[AS_OF])}


def _to_prior_sums(predicted: DataFrame, by: Sequence[str] = ()) -> DataFrame:
    expected = F.col("weighted_examinations") * F.col("predicted_score")
    excess = F.pow(F.col("weighted_clicks") - expected, F.lit(2.0)) - F.col("weighted_clicks_squared")
    seen = predicted.where(F.col("weighted_examinations") > 0)
    sums = exact_sum(F.col("weighted_examinations")), exact_sum(excess / expected)
    return seen.groupBy(*by).agg(sums[0].alias("exposure"), sums[1].alias("excess"))


def _prior_of(sums: Row | None, settings: MemorySettings) -> float:
    exposure, excess = (float((sums[name] if sums else None) or 0) for name in ("exposure", "excess"))
    most = settings.most_prior_examinations
    k = exposure / excess if excess > 0 else most
    return min(max(k, settings.fewest_prior_examinations), most)


def with_score(predicted: DataFrame, prior_examinations: float | Column, interval_sigmas: float) -> DataFrame:
    """Add score, low, high and predicted_share = k / (E + k).

    [low, high] is the interval of a Gamma distribution. Its mean is the score and its shape the
    effective number of clicks n_eff = (C + k p0)^2 / (C2 + k p0), where the predicted clicks have
    weight one. Its quantiles are those of Wilson and Hilferty (1931): within 3 % of the exact ones
    for n_eff >= 2; below that, `low` is too low.

    >>> pair = spark.createDataFrame([(3.0, 3.0, 6.0, 0.25)], ["weighted_clicks",
    ...     "weighted_clicks_squared", "weighted_examinations", "predicted_score"])
    >>> row = with_score(pair, prior_examinations=4.0, interval_sigmas=1.6449).first()
    >>> row.score, row.predicted_share, round(row.low, 3), round(row.high, 3)
    (0.4, 0.4, 0.136, 0.774)
    """
    k = prior_examinations if isinstance(prior_examinations, Column) else F.lit(prior_examinations)
    clicks = F.col("weighted_clicks") + k * F.col("predicted_score")
    effective_clicks = clicks * clicks / (F.col("weighted_clicks_squared") + k * F.col("predicted_score"))
    exposure = F.col("weighted_examinations") + k
    score = clicks / exposure
    return predicted.select(
        "*",
        score.alias("score"),
        (score * _gamma_quantile_over_mean(effective_clicks, -interval_sigmas)).alias("low"),
        (score * _gamma_quantile_over_mean(effective_clicks, interval_sigmas)).alias("high"),
        (k / exposure).alias("predicted_share"),
    )


def _gamma_quantile_over_mean(shape: Column, sigmas: float) -> Column:
    root = F.lit(1.0) - F.lit(1.0) / (F.lit(9.0) * shape) + F.lit(sigmas) / (F.lit(3.0) * F.sqrt(shape))
    return F.pow(F.greatest(root, F.lit(0.0)), F.lit(3.0))
