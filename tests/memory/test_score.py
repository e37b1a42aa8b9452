"""Scores: a memory computed by hand, the fitted weight of the prediction, coverage of intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma

from ltrr.memory.score import estimate_prior_examinations, with_predicted_score, with_score
from ltrr.memory.settings import MemorySettings

pytestmark = pytest.mark.spark
ONE = 1 << 20
COLUMNS = "query_key string, entity_id string, clicks bigint, clicks_squared bigint, examinations bigint"


def gamma_poisson_evidence(k: float, queries: int, entities: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Pairs with rates from a Gamma with mean p0 and strength k, and Poisson clicks."""
    rng = np.random.default_rng(seed)
    entity_rate = np.tile(rng.beta(2.0, 8.0, entities), queries)
    rate = rng.gamma(k * entity_rate, 1.0 / k)
    examinations = rng.exponential(12.0, queries * entities) + 0.5
    clicks = rng.poisson(rate * examinations)
    frame = pd.DataFrame(
        {
            "query_key": np.repeat([f"q{n}" for n in range(queries)], entities),
            "entity_id": np.tile([f"e{n}" for n in range(entities)], queries),
            "clicks": clicks * ONE,
            "clicks_squared": clicks * ONE,
            "examinations": np.rint(examinations * ONE).astype(np.int64),
        }
    )
    return frame, rate


def test_a_memory_computed_by_hand(spark):
    # g = 4 clicks / 10 examinations = .4; k0 = 5.
    evidence = spark.createDataFrame(
        [
            ("love", "e1", 3 * ONE, 2 * ONE, 4 * ONE),
            ("hate", "e1", 0, 0, 1 * ONE),
            ("love", "e2", 1 * ONE, 1 * ONE, 5 * ONE),
        ],
        COLUMNS,
    )
    predicted = with_predicted_score(evidence, entity_prior_examinations=5.0)
    rows = {(row.query_key, row.entity_id): row for row in with_score(predicted, 4.0, 1.6449).collect()}
    # p0: e1 for other queries: (0 + 2) / (1 + 5) and (3 + 2) / (4 + 5); e2 has none: g.
    assert rows["love", "e1"].score == pytest.approx((3 + 4 * 2 / 6) / 8)
    assert rows["hate", "e1"].score == pytest.approx((0 + 4 * 5 / 9) / 5)
    assert rows["love", "e2"].score == pytest.approx((1 + 4 * 0.4) / 9)
    assert rows["love", "e1"].predicted_share == 0.5
    assert rows["hate", "e1"].predicted_share == 0.8
    assert rows["love", "e1"].weighted_clicks == 3.0
    # n_eff = (3 + 4/3)^2 / (2 + 4/3); the interval is that Gamma's.
    n_eff = (3 + 4 / 3) ** 2 / (2 + 4 / 3)
    exact = rows["love", "e1"].score * gamma.ppf([0.05, 0.95], n_eff) / n_eff
    assert [rows["love", "e1"].low, rows["love", "e1"].high] == pytest.approx(exact, rel=0.03)


@pytest.mark.statistical
def test_the_strength_of_the_prediction_is_found_and_scores_beat_both_extremes(spark):
    frame, truth = gamma_poisson_evidence(k=15.0, queries=400, entities=30, seed=21)
    settings = MemorySettings()
    predicted = with_predicted_score(spark.createDataFrame(frame), settings.entity_prior_examinations).cache()
    k = estimate_prior_examinations(predicted, settings)
    # Over 200 seeds k was 14.8 with a standard deviation of .56: six of it on either side.
    assert 11.4 < k < 18.2
    scored = with_score(predicted, k, settings.interval_sigmas).toPandas()
    scored = frame[["query_key", "entity_id"]].merge(scored, on=["query_key", "entity_id"], validate="1:1")
    error = {
        "shrunk": np.mean((scored["score"] - truth) ** 2),
        "clicks alone": np.mean((scored["weighted_clicks"] / scored["weighted_examinations"] - truth) ** 2),
        "prediction alone": np.mean((scored["predicted_score"] - truth) ** 2),
    }
    assert error["shrunk"] < 0.8 * min(error["clicks alone"], error["prediction alone"])
    # 90 % by design; over 200 seeds .903 with a standard deviation of .0054.
    covered = ((scored["low"] <= truth) & (truth <= scored["high"])).mean()
    assert 0.87 < covered < 0.936


def test_pairs_that_differ_by_chance_alone_lean_on_the_prediction_as_far_as_allowed(spark):
    rng = np.random.default_rng(2)
    clicks = rng.poisson(0.2 * 10.0, 3_000)
    # Less variance than Poisson, so that the estimated variance between pairs is negative.
    clicks = np.clip(clicks, 1, 3)
    frame = pd.DataFrame(
        {
            "query_key": [f"q{n}" for n in range(3_000)],
            "entity_id": "e1",
            "clicks": clicks * ONE,
            "clicks_squared": clicks * ONE,
            "examinations": 10 * ONE,
        }
    )
    settings = MemorySettings(most_prior_examinations=77.0)
    predicted = with_predicted_score(spark.createDataFrame(frame), 20.0)
    assert estimate_prior_examinations(predicted, settings) == 77.0


def test_a_memory_without_any_click_is_defined(spark):
    evidence = spark.createDataFrame([("love", "e1", 0, 0, ONE), ("hate", "e2", 0, 0, ONE)], COLUMNS)
    settings = MemorySettings()
    predicted = with_predicted_score(evidence, settings.entity_prior_examinations)
    k = estimate_prior_examinations(predicted, settings)
    for row in with_score(predicted, k, settings.interval_sigmas).collect():
        assert 0.0 < row.score < 1e-5
        assert 0.0 <= row.low <= row.high


def test_no_evidence_gives_no_rows(spark):
    predicted = with_predicted_score(spark.createDataFrame([], COLUMNS), 20.0)
    assert estimate_prior_examinations(predicted, MemorySettings()) == MemorySettings().most_prior_examinations
    assert predicted.count() == 0
