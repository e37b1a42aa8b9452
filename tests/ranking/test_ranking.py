"""The ranker learns from weighted clicks, is evaluated on held-out rows, and is reproducible."""

from datetime import date, timedelta
from itertools import groupby

import numpy as np
import pytest
import xgboost

from ltrr.errors import NotReadyError
from ltrr.ranking.judging import CANDIDATE, FUSION, SERVED, fusion_order, judge_orders
from ltrr.ranking.rows import only_judging, only_of_width, only_training, to_click_groups, to_clicks, to_ranking_rows
from ltrr.ranking.settings import RankerSettings
from ltrr.ranking.training import check_slots, count_clicked_queries, partition_groups, train_ranker
from ltrr.serving.ranker import Ranker
from ltrr.spark.columns import conform, with_added_columns
from ltrr.tables.catalog import table
from tests.ranking.shown import NAMES, SPACE, frame_of, pages

SETTINGS = RankerSettings(trees=20, max_depth=3, min_queries=20)
PLACES = NAMES.index("fusion")


@pytest.fixture(scope="module")
def slates():
    return pages(3_000)


@pytest.fixture(scope="module")
def model(_session, slates):
    rows = to_ranking_rows(frame_of(_session, slates), 0.05, 10.0)
    return train_ranker(only_training(rows, 30, 30), NAMES, SETTINGS)


def judge(rows, positions=10, **models):
    return judge_orders(rows, models, fusion_order(NAMES), positions)


def reversing():
    """A booster that reverses the order of fusion."""
    values = np.zeros((1_000, len(NAMES)))
    values[:, PLACES] = np.linspace(0, 1, 1_000)
    matrix = xgboost.DMatrix(values, label=-values[:, PLACES])
    return bytes(xgboost.train({"max_depth": 6, "eta": 1.0}, matrix, 1).save_raw("ubj"))


def two_wants(impressions, examination, seed=3):
    """Half of the users want the top entity, half the bottom one: the reverse order is as good."""
    rng = np.random.default_rng(seed)
    day, rows = date(2026, 3, 2), []
    for number in range(impressions):
        wanted = int(rng.choice([0, len(examination) - 1]))
        for place, share in enumerate(examination):
            values = dict.fromkeys(NAMES, 0.0) | {"fusion": 1.0 - place / len(examination)}
            clicked = int(place == wanted and rng.random() < share)
            rows.append(
                (
                    *(f"i{number}", f"e{place}", day, place + 1, f"q{number % 500}", f"u{number % 700}", 0),
                    *([values[name] for name in NAMES], clicked, float(clicked), float(share), "search"),
                )
            )
    return rows


@pytest.mark.spark
def test_gains_are_corrected_for_examination_and_capped(spark, slates):
    rows = to_ranking_rows(frame_of(spark, slates[:600]), examination_floor=0.25, gain_cap=3.0)
    declared = table("ranking_rows")
    for row in conform(with_added_columns(rows, declared), declared).collect():
        assert row["examination"] == max(1 / row["position"], 0.25)
        assert row["gain"] == pytest.approx(min(row["clicks"] * min(row["position"], 4), 3.0))


@pytest.mark.spark
def test_no_user_and_no_query_is_on_both_sides(spark, slates):
    rows = to_ranking_rows(frame_of(spark, slates), 0.05, 10.0)
    trained = only_training(rows, 30, 40).select("user_key", "query_key").distinct().collect()
    judged = only_judging(rows, 30, 40).select("user_key", "query_key").distinct().collect()
    assert trained
    assert judged
    for column in ("user_key", "query_key"):
        assert not {row[column] for row in trained} & {row[column] for row in judged}


@pytest.mark.spark
def test_whole_clicked_impressions_are_kept_and_an_impression_of_another_date_is_another(spark, slates):
    slates = slates[:1200]
    # The same ids a week later, without a click.
    later = [(*row[:2], row[2] + timedelta(days=7), *row[3:8], 0, 0.0, *row[10:]) for row in slates]
    rows = to_ranking_rows(frame_of(spark, slates + later), 0.05, 10.0)
    clicked = rows.groupBy("log_date", "impression_id").agg({"clicks": "max", "entity_id": "count"}).collect()
    assert {row["max(clicks)"] for row in clicked} == {1}
    assert {row["count(entity_id)"] for row in clicked} == {6}
    assert {row["impression_id"] for row in clicked} == {row[0] for row in slates if row[8]}
    groups = to_click_groups(rows, to_clicks(rows, 1))
    capped = (
        groups.select("impression_id").distinct().join(rows, on="impression_id").select("impression_id", "query_key")
    )
    assert max(capped.distinct().groupBy("query_key").count().toPandas()["count"]) == 1
    assert only_of_width(rows, len(NAMES) + 1).count() == 0


@pytest.mark.spark
def test_every_click_is_a_group_with_its_own_weight_and_lies_whole_in_one_partition(spark, slates):
    rows = to_ranking_rows(frame_of(spark, slates[:1200]), 0.05, 10.0)
    placed = partition_groups(to_click_groups(rows, to_clicks(rows, 200)), 3)
    assert placed.rdd.getNumPartitions() == 3
    seen = placed.rdd.mapPartitionsWithIndex(
        lambda index, them: [
            (index, row["impression_id"], row["clicked"], row["entity_id"], row["label"], row["weight"]) for row in them
        ]
    ).collect()
    gains = {(row["impression_id"], row["entity_id"]): row["gain"] for row in rows.collect()}
    groups = [(key, list(them)) for key, them in groupby(seen, key=lambda row: row[:3])]
    assert len(groups) == len({key[1:] for key, _ in groups}) == sum(gain > 0 for gain in gains.values())
    for (_, impression, clicked), them in groups:
        assert len(them) == 6
        assert [row[3] for row in them if row[4] == 1.0] == [clicked]
        assert {row[5] for row in them} == {gains[impression, clicked]}


@pytest.mark.spark
@pytest.mark.statistical
def test_equally_good_orders_are_judged_equal_although_one_of_them_was_served(spark):
    examination = 1.0 / np.arange(1, 9)
    slates = two_wants(6_000, examination)
    quality = judge(to_ranking_rows(frame_of(spark, slates), 0.05, 10.0), candidate=reversing(), fusion=None)
    difference, truth = quality.difference(CANDIDATE, FUSION), (1.0 + 1.0 / np.log2(9)) / 2.0
    # Five standard errors are less than a fifth of -0.53, the result of division page by page.
    assert 5.0 * difference.standard_error < 0.1
    assert abs(difference.value) < 5.0 * difference.standard_error
    for order in (CANDIDATE, FUSION):
        assert abs(quality.value(order).value - truth) < 5.0 * quality.value(order).standard_error
    assert quality.impressions == sum(row[8] for row in slates)


@pytest.mark.long
@pytest.mark.spark
@pytest.mark.statistical
def test_the_wanted_is_recovered_although_the_served_order_shows_it_last(spark):
    """Users want the last entity more often than the first, but click the first more often.

    A third of them want the first, by the other feature. Without weights, the first entity has 4 of
    5 clicks.
    """
    examination = (1.0, 0.5, 0.25, 0.125)
    rng = np.random.default_rng(5)
    rows = []
    for number in range(4_000):
        wanted = 0 if rng.random() < 1 / 3 else 3
        for place, share in enumerate(examination):
            values = dict.fromkeys(NAMES, 0.0) | {"query_words": float(place)}
            clicked = int(place == wanted and rng.random() < share)
            rows.append(
                (
                    *(f"i{number}", f"e{place}", date(2026, 3, 2), place + 1, f"q{number % 300}", f"u{number}", 0),
                    *([values[name] for name in NAMES], clicked, float(clicked), share, "search"),
                )
            )
    slates = frame_of(spark, rows)
    first_and_last = np.zeros((2, len(NAMES)))
    first_and_last[1, NAMES.index("query_words")] = 3.0
    for gain_cap, is_last_better in ((10.0, True), (1.0, False)):
        booster = xgboost.Booster()
        trained = train_ranker(to_ranking_rows(slates, 0.05, gain_cap), NAMES, SETTINGS)
        booster.load_model(bytearray(trained))
        first, last = booster.inplace_predict(first_and_last)
        assert (last > first) == is_last_better


@pytest.mark.spark
@pytest.mark.statistical
def test_learns_what_the_served_order_hid(spark, slates, model):
    judged = only_judging(to_ranking_rows(frame_of(spark, slates), 0.05, 10.0), 30, 30)
    quality = judge(judged, candidate=model, fusion=None)
    assert quality.difference(CANDIDATE, FUSION).low(1 - 1e-6) > 0.0
    assert 0 < quality.value(CANDIDATE).value <= 1
    assert quality.figures()["dcg_over_fusion_low"] > 0.0


@pytest.mark.spark
def test_orders_and_sums_are_those_of_serving_and_of_a_second_computation(spark, slates, model):
    few = only_judging(to_ranking_rows(frame_of(spark, slates), 0.05, 10.0), 30, 30)
    quality = judge(few, positions=3, candidate=model, served=None)
    ranker = Ranker(SPACE, model)
    rows = sorted(few.collect(), key=lambda row: (row["impression_id"], row["entity_id"]))
    found = []
    for _, page in groupby(rows, key=lambda row: row["impression_id"]):
        page = list(page)
        matrix = np.array([row["features"] for row in page], dtype=np.float64)
        gains = np.array([row["gain"] for row in page])
        orders = (np.argsort(-scores, kind="stable") for scores in (ranker._scores([matrix]), matrix[:, PLACES]))
        dcgs = [float((gains[order][:3] / np.log2([2, 3, 4])).sum()) for order in orders]
        assert dcgs[0] <= gains.sum()
        found.append((page[0]["query_key"], page[0]["user_key"], gains.sum(), *dcgs))
    total = sum(row[2] for row in found)
    candidate, served = (sum(row[place] for row in found) / total for place in (3, 4))
    assert quality.impressions == len(found)
    assert quality.value(CANDIDATE).value == pytest.approx(candidate, abs=1e-6)
    assert quality.difference(CANDIDATE, SERVED).value == pytest.approx(candidate - served, abs=1e-6)
    errors = []
    for cluster in (0, 1):
        sums = {}
        for row in found:
            sums[row[cluster]] = sums.get(row[cluster], 0.0) + row[3] - row[4] - (candidate - served) * row[2]
        terms = np.array(list(sums.values()))
        errors.append(np.sqrt((terms**2).sum() * len(terms) / (len(terms) - 1)) / total)
    assert quality.difference(CANDIDATE, SERVED).standard_error == pytest.approx(max(errors), rel=1e-4)
    assert quality.queries == len({row[0] for row in found})
    assert quality.users == len({row[1] for row in found})


@pytest.mark.spark
def test_the_same_rows_give_the_same_bytes(spark, slates, model):
    rows = only_training(to_ranking_rows(frame_of(spark, slates), 0.05, 10.0), 30, 30)
    assert train_ranker(rows.repartition(5).orderBy("gain"), NAMES, SETTINGS) == model


def test_more_memory_never_lowers_an_entity(model):
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    ladder = np.zeros((50, len(NAMES)))
    ladder[:, NAMES.index("score:memory")] = np.linspace(0.0, 1.0, 50)
    scores = booster.inplace_predict(ladder)
    assert (np.diff(scores) >= 0).all()
    assert scores[-1] > scores[0]


@pytest.mark.spark
def test_clicked_queries_are_counted_once_and_others_not_at_all(spark, slates):
    rows = to_ranking_rows(frame_of(spark, slates[:600]), 0.05, 10.0)
    assert count_clicked_queries(rows) == len({row[4] for row in slates[:600] if row[8]}) < SETTINGS.min_queries * 5


@pytest.mark.spark
def test_nothing_to_judge_is_undefined(spark, slates, model):
    nothing = to_ranking_rows(frame_of(spark, slates[:6]), 0.05, 10.0).where("false")
    quality = judge(nothing, candidate=model, fusion=None)
    assert quality.impressions == 0
    assert np.isnan(quality.value(CANDIDATE).value)
    assert np.isnan(quality.effective_sample_size)
    assert np.isnan(quality.figures()["dcg_over_fusion_low"])


@pytest.mark.spark
def test_workers_without_slots_are_refused_before_they_wait(spark):
    check_slots(spark, 2)
    with pytest.raises(NotReadyError, match="expected 3 free task slots, got 2"):
        check_slots(spark, 3)
