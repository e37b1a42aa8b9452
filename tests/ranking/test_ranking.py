"""The ranker learns from corrected clicks what the served order hid, is judged apart, and is the same every time."""

from itertools import groupby

import numpy as np
import pytest
import xgboost

from ltrr.core.ranking_metrics import ndcg
from ltrr.errors import NotReadyError
from ltrr.ranking.judging import judge_order
from ltrr.ranking.rows import only_capped, only_clicked, only_judging, only_of_width, only_training, to_ranking_rows
from ltrr.ranking.settings import RankerSettings
from ltrr.ranking.training import check_slots, laid_out, train_ranker
from ltrr.serving.ranker import Ranker
from ltrr.spark.columns import conform
from ltrr.tables.catalog import table
from tests.ranking.shown import NAMES, SPACE, frame_of, pages

SETTINGS = RankerSettings(trees=20, max_depth=3, min_queries=20)


@pytest.fixture(scope="module")
def slates():
    return pages(3_000)


@pytest.fixture(scope="module")
def model(_session, slates):
    rows = to_ranking_rows(frame_of(_session, slates), 0.05, 10.0)
    return train_ranker(only_clicked(only_training(rows, 30, 30)), NAMES, SETTINGS)


@pytest.mark.spark
def test_gains_are_corrected_for_examination_and_capped(spark, slates):
    rows = to_ranking_rows(frame_of(spark, slates[:600]), examination_floor=0.25, gain_cap=3.0)
    for row in conform(rows, table("ranking_rows")).collect():
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
def test_whole_impressions_are_kept_or_left(spark, slates):
    rows = to_ranking_rows(frame_of(spark, slates[:1200]), 0.05, 10.0)
    clicked = only_clicked(rows).groupBy("impression_id").agg({"clicks": "max", "entity_id": "count"}).collect()
    assert {row["max(clicks)"] for row in clicked} == {1}
    assert {row["count(entity_id)"] for row in clicked} == {6}
    capped = only_capped(rows, 1).groupBy("query_key").agg({"entity_id": "count"}).collect()
    assert {row["count(entity_id)"] for row in capped} == {6}
    assert only_of_width(rows, len(NAMES) + 1).count() == 0


@pytest.mark.spark
def test_partitions_are_workers_and_a_query_lies_whole_in_one(spark, slates):
    rows = laid_out(to_ranking_rows(frame_of(spark, slates[:1200]), 0.05, 10.0), 3)
    seen = rows.rdd.mapPartitionsWithIndex(
        lambda index, them: [(index, row["query_key"], row["qid"], row["features"]) for row in them]
    ).collect()
    assert rows.rdd.getNumPartitions() == 3
    assert len({(index, key) for index, key, _, _ in seen}) == len({key for _, key, _, _ in seen})
    for _, part in groupby(seen, key=lambda row: row[0]):
        numbers = [qid for _, _, qid, _ in part]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(1, max(numbers) + 1))
    assert all(value is not None for *_, features in seen for value in features)


@pytest.mark.spark
@pytest.mark.statistical
def test_learns_what_the_served_order_hid(spark, slates, model):
    judged = only_judging(to_ranking_rows(frame_of(spark, slates), 0.05, 10.0), 30, 30)
    quality = judge_order(judged, model, NAMES.index("fusion"), 10)
    # Served in the order of fusion, so these two are one; the lower bound is six standard errors down.
    assert quality.served.value == pytest.approx(quality.fusion.value)
    assert quality.over_served.low(1 - 1e-9) > 0.0
    assert 0 < quality.candidate.value <= 1
    assert quality.figures()["ndcg_over_fusion_low"] > 0.0


@pytest.mark.spark
def test_ndcg_is_that_of_core_and_of_the_order_that_serving_gives(spark, slates, model):
    few = only_judging(to_ranking_rows(frame_of(spark, slates), 0.05, 10.0), 30, 30)
    quality = judge_order(few, model, NAMES.index("fusion"), 3)
    ranker = Ranker(SPACE, model)
    rows = sorted(few.collect(), key=lambda row: (row["impression_id"], row["entity_id"]))
    found = []
    for _, page in groupby(rows, key=lambda row: row["impression_id"]):
        page = list(page)
        matrix = np.array([row["features"] for row in page], dtype=np.float64)
        gains = np.array([row["gain"] for row in page])
        found.append(ndcg(gains[np.argsort(-ranker._scores([matrix]), kind="stable")].tolist(), 3))
    assert quality.impressions == np.isfinite(found).sum()
    assert quality.candidate.value == pytest.approx(np.nanmean(found), abs=1e-6)


@pytest.mark.spark
def test_the_same_rows_give_the_same_bytes(spark, slates, model):
    rows = only_clicked(only_training(to_ranking_rows(frame_of(spark, slates), 0.05, 10.0), 30, 30))
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
def test_too_few_clicked_queries_train_nothing(spark, slates):
    rows = only_clicked(to_ranking_rows(frame_of(spark, slates[:60]), 0.05, 10.0))
    assert train_ranker(rows, NAMES, SETTINGS) is None


@pytest.mark.spark
def test_nothing_to_judge_is_undefined(spark, slates, model):
    nothing = to_ranking_rows(frame_of(spark, slates[:6]), 0.05, 10.0).where("false")
    quality = judge_order(nothing, model, NAMES.index("fusion"), 10)
    assert quality.impressions == 0
    assert np.isnan(quality.candidate.value)
    assert np.isnan(quality.figures()["ndcg_over_served_low"])


@pytest.mark.spark
def test_workers_without_slots_are_refused_before_they_wait(spark):
    check_slots(spark, 2)
    with pytest.raises(NotReadyError, match="expected 3 free task slots, got 2"):
        check_slots(spark, 3)
