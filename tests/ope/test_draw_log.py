"""`estimate_draw_log`: equal to the estimators on arrays, exact, with reasons."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from ltrr.errors import DataQualityError, SupportError, UsageError
from ltrr.estimation.draw_moments import DrawMoments
from ltrr.estimation.draw_orders import DrawWeights, step_lattice
from ltrr.estimation.draw_terms import Draws
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE, TRUST
from ltrr.ope.draw_log import DrawLogSettings, estimate_draw_log
from ltrr.ope.draw_rows import DrawColumns

pytestmark = pytest.mark.spark

STRATEGIES, BUDGET, N = 3, 3, 1_200
COLUMNS = DrawColumns(
    logging_stop="logging_stop",
    target_stop="target_stop",
    taken="taken",
    direct="direct",
    step_taken="step_taken",
    step_values="step_values",
    included="included",
    union_size="union_size",
    user="user",
)
SCHEMA = (
    "rewards array<double>, logging_propensities array<double>, target_propensities array<double>, "
    "logging_stop double, target_stop double, taken double, direct double, step_taken array<double>, "
    "step_values array<double>, included double, union_size int, user string"
)


def policy(seed: int):
    table = np.random.default_rng(seed).dirichlet(np.full(STRATEGIES + 1, 2.0), (BUDGET + 1,) * STRATEGIES)
    return lambda depths: table[tuple(depths.T)][:, :STRATEGIES]


@pytest.fixture(scope="module")
def world() -> tuple[Draws, np.ndarray, list[tuple]]:
    """Draws as arrays and as rows, with users; some impressions stop early or have no draw."""
    rng = np.random.default_rng(1)
    logging, target = policy(2), policy(3)
    drawn, depths = np.full((N, BUDGET), -1), np.zeros((N, STRATEGIES), dtype=int)
    for step in range(BUDGET):
        chosen = (rng.random(N)[:, None] > logging(depths).cumsum(axis=1)).sum(axis=1)
        goes_on = (chosen < STRATEGIES) & ((drawn[:, step - 1] >= 0) | (step == 0))
        drawn[goes_on, step] = chosen[goes_on]
        depths[goes_on, chosen[goes_on]] += 1
    counts = (drawn >= 0).sum(axis=1)
    is_made = drawn >= 0
    sides = [step_lattice(side, drawn, STRATEGIES) for side in (logging, target)]
    stops = [np.where(counts < BUDGET, 1.0 - side(depths).sum(axis=1), 1.0) for side in (logging, target)]
    is_decided = np.arange(BUDGET) <= counts[:, None]
    rewards = np.where(is_made, rng.poisson(0.5, drawn.shape), 0.0)
    taken, direct, included = (rng.uniform(0, 2, N) for _ in range(3))
    step_taken = np.where(is_made, rng.uniform(0, 1, drawn.shape), 0.0)
    step_values = np.where(is_decided, rng.uniform(0, 1, drawn.shape), 0.0)
    users = rng.integers(0, 300, N)
    weights = DrawWeights.of(*sides, counts, logging_stop=stops[0], target_stop=stops[1])
    draws = Draws(weights, rewards, taken, direct, step_taken, step_values, included)
    rows = [
        (
            rewards[n, :made].tolist(),
            sides[0][n, : 1 << made, :made].ravel().tolist(),
            sides[1][n, : 1 << made, :made].ravel().tolist(),
            float(stops[0][n]),
            float(stops[1][n]),
            float(taken[n]),
            float(direct[n]),
            step_taken[n, :made].tolist(),
            step_values[n, : min(made + 1, BUDGET)].tolist(),
            float(included[n]),
            int(made),
            f"u{users[n]}",
        )
        for n, made in enumerate(counts.tolist())
    ]
    assert len(set(counts.tolist())) == BUDGET + 1
    return draws, users, rows


def frame(spark: SparkSession, rows: list[tuple], partitions: int = 3) -> DataFrame:
    return spark.createDataFrame(rows, SCHEMA).repartition(partitions)


FOUND = DrawLogSettings(reward="found_reward", page_size=BUDGET)


def test_equal_to_the_estimators_on_arrays(spark: SparkSession, world) -> None:
    draws, users, rows = world
    report = estimate_draw_log(frame(spark, rows), COLUMNS, FOUND)
    moments = DrawMoments.of(draws, users)
    assert [row["estimator"] for row in report.rows] == moments.allowed
    for row in report.rows:
        name, estimate = row["estimator"], moments.estimate(row["estimator"])
        assert row["value"] == estimate.value, name
        assert (row["low"], row["high"]) == (estimate.low(0.975), estimate.high(0.975)), name
        assert row["evidence"] == moments.evidence(name)
        assert row["users"] == len(np.unique(users))
        assert row["impressions"] == N
        if not isnan(moments.largest_weight(name)):
            assert row["largest_weight"] == moments.largest_weight(name)
            assert row["mean_weight"] == pytest.approx(1.0, abs=0.25)
    assert set(report.left_out) == {"inclusion_dr", "placement", "placement_dr", "iips", "pi"}
    assert "independently of each other" in report.left_out["pi"]


def test_verdicts_on_entity_weights_are_at_best_take_care(spark: SparkSession, world) -> None:
    _, _, rows = world
    report = estimate_draw_log(frame(spark, rows), COLUMNS, FOUND)
    by_name = {row["estimator"]: row for row in report.rows}
    assert by_name["union"]["verdict"] == TRUST
    assert by_name["inclusion"]["verdict"] == TAKE_CARE
    assert "R does not show it" in by_name["inclusion"]["reasons"][-1]


def test_evidence_of_entities_is_that_of_the_design(spark: SparkSession, world) -> None:
    _, _, rows = world
    log = frame(spark, rows).selectExpr("*", "1.0d mass", "250.0d squares")
    columns = DrawColumns(
        included="included", included_mass="mass", included_squares="squares", union_size="union_size"
    )
    report = estimate_draw_log(log, columns, FOUND)
    (row,) = [row for row in report.rows if row["estimator"] == "inclusion"]
    assert row["effective_sample_size"] == row["evidence"] == N / 250.0
    assert row["verdict"] == DO_NOT_USE


def test_any_layout_gives_the_same_bits(spark: SparkSession, world) -> None:
    _, _, rows = world
    mixed = [rows[n] for n in np.random.default_rng(4).permutation(N)]
    reports = [
        estimate_draw_log(frame(spark, some, parts), COLUMNS, FOUND).rows for some, parts in ((rows, 1), (mixed, 5))
    ]
    assert repr(reports[0]) == repr(reports[1])


def test_a_log_without_propensities_in_every_state_has_no_weight_of_the_set(spark: SparkSession, world) -> None:
    draws, _, rows = world
    paths = []
    for row in rows:
        made = len(row[0])
        path = [((1 << t) - 1) * made + t for t in range(made)]
        paths.append((row[0], [row[1][place] for place in path], [row[2][place] for place in path], *row[3:]))
    columns = DrawColumns(logging_stop="logging_stop", target_stop="target_stop")
    report = estimate_draw_log(frame(spark, paths), columns)
    own = Draws(DrawWeights(draws.weights.running, draws.weights.sequence, None), draws.rewards)
    assert [row["estimator"] for row in report.rows] == ["sequence_ips"]
    assert report.rows[0]["value"] == DrawMoments.of(own).estimate("sequence_ips").value
    assert report.left_out["pdis"] == "it is right on found_reward alone"
    with pytest.raises(SupportError, match="every state"):
        estimate_draw_log(frame(spark, paths), columns, DrawLogSettings(estimators=("union",)))


def test_found_reward_is_refused_if_the_union_exceeds_the_page_or_is_unknown(spark: SparkSession, world) -> None:
    _, _, rows = world
    with pytest.raises(SupportError, match="not shown"):
        estimate_draw_log(frame(spark, rows), COLUMNS, DrawLogSettings("found_reward", page_size=BUDGET - 1))
    with pytest.raises(SupportError, match="whole unions were shown"):
        estimate_draw_log(frame(spark, rows), DrawColumns(), FOUND)


def test_uncorrected_rewards_declared_as_found_reward_are_detected(spark: SparkSession) -> None:
    # The first draw's entity is clicked only if strategy 0 is not drawn after it; the target draws
    # 0 more often.
    rng = np.random.default_rng(5)
    drawn = rng.integers(0, 2, (4_000, 2))
    rewards = np.column_stack([(drawn[:, 1] == 1) * 1.0, np.full(4_000, 0.5)])
    target = step_lattice(lambda depths: np.tile([0.8, 0.2], (len(depths), 1)), drawn, 2)
    logging = step_lattice(lambda depths: np.full((len(depths), 2), 0.5), drawn, 2)
    texts = []
    for by_draw in (rewards, np.column_stack([np.full(4_000, 0.5), rewards[:, 0]])):
        rows = [
            (r.tolist(), lo.ravel().tolist(), t.ravel().tolist(), 2)
            for r, lo, t in zip(by_draw, logging, target, strict=True)
        ]
        schema = (
            "rewards array<double>, logging_propensities array<double>, target_propensities array<double>, size int"
        )
        log = spark.createDataFrame(rows, schema)
        report = estimate_draw_log(log, DrawColumns(union_size="size"), DrawLogSettings("found_reward", 2))
        texts.append(report.agreement)
    assert texts[0].startswith("pdis and union disagree")
    assert texts[1].startswith("pdis and union agree")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, [float("nan")], "rewards: expected an array"),
        (0, None, "rewards: expected an array"),
        (1, [0.5, 0.5, 0.5], "one of each draw, or of each draw in every state"),
        (1, [0.0], "above 0 for a draw that was made"),
        (1, [1.5], r"logging_propensities: expected \[0, 1\]"),
        (2, [0.5, 0.5], "as many as logging_propensities"),
        (2, [None], r"target_propensities: expected \[0, 1\]"),
        (3, 0.0, r"logging_stop: expected \(0, 1\]"),
        (4, 1.1, r"target_stop: expected \[0, 1\]"),
        (5, None, "taken: expected a number"),
        (8, [0.1, 0.2, 0.3], "step_values: expected a number of each draw"),
        (11, None, "user: expected a value"),
    ],
)
def test_impossible_values_are_reported(spark: SparkSession, place: int, value, reason: str) -> None:
    good = ([1.0], [0.5], [0.4], 0.5, 0.5, 0.1, 0.1, [0.1], [0.1], 0.1, 1, "u")
    bad = (*good[:place], value, *good[place + 1 :])
    with pytest.raises(DataQualityError, match=reason):
        estimate_draw_log(frame(spark, [good, bad], 1), COLUMNS)


def test_rows_in_two_forms_are_refused(spark: SparkSession) -> None:
    path = ([1.0], [0.5], [0.4], 0.5, 0.5, 0.1, 0.1, [0.1], [0.1], 0.1, 1, "u")
    states = (path[0], [0.5, 0.0], [0.4, 0.0], *path[3:])
    with pytest.raises(DataQualityError, match="two forms"):
        estimate_draw_log(frame(spark, [path, states], 1), COLUMNS)


def test_a_model_alone_has_no_evidence(spark: SparkSession, world) -> None:
    _, _, rows = world
    columns = DrawColumns(included_dr="included", taken="taken", direct="direct", union_size="union_size")
    report = estimate_draw_log(frame(spark, rows), columns, FOUND)
    (row,) = [row for row in report.rows if row["estimator"] == "inclusion_dr"]
    assert isnan(row["evidence"])
    assert row["verdict"] == DO_NOT_USE


SLOTS = "rewards array<double>, logging_propensities array<double>, target_propensities array<double>, joint double"


def slot_rows(n: int = 400) -> tuple[list[tuple], np.ndarray, np.ndarray, np.ndarray]:
    """Two independent slots with three entities: rows, and weights and rewards, [N, 2]."""
    rng = np.random.default_rng(9)
    logging, target = rng.dirichlet(np.full(3, 3.0), 2), rng.dirichlet(np.full(3, 3.0), 2)
    slots = np.column_stack([rng.choice(3, n, p=logging[t]) for t in range(2)])
    drawn, judged = logging[np.arange(2), slots], target[np.arange(2), slots]
    rewards = rng.poisson(0.5, slots.shape).astype(float)
    rows = [
        (r.tolist(), lo.tolist(), t.tolist(), float(lo.prod())) for r, lo, t in zip(rewards, drawn, judged, strict=True)
    ]
    return rows, judged / drawn, rewards, drawn.prod(axis=1)


def test_slots_filled_independently_are_judged_by_their_marginals(spark: SparkSession) -> None:
    rows, weights, rewards, _ = slot_rows()
    report = estimate_draw_log(spark.createDataFrame(rows, SLOTS), DrawColumns(joint="joint"))
    by_name = {row["estimator"]: row for row in report.rows}
    assert set(by_name) == {"iips", "pi"}
    assert by_name["iips"]["value"] == pytest.approx((weights * rewards).sum(axis=1).mean(), rel=1e-6)
    additive = 1.0 + (weights - 1.0).sum(axis=1)
    assert by_name["pi"]["value"] == pytest.approx((additive * rewards.sum(axis=1)).mean(), rel=1e-6)
    assert by_name["pi"]["largest_weight"] == pytest.approx(additive.max(), rel=1e-6)
    assert by_name["iips"]["verdict"] != TRUST
    assert "every state" in report.left_out["union"]
    assert "after the draws before it" in report.left_out["sequence_ips"]


def test_slots_that_depend_on_each_other_or_are_not_known_are_refused(spark: SparkSession) -> None:
    rows, *_ = slot_rows(20)
    log = spark.createDataFrame(rows, SLOTS)
    with pytest.raises(SupportError, match=r"independently of each other, with .*column joint"):
        estimate_draw_log(log, DrawColumns(), DrawLogSettings(estimators=("pi",)))
    dependent = spark.createDataFrame([*rows[:19], (*rows[19][:3], 1.01 * rows[19][3])], SLOTS)
    with pytest.raises(SupportError, match="got 1 of 20 impressions with another value"):
        estimate_draw_log(dependent, DrawColumns(joint="joint"))
    with pytest.raises(UsageError, match="target_stop: expected either joint"):
        DrawColumns(joint="joint", target_stop="stop")
    with pytest.raises(DataQualityError, match=r"joint: expected \(0, 1\]"):
        estimate_draw_log(spark.createDataFrame([(*rows[0][:3], 0.0)], SLOTS), DrawColumns(joint="joint"))


def test_other_mistakes(spark: SparkSession, world) -> None:
    _, _, rows = world
    good = frame(spark, rows[:5], 1)
    with pytest.raises(UsageError, match="there is no nothing"):
        estimate_draw_log(good, DrawColumns(rewards="nothing"))
    with pytest.raises(UsageError, match="taken: user is string"):
        estimate_draw_log(good, DrawColumns(taken="user"))
    with pytest.raises(UsageError, match="reward"):
        DrawLogSettings(reward="clicks")
    with pytest.raises(UsageError, match="estimators"):
        DrawLogSettings(estimators=("best",))
    with pytest.raises(DataQualityError, match="no impression"):
        estimate_draw_log(good.where("false"), COLUMNS)
    tiny = ([1.0] * 3, [1e-9] * 3, [1.0] * 3, 1.0, 1.0, 0.1, 0.1, [0.1] * 3, [0.1] * 3, 0.1, 3, "u")
    with pytest.raises(DataQualityError, match="too large"):
        estimate_draw_log(frame(spark, [tiny], 1), COLUMNS)
    few = estimate_draw_log(good, COLUMNS)
    assert {row["verdict"] for row in few.rows} == {DO_NOT_USE}
