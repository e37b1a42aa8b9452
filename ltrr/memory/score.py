"""Evidence to scores: shrunk to a predicted score, as strongly as the data say.

score = (C + k p0) / (E + k), C and E the decayed clicks and examinations of a pair. p0, the
predicted score, is the click rate of the entity for *other* queries, itself shrunk to the rate of
all pairs:

    p0 = (C_entity - C + k0 g) / (E_entity - E + k0),  g = sum of C / sum of E

Robbins, "An Empirical Bayes Approach to Statistics", 1956; the Gamma-Poisson form follows
DuMouchel, "Bayesian Data Mining in Large Frequency Tables", The American Statistician 1999.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.memory.settings import MemorySettings
from ltrr.spark.fixed_point import exact_sum, from_fixed_point

# A floor under the global rate, so that a memory without any click still has a defined prediction.
_LEAST_RATE = 1e-6


def with_predicted_score(evidence: DataFrame, entity_prior_examinations: float) -> DataFrame:
    """Add weighted_clicks, weighted_clicks_squared, weighted_examinations (doubles) and predicted_score (p0).

    Sums over entities and over all are of whole numbers. The entities' table is joined back on
    entity_id: one shuffle of the pairs, or none while the entities fit a broadcast.

    Args:
        evidence: (query_key, entity_id) as of a date, fixed point.
        entity_prior_examinations: k0.

    >>> one = 1 << 20
    >>> rows = [("love", "e1", one, one, 2 * one), ("hate", "e1", 0, 0, 2 * one), ("love", "e2", 0, 0, one)]
    >>> evidence = spark.createDataFrame(rows, "query_key string, entity_id string, "
    ...                                        "clicks bigint, clicks_squared bigint, examinations bigint")
    >>> scored = with_predicted_score(evidence, entity_prior_examinations=2.0)
    >>> sorted((row.query_key, row.entity_id, row.predicted_score) for row in scored.collect())
    [('hate', 'e1', 0.35), ('love', 'e1', 0.1), ('love', 'e2', 0.2)]
    """
    entities = evidence.groupBy("entity_id").agg(
        F.sum("clicks").alias("entity_clicks"), F.sum("examinations").alias("entity_examinations")
    )
    whole = entities.agg(F.sum("entity_clicks").alias("clicks"), F.sum("entity_examinations").alias("examinations"))
    rate = whole.select(F.coalesce(F.try_divide("clicks", "examinations"), F.lit(0.0)).alias("global_rate"))
    joined = evidence.join(entities, on="entity_id", how="inner").join(F.broadcast(rate), how="cross")
    prior = F.lit(entity_prior_examinations)
    elsewhere_clicks = from_fixed_point(F.col("entity_clicks") - F.col("clicks"))
    elsewhere_examinations = from_fixed_point(F.col("entity_examinations") - F.col("examinations"))
    predicted = (elsewhere_clicks + prior * F.greatest("global_rate", F.lit(_LEAST_RATE))) / (
        elsewhere_examinations + prior
    )
    return joined.select(
        "query_key",
        "entity_id",
        from_fixed_point(F.col("clicks")).alias("weighted_clicks"),
        from_fixed_point(F.col("clicks_squared")).alias("weighted_clicks_squared"),
        from_fixed_point(F.col("examinations")).alias("weighted_examinations"),
        predicted.alias("predicted_score"),
    )


def estimate_prior_examinations(predicted: DataFrame, settings: MemorySettings) -> float:
    """The weight k by the method of moments: how many examinations the predicted score is worth.

    With m = E p0 the clicks expected, C has variance (evidence) C2 and (pairs differ) m E / k, so

        k = sum of E / sum of ((C - m)^2 - C2) / m

    over all pairs, kept within the settings' bounds; the upper one where pairs differ no more than
    chance. Pearson's weights 1 / m keep a few hot pairs from deciding. Summed as decimals: the same
    k in any order of rows.
    """
    expected = F.col("weighted_examinations") * F.col("predicted_score")
    excess = F.pow(F.col("weighted_clicks") - expected, F.lit(2.0)) - F.col("weighted_clicks_squared")
    seen = predicted.where(F.col("weighted_examinations") > 0)
    sums = seen.agg(exact_sum(F.col("weighted_examinations")), exact_sum(excess / expected)).first()
    exposure, excess_sum = (float(value or 0) for value in (sums or (0, 0)))
    most = settings.most_prior_examinations
    k = exposure / excess_sum if excess_sum > 0 else most
    return min(max(k, settings.fewest_prior_examinations), most)


def with_score(predicted: DataFrame, prior_examinations: float, interval_sigmas: float) -> DataFrame:
    """Add score, low, high and predicted_share = k / (E + k): same rows.

    The interval is that of a Gamma whose mean is the score and whose shape is the effective number
    of clicks behind it, n_eff = (C + k p0)^2 / (C2 + k p0), the prediction counted with weight one;
    its quantiles by Wilson and Hilferty (1931): within 3 % of the exact ones from n_eff = 2 on;
    below that the lower one is too low.

    >>> pair = spark.createDataFrame([(3.0, 3.0, 6.0, 0.25)], "weighted_clicks double, weighted_clicks_squared double, "
    ...                                                       "weighted_examinations double, predicted_score double")
    >>> row = with_score(pair, prior_examinations=4.0, interval_sigmas=1.6449).first()
    >>> row.score, row.predicted_share, round(row.low, 3), round(row.high, 3)
    (0.4, 0.4, 0.136, 0.774)
    """
    k = F.lit(prior_examinations)
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
