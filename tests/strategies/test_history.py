"""Strategy history: probabilities of draws, sums by hand, rates free of the logging policy."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.strategies.chances import draw_chances, to_drawn_blocks
from ltrr.strategies.daily import to_block_hits, to_strategy_days
from ltrr.strategies.history import collect_counts, fit_history, to_decayed_counts
from ltrr.strategies.published import history_book, history_rows
from ltrr.strategies.settings import HistorySettings

SPACE = PlanSpace(("title", "memory"), block_size=2, budget=2)
DAY = dt.date(2026, 3, 2)
ONE = 1 << 20
DECISIONS = (
    "impression_id string, log_date date, query_class string, query_key string, action_taken string, "
    "action_propensities array<struct<action:string,p:double>>, floor double, n_actions int"
)
CANDIDATES = (
    "log_date date, impression_id string, strategy string, depth int, rank int, entity_id string, is_drawn boolean"
)
SLATES = "log_date date, impression_id string, entity_id string, clicks int, examination double"
DRAWS = "log_date date, impression_id string, strategy string, depth int, is_drawn boolean, results int"
SETTINGS = HistorySettings()


def decision(impression_id, taken, propensities, floor=0.1, query_class="one_word", day=DAY, n_actions=3, key="love"):
    return (impression_id, day, query_class, key, taken, list(propensities.items()), floor, n_actions)


def test_chances_are_the_sums_over_all_plans_that_draw_the_block():
    space = PlanSpace(("a", "b", "c"), block_size=1, budget=3)
    rng = np.random.default_rng(3)
    sizes = rng.integers(0, len(space), 20)
    sizes[[0, 7, 8, 19]] = 0
    floors, plans, propensities, dense = np.full(20, 0.01), [], [], np.full((20, len(space)), 0.01)
    for n, size in enumerate(sizes):
        listed = rng.permutation(len(space))[:size]
        share = rng.dirichlet(np.ones(max(size, 1)))[:size] * (1.0 - 0.01 * (len(space) - size))
        plans.extend(listed)
        propensities.extend(share)
        dense[n, listed] = share
    found = draw_chances(space, floors, sizes, np.array(plans), np.array(propensities))
    np.testing.assert_allclose(found, np.minimum(dense @ space.draws, 1.0), atol=1e-12)


@pytest.mark.spark
def test_a_day_counted_by_hand(spark):
    decisions = spark.createDataFrame(
        [
            # P(title:1) .9, P(title:2) .8, P(memory:1) .2, P(memory:2) .1
            decision("i1", "title:2", {"title:2": 0.8}),
            decision("i2", "title:1,memory:1", {"title:2": 0.8}, key="hate"),
            # Of another plan space: left out.
            decision("old", "title:2", {"title:2": 0.8}, n_actions=7),
        ],
        DECISIONS,
    )
    draws = spark.createDataFrame(
        [
            (DAY, "i1", "title", 1, True, 2),
            (DAY, "i1", "title", 2, True, 1),
            (DAY, "i1", "memory", 1, False, 2),
            (DAY, "i2", "title", 1, True, 2),
            (DAY, "i2", "memory", 1, True, 0),
            (DAY, "old", "title", 1, True, 2),
        ],
        DRAWS,
    )
    candidates = spark.createDataFrame(
        [
            (DAY, "i1", "title", 1, 2, "e1", True),
            (DAY, "i1", "title", 2, 3, "e2", True),
            # Fetched for the look, not drawn: it earns nothing.
            (DAY, "i1", "memory", 1, 1, "e1", False),
            (DAY, "i2", "title", 1, 1, "e3", True),
            # Listed twice by one strategy: the block gets its reward once.
            (DAY, "i2", "memory", 1, 1, "e3", True),
            (DAY, "i2", "memory", 1, 2, "e3", True),
        ],
        CANDIDATES,
    )
    shown = [("i1", "e1", 1, 0.5), ("i1", "e2", 0, 0.25), ("i2", "e3", 1, 0.01), ("old", "e1", 1, 1.0)]
    slates = spark.createDataFrame([(DAY, *row) for row in shown], SLATES)
    hits = to_block_hits(slates, candidates, examination_floor=0.05)
    days = to_strategy_days(to_drawn_blocks(decisions, SPACE), draws, hits, max_weight=4.0)
    rows = {(row.level, row.key, row.strategy, row.depth): row for row in days.collect()}
    assert len(rows) == 8 + 4
    for level, key in (("all", "all"), ("class", "one_word")):
        first = rows[level, key, "title", 1]
        assert (first.impressions, first.draws, first.results) == (2, 2, 4)
        assert first.weights == 2 * round(ONE / 0.9)
        # i1: 1 / .5 only here; i2: 1 / .05 (the floor), which the memory brought too.
        assert first.hits == round(2 * ONE / 0.9) + round(20 * ONE / 0.9)
        assert first.marginal_hits == round(2 * ONE / 0.9)
        assert first.hits_squared == round(4 * ONE / 0.81) + round(400 * ONE / 0.81)
        assert first.weights_hits == round(2 * ONE / 0.81) + round(20 * ONE / 0.81)
        # i1 found e1 at rank 2, i2 found e3 at rank 1.
        assert first.reciprocal_ranks == round(0.5 * ONE / 0.9) + round(ONE / 0.9)
        second = rows[level, key, "title", 2]
        assert (second.impressions, second.draws, second.results, second.hits) == (2, 1, 1, 0)
        memory = rows[level, key, "memory", 1]
        # 1 / .2 = 5, clipped at 4.
        assert (memory.draws, memory.weights, memory.weights_squared) == (1, 4 * ONE, 16 * ONE)
        assert (memory.hits, memory.marginal_hits) == (80 * ONE, 0)
        never = rows[level, key, "memory", 2]
        assert (never.impressions, never.draws, never.weights) == (2, 0, 0)
    love, hate = rows["query", "love", "title", 1], rows["query", "hate", "memory", 1]
    assert (love.impressions, love.draws, love.hits, love.marginal_hits) == (0, 1, *[round(2 * ONE / 0.9)] * 2)
    assert (hate.weights, hate.hits, hate.marginal_hits, hate.reciprocal_ranks) == (4 * ONE, 80 * ONE, 0, 4 * ONE)


@pytest.mark.spark
@pytest.mark.statistical
def test_rates_are_those_of_all_impressions_though_the_policy_draws_where_it_pays(spark):
    """Half of the impressions reward `title:2`; there the policy draws it 9 times as often."""
    rng = np.random.default_rng(17)
    impressions = 20_000
    is_good = rng.random(impressions) < 0.5
    chance = np.where(is_good, 0.9, 0.1)
    is_drawn = rng.random(impressions) < chance
    drawn = pd.DataFrame(
        {
            "impression_id": [f"i{n}" for n in range(impressions)],
            "log_date": DAY,
            "query_class": "long",
            "query_key": "songs to sleep to",
            "strategy": "title",
            "depth": np.int32(2),
            "impressions": np.int64(0),
            "chance": chance,
        }
    )[is_drawn]
    hits = pd.DataFrame({"impression_id": drawn["impression_id"], "hits": ONE * is_good[is_drawn]})
    hits = hits.assign(
        log_date=DAY, strategy="title", depth=np.int32(2), marginal_hits=hits["hits"], first_rank=np.int32(3)
    )
    draws = spark.createDataFrame([], DRAWS)
    days = to_strategy_days(spark.createDataFrame(drawn), draws, spark.createDataFrame(hits), max_weight=100.0)
    counts = collect_counts(to_decayed_counts(days, DAY, SETTINGS), SPACE)
    sums = {name: values[0, 1] for name, values in counts["all", "all"].items()}
    rate = sums["hits"] / sums["weights"]
    # The plain mean over draws is .9. Standard error of the ratio: sqrt(sum w^2 (x - .5)^2) / sum w
    # = .0083; six of it.
    assert rate == pytest.approx(0.5, abs=0.05)
    assert is_good[is_drawn].mean() > 0.88


def days_of(spark, rows):
    columns = (
        "log_date date, level string, key string, strategy string, depth int, impressions bigint, "
        "draws bigint, results bigint, weights bigint, weights_squared bigint, hits bigint, hits_squared bigint, "
        "weights_hits bigint, marginal_hits bigint, reciprocal_ranks bigint"
    )
    return spark.createDataFrame(rows, columns)


def day(log_date, key, draws, hits, strategy="title", depth=1, level=""):
    """One block of one key: draws of weight 1 that found 1 or 0, at rank 1."""
    level = level or ("all" if key == "all" else "class")
    block = (log_date, level, key, strategy, depth, 100, draws, 2 * draws)
    return (*block, draws * ONE, draws * ONE, hits * ONE, hits * ONE, hits * ONE, 0, hits * ONE)


@pytest.mark.spark
def test_history_decays_shrinks_and_knows_nothing_of_tomorrow(spark):
    settings = HistorySettings(half_life_days=1.0, fewest_prior_draws=10.0, most_prior_draws=10.0)
    rows = [
        day(DAY - dt.timedelta(days=1), "all", 40, 40),
        day(DAY, "all", 20, 10),
        day(DAY, "digits", 20, 10),
    ]
    tomorrow = [day(DAY + dt.timedelta(days=1), "all", 99, 9_999), day(DAY + dt.timedelta(days=1), "long", 9, 9)]
    fitted = [
        fit_history(collect_counts(to_decayed_counts(days_of(spark, known), DAY, settings), SPACE), SPACE, settings)
        for known in (rows, rows + tomorrow)
    ]
    assert history_rows(fitted[0], SPACE) == history_rows(fitted[1], SPACE)
    assert history_book(fitted[0], SPACE).to_bytes() == history_book(fitted[1], SPACE).to_bytes()

    prior = History.prior(SPACE).hit_rate[0, 0]
    every, digits = fitted[0].every, fitted[0].classes["digits"]
    # Yesterday weighs half: 20 + 20 draws, 20 + 10 hits; n_eff = 40^2 / (10 + 20).
    n_eff = 40**2 / 30
    expected = (n_eff * 30 / 40 + 10 * prior) / (n_eff + 10)
    assert every.rates.hit_rate[0, 0] == pytest.approx(expected)
    assert every.support[0, 0] == pytest.approx(n_eff)
    assert every.draw_rate[0, 0] == pytest.approx(40 / 150)
    assert every.mean_results[0, 0] == pytest.approx(2.0)
    assert digits.rates.hit_rate[0, 0] == pytest.approx((20 * 10 / 20 + 10 * expected) / 30)
    assert digits.reciprocal_rank[0, 0] == pytest.approx((20 * 0.5 + 10 * every.reciprocal_rank[0, 0]) / 30)
    # The rate of a block without draws is that of its parent.
    assert every.rates.hit_rate[1, 1] == pytest.approx(History.prior(SPACE).hit_rate[1, 1])
    assert digits.rates.hit_rate[1, 1] == pytest.approx(every.rates.hit_rate[1, 1])
    assert np.isnan(every.mean_results[1, 1])


@pytest.mark.spark
def test_days_outside_the_window_and_strategies_no_longer_used_are_left_out(spark):
    settings = HistorySettings(window_days=2)
    rows = [
        day(DAY - dt.timedelta(days=2), "all", 1_000, 0),
        day(DAY, "all", 10, 10),
        day(DAY, "all", 10, 10, strategy="retired"),
    ]
    counts = collect_counts(to_decayed_counts(days_of(spark, rows), DAY, settings), SPACE)
    assert counts["all", "all"]["draws"].tolist() == [[10.0, 0.0], [0.0, 0.0]]


def test_before_any_draw_the_history_is_the_planners_prior():
    coarse = fit_history({}, SPACE, SETTINGS)
    prior = History.prior(SPACE)
    np.testing.assert_array_equal(coarse.every.rates.hit_rate, prior.hit_rate)
    np.testing.assert_array_equal(coarse.every.rates.marginal_hit_rate, prior.marginal_hit_rate)
    assert history_book(coarse, SPACE).of("1999").hit_rate.tolist() == prior.hit_rate.tolist()
    # One candidate per block, wanted with probability .3: the mean of 1 / rank is .3 at rank 1.
    narrow = PlanSpace(("title",), block_size=1, budget=2)
    assert fit_history({}, narrow, SETTINGS).every.reciprocal_rank.tolist() == [[0.3, pytest.approx(0.15 / 2)]]
