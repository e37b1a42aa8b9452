"""Scoring equals a second computation, is exact for any partitions, and recovers known values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltrr.core.planning import History, plan_values
from ltrr.core.queries import query_key
from ltrr.errors import UsageError
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.estimation.intervals import estimate_difference, estimate_ratio
from ltrr.evaluation.estimates import estimate_rows
from ltrr.evaluation.judged_impressions import is_held_out, judged_impressions
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.query_means import QueryMeans
from ltrr.evaluation.reward_model import fit_reward_model
from ltrr.evaluation.scoring import ALL, N, sum_by_slice, to_scores
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.evaluation.static_plan import choose_static_plan, estimate_static_values
from ltrr.evaluation.training_sums import sum_training_decisions
from tests.evaluation.logged_world import (
    DAY,
    SPACE,
    decision_rows,
    planner,
    searches,
    slate_rows,
    uniform_policy,
)

pytestmark = pytest.mark.spark
HELD_OUT = 50
NAMES = ("challenger", "uniform")


@pytest.fixture(scope="module")
def made():
    return searches(4_000, users=400, seed=1)


@pytest.fixture
def impressions(spark, made):
    return judged_impressions(decision_rows(spark, made), slate_rows(spark, made), [uniform_policy().version]).cache()


@pytest.fixture
def means(impressions):
    return QueryMeans.of(impressions.where(~is_held_out(HELD_OUT)), strength=2.0)


@pytest.fixture
def learned_from(impressions, means):
    return means.with_query_mean(impressions.where(~is_held_out(HELD_OUT)), is_counted=True)


@pytest.fixture
def held(impressions, means):
    return means.with_query_mean(impressions.where(is_held_out(HELD_OUT)), is_counted=False)


@pytest.fixture
def training(learned_from):
    return sum_training_decisions(learned_from, SPACE)


def test_one_scan_equals_plain_numpy_and_covers_the_truth(held, training, made) -> None:
    model = fit_reward_model(SPACE, training.products.tolist(), ridge=10.0)
    policies = [planner("challenger"), JudgedPolicy("uniform", "uniform", SPACE)]
    sums = sum_by_slice(to_scores(held, policies, model), NAMES)

    judged = {row["impression_id"]: row["query_mean"] for row in held.select("impression_id", "query_mean").collect()}
    history, plans = History.prior(SPACE), len(SPACE)
    dr, ips, weights, truth = [], [], [], []
    for search in (one for one in made if one.impression_id in judged):
        shared = np.array(search.choice.decision["shared"])
        values = plan_values(SPACE, search.looks, history)
        context = model.context @ np.concatenate(([1.0, judged[search.impression_id], values.max()], shared))
        expected = context + np.column_stack((values, SPACE.draws)) @ model.plan
        target = policies[0].chooser.distribution(query_key(search.query_text), shared, values).dense()
        weight = target[search.choice.plan_index] * plans
        residual = search.reward - expected[search.choice.plan_index]
        dr.append((target @ expected + weight * residual, expected.mean() + residual))
        ips.append(weight * search.reward)
        weights.append(weight)
        truth.append((target @ search.worth, search.worth.mean()))

    whole = sums[ALL]
    assert whole.total(N) == len(judged) == sum(sums[name].total(N) for name in sums if name != ALL)
    assert estimate_ratio(whole, "challenger_wr", N).value == pytest.approx(np.mean(ips), rel=1e-6)
    assert estimate_ratio(whole, "challenger_wr", "challenger_w").value == pytest.approx(
        np.sum(ips) / np.sum(weights), rel=1e-6
    )
    assert estimate_ratio(whole, "challenger_dr", N).value == pytest.approx(np.mean(dr, axis=0)[0], rel=1e-6)
    gain = estimate_difference(whole, ("challenger_dr", N), ("uniform_dr", N))
    assert gain.value == pytest.approx(np.mean(dr, axis=0)[0] - np.mean(dr, axis=0)[1], rel=1e-5)
    true_gain = np.mean(truth, axis=0)[0] - np.mean(truth, axis=0)[1]
    assert gain.low(0.999) < true_gain < gain.high(0.999)
    assert gain.low(0.999) > 0.0
    unmodelled = estimate_difference(whole, ("challenger_wr", N), ("uniform_wr", N))
    assert gain.standard_error < 0.75 * unmodelled.standard_error


def test_an_estimator_of_the_night_is_one_declaration(held, training, monkeypatch) -> None:
    monkeypatch.setitem(ESTIMATORS, "sndr", replace(ESTIMATORS["sndr"], is_nightly=True))
    model = fit_reward_model(SPACE, training.products.tolist(), ridge=10.0)
    policy = planner("challenger")
    sums = sum_by_slice(to_scores(held, [policy], model), ["challenger"])
    rows = estimate_rows(DAY, {ALL: sums[ALL]}, [policy], 0.0, EvaluationSettings())
    values = {row["estimator"]: row["value"] for row in rows}
    assert list(values) == ["ips", "snips", "dr", "sndr"]
    n, w, direct, residual = (
        sums[ALL].total(name) for name in (N, *(f"challenger_{t}" for t in ("w", "direct", "residual")))
    )
    assert values["sndr"] == pytest.approx(direct / n + residual / w, rel=1e-6)
    assert values["dr"] == pytest.approx((direct + residual) / n, rel=1e-6)
    with pytest.raises(UsageError, match="nightly report cuts weights"):
        replace(ESTIMATORS["sg"], is_nightly=True)


def test_any_layout_gives_the_same_bits(held, learned_from, training) -> None:
    model = fit_reward_model(SPACE, training.products.tolist(), ridge=10.0)
    policies = [planner("challenger"), JudgedPolicy("uniform", "uniform", SPACE)]
    layouts = [held.repartition(5, "impression_id"), held.orderBy("query_class").coalesce(1)]
    one, other = (sum_by_slice(to_scores(layout, policies, model), NAMES) for layout in layouts)
    assert one == other
    learned = sum_training_decisions(learned_from.repartition(5, "user_key"), SPACE)
    assert learned.to_json() == training.to_json()


def test_best_static_plan_is_the_true_one(training, made) -> None:
    model = fit_reward_model(SPACE, training.products.tolist(), ridge=10.0)
    true_values = np.mean([search.worth for search in made], axis=0)
    best = choose_static_plan(training, model)
    assert true_values[best] == pytest.approx(true_values.max(), abs=1e-9)
    np.testing.assert_allclose(estimate_static_values(training, model), true_values, atol=0.1)


def test_without_impressions_there_are_no_sums(spark, made) -> None:
    none = judged_impressions(decision_rows(spark, made[:3]), slate_rows(spark, made[:3]), ["another version"])
    assert (
        sum_training_decisions(QueryMeans.of(none, strength=2.0).with_query_mean(none, is_counted=True), SPACE) is None
    )
