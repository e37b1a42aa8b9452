"""Every impression gets its query's mean: hot queries by broadcast, others by shuffle."""

from collections import defaultdict

import numpy as np
import pytest

from ltrr.evaluation import query_means
from ltrr.evaluation.query_means import QueryMeans

COLUMNS = "impression_id string, query_key string, page_reward double"


@pytest.mark.spark
def test_hot_and_rare_queries_get_the_mean_of_their_others(spark, monkeypatch):
    monkeypatch.setattr(query_means, "MOST_HOT", 20)
    rng = np.random.default_rng(4)
    rows = [(f"i{n}", "love" if n < 150 else f"q{n % 60}", float(rng.integers(3))) for n in range(400)]
    means = QueryMeans.of(spark.createDataFrame(rows, COLUMNS), strength=2.0)
    assert means.counted == 400
    overall = sum(row[2] for row in rows) / 400
    rewards, counts = defaultdict(float), defaultdict(int)
    for _, query, reward in rows:
        rewards[query] += reward
        counts[query] += 1
    asked = [*rows, ("i400", "never searched", 1.0)]
    for is_counted, given in ((True, rows), (False, asked)):
        found = means.with_query_mean(spark.createDataFrame(given, COLUMNS), is_counted=is_counted).collect()
        assert len(found) == len(given)
        for row in found:
            own, one = (row["page_reward"], 1) if is_counted else (0.0, 0)
            query = row["query_key"]
            expected = (rewards[query] - own + 2.0 * overall) / (counts[query] - one + 2.0)
            assert row["query_mean"] == pytest.approx(expected, abs=1e-6)
