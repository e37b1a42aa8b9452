"""History of single queries: it recovers true rates and ignores later dates and row order."""

import datetime as dt

import numpy as np
import pytest
from pyspark.sql import functions as F

from ltrr.artifacts.history import QueryHistories
from ltrr.artifacts.history_part import QueryHistory, history_part_bytes
from ltrr.artifacts.payloads import get_payload
from ltrr.core.hashing import bucket
from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import query_class
from ltrr.errors import ArtifactError, UsageError
from ltrr.strategies.daily import to_strategy_days
from ltrr.strategies.history import collect_counts, fit_history, to_decayed_counts
from ltrr.strategies.parts import store_history_parts
from ltrr.strategies.published import history_book, history_rows
from ltrr.strategies.queries import (
    class_rates,
    estimate_query_strength,
    only_drawn_enough,
    with_parent,
    with_rates,
)
from ltrr.strategies.settings import HistorySettings
from ltrr.strategies.shrinkage import array_strength

SPACE = PlanSpace(("title", "memory"), block_size=1, budget=2)
TODAY = dt.date(2026, 3, 2)
TOMORROW = TODAY + dt.timedelta(days=1)
ONE = 1 << 20
DRAWS = "log_date date, impression_id string, strategy string, depth int, is_drawn boolean, results int"


def planted_draws(strength, queries, seed, day=TODAY, *, class_rate=(("one_word", 0.2), ("two_words", 0.4))):
    """Drawn blocks with their found rewards; the rates of queries for `title:1` are Beta.

    The mean of the Beta is that of the class, and `strength` is its weight in draws. Found rewards
    are 2 with probability rate / 2 (a click with examination .5). Probabilities of draws vary, so
    weights vary.
    """
    rng = np.random.default_rng(seed)
    rows, truth = [], {}
    for n in range(queries):
        kind, mean = class_rate[n % 2]
        rate = rng.beta(strength * mean, strength * (1 - mean))
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(n))
        key = letters if kind == "one_word" else f"the {letters}"
        truth[key] = rate
        for m in range(int(rng.geometric(1 / 25))):
            chance = float(rng.choice([0.2, 0.5, 0.9]))
            found = 2 * ONE * int(rng.random() < rate / 2)
            rows.append((f"{day}-{key}-{m}", day, kind, key, "title", 1, 0, chance, found, found, 1 if found else None))
    return rows, truth


def days_of(spark, drawn):
    rows = spark.createDataFrame(
        drawn,
        "impression_id string, log_date date, query_class string, query_key string, strategy string, depth int, "
        "impressions bigint, chance double, hits bigint, marginal_hits bigint, first_rank int",
    )
    found = ("hits", "marginal_hits", "first_rank")
    hits = rows.where("hits > 0").select("log_date", "impression_id", "strategy", "depth", *found)
    return to_strategy_days(rows.drop(*found), spark.createDataFrame([], DRAWS), hits, max_weight=100.0)


def fitted(spark, days, settings):
    """Coarse history, k of queries, and the rows of queries, as the job makes them."""
    decayed = to_decayed_counts(days, TODAY, settings)
    coarse = fit_history(collect_counts(decayed, SPACE), SPACE, settings)
    counts = with_parent(decayed.where("level = 'query'"), class_rates(spark, coarse, SPACE))
    strength = estimate_query_strength(counts, settings)
    return coarse, strength, with_rates(only_drawn_enough(counts, settings.least_query_draws), strength)


def rows_of(queries):
    columns = ("key", "strategy", "depth", "hit_rate", "marginal_hit_rate", "reciprocal_rank", "support", "query_draws")
    return sorted(queries.select(*columns).collect())


@pytest.mark.statistical
def test_the_strength_of_planted_keys_comes_back():
    """Moments are unbiased: mean t^2 and s^2 of 40 samples of 300 keys give k within a tenth."""
    rng = np.random.default_rng(5)
    mean, planted, found = 0.3, 30.0, []
    for _ in range(40):
        rate = rng.beta(planted * mean, planted * (1 - mean), 300)
        sums = {name: np.zeros(300) for name in ("weights", "weights_squared", "hits", "hits_squared", "weights_hits")}
        for key in range(300):
            weight = 1.0 / rng.choice([0.2, 0.5, 0.9], rng.geometric(1 / 40))
            hit = rng.random(len(weight)) < rate[key]
            terms = (weight, weight**2, weight * hit, weight**2 * hit, weight**2 * hit)
            for name, value in zip(sums, terms, strict=True):
                sums[name][key] = value.sum()
        found.append(array_strength(sums, np.full(300, mean), HistorySettings()))
    # Of a Beta: s^2 / t^2 is exactly its strength.
    assert np.median(found) == pytest.approx(planted, rel=0.1)


@pytest.mark.spark
@pytest.mark.statistical
def test_shrinkage_recovers_planted_rates(spark):
    drawn, truth = planted_draws(strength=8.0, queries=600, seed=11)
    settings = HistorySettings(least_query_draws=1.0)
    coarse, strength, queries = fitted(spark, days_of(spark, drawn), settings)
    # Rewards of 2: s^2 = E[2 rate - rate^2], t^2 = mean (1 - mean) / 9, over both classes about 20.
    assert 12.0 < strength < 34.0
    # Standard error of a class, its queries being the clusters: about .018; four of it.
    assert coarse.classes["one_word"].rates.hit_rate[0, 0] == pytest.approx(0.2, abs=0.07)
    assert coarse.classes["two_words"].rates.hit_rate[0, 0] == pytest.approx(0.4, abs=0.07)
    found = queries.select("key", "hit_rate", "parent_hit_rate", (F.col("hits") / F.col("weights")).alias("raw"))
    rows = found.toPandas()
    true = rows["key"].map(truth)
    error = {name: float(((rows[name] - true) ** 2).mean()) for name in ("hit_rate", "parent_hit_rate", "raw")}
    assert error["hit_rate"] < 0.75 * error["parent_hit_rate"]
    assert error["hit_rate"] < 0.5 * error["raw"]


@pytest.mark.spark
def test_tomorrows_clicks_change_no_history_of_today(spark):
    settings = HistorySettings(least_query_draws=5.0)
    drawn, _ = planted_draws(strength=8.0, queries=40, seed=3)
    tomorrow, _ = planted_draws(strength=8.0, queries=60, seed=4, day=TOMORROW, class_rate=(("one_word", 0.9),) * 2)
    without = fitted(spark, days_of(spark, drawn), settings)
    # Another order, another layout, and a day that has not come yet.
    mixed = [*tomorrow, *drawn]
    np.random.default_rng(7).shuffle(mixed)
    with_it = fitted(spark, days_of(spark, mixed).repartition(7), settings)
    assert rows_of(without[2]) == rows_of(with_it[2])
    assert without[1] == with_it[1]
    assert history_rows(without[0], SPACE) == history_rows(with_it[0], SPACE)
    assert history_book(without[0], SPACE).to_bytes() == history_book(with_it[0], SPACE).to_bytes()


@pytest.mark.spark
def test_the_parts_hold_the_head_and_fall_back_query_class_all(spark, tmp_path):
    settings = HistorySettings(least_query_draws=10.0, parts=2, queries_per_part=3)
    drawn, _ = planted_draws(strength=8.0, queries=60, seed=9)
    coarse, _, queries = fitted(spark, days_of(spark, drawn), settings)
    parts = store_history_parts(queries, coarse, SPACE, tmp_path / "search", settings)
    again = store_history_parts(queries.repartition(5), coarse, SPACE, tmp_path / "search", settings)
    assert parts == again
    assert sorted(parts) == ["history-000.npz", "history-001.npz"]
    files = {name: get_payload(tmp_path / "search", part.sha256) for name, part in parts.items()}
    book = QueryHistories.of_files(files | {"history.json": history_book(coarse, SPACE).to_bytes()}, SPACE)
    # The most drawn three of each part, ties by key; the others plan by class.
    ordered = sorted(rows_of(queries), key=lambda row: (-row.query_draws, row.key))
    assert min(row.query_draws for row in ordered) >= 10.0
    for part in range(2):
        mine = [row for row in ordered if bucket(row.key, 2) == part]
        assert len(mine) > 3
        for row in mine[:3]:
            own, of_class = book.of(row.key), coarse.classes[query_class(row.key)].rates
            assert own.hit_rate[0, 0] == pytest.approx(row.hit_rate, abs=1e-6)
            # Blocks that were never drawn for it are its class's.
            assert own.marginal_hit_rate[1, 1] == pytest.approx(of_class.marginal_hit_rate[1, 1], abs=1e-6)
            assert book.draws(row.key) == pytest.approx(row.query_draws)
        for row in mine[3:]:
            assert book.draws(row.key) == 0.0
            assert book.of(row.key) is book.classes[query_class(row.key)]
    assert book.of("1999") is book.overall


def test_a_part_is_the_same_bytes_in_any_order_and_nothing_else_is_read():
    rng = np.random.default_rng(2)
    queries = [QueryHistory(f"q{n}", History(rng.random((2, 2)), rng.random((2, 2))), n) for n in range(5)]
    data = history_part_bytes(queries, SPACE)
    assert data == history_part_bytes(queries[::-1], SPACE)
    book = QueryHistories.of_files({"history-000.npz": data}, SPACE)
    for query in queries:
        assert book.of(query.query_key).hit_rate.tolist() == np.round(query.history.hit_rate, 6).tolist()
    assert book.of("q7").hit_rate.tolist() == History.prior(SPACE).hit_rate.tolist()
    with pytest.raises(ArtifactError, match="a part of the history is missing"):
        QueryHistories.of_files({"history-001.npz": data}, SPACE)
    with pytest.raises(ArtifactError, match="other strategies"):
        QueryHistories.of_files({"history-000.npz": data}, PlanSpace(("title", "memory", "semantic"), 1, 2))
    for junk in (b"", data[:-40]):
        with pytest.raises(ArtifactError, match="not a part of a history"):
            QueryHistories.of_files({"history-000.npz": junk}, SPACE)
    for bad in ([queries[0]] * 2, [QueryHistory("q", History(np.full((2, 2), 5e3), np.zeros((2, 2))), 1.0)]):
        with pytest.raises(UsageError, match="cannot be written"):
            history_part_bytes(bad, SPACE)
