"""`estimate_log`: equal to numpy, exact, true for known values, with reasons for bad logs."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.errors import ConfigError, DataQualityError, SupportError, UsageError
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE, TRUST
from ltrr.ope.batches import read_batch
from ltrr.ope.estimates import OpeSettings, estimate_log
from ltrr.ope.reward_model import find_log_shape, fit_fold_models
from ltrr.ope.rows import LogColumns, to_decision_rows

pytestmark = pytest.mark.spark

ACTIONS, M = 4, 3.0
COLUMNS = LogColumns(
    "target", action="action", features=("x", "device"), fold_by="event", user="user", slices=("device",)
)


def world(n: int = 3_000, seed: int = 1) -> tuple[dict[str, np.ndarray], float]:
    """Columns of a log, and the true value of the judged policy."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    logging = 0.05 + 0.8 * rng.dirichlet(np.ones(ACTIONS), n)
    target = rng.dirichlet(np.full(ACTIONS, 3.0), n)
    worth = 1.0 / (1.0 + np.exp(1.0 - x[:, None] - np.array([0.0, 1.0, -1.0, 0.5])))
    action = (rng.random(n)[:, None] > logging.cumsum(axis=1)).sum(axis=1).clip(0, ACTIONS - 1)
    rows = np.arange(n)
    columns = {
        "event": np.array([f"e{seed}-{row}" for row in rows]),
        "user": rng.integers(0, max(n // 5, 2), n),
        "device": np.where(rng.random(n) < 0.4, "phone", "desk"),
        "x": x,
        "action": action,
        "logging_propensity": logging[rows, action],
        "target": target,
        "reward": (rng.random(n) < worth[rows, action]).astype(float),
    }
    return columns, float((target * worth).sum(axis=1).mean())


def frame(spark: SparkSession, columns: dict[str, np.ndarray]) -> DataFrame:
    schema = (
        "event string, user bigint, device string, x double, action int, logging_propensity double, "
        "target array<double>, reward double"
    )
    return spark.createDataFrame(list(zip(*(values.tolist() for values in columns.values()), strict=True)), schema)


@pytest.fixture(scope="module")
def columns() -> dict[str, np.ndarray]:
    return world()[0]


@pytest.fixture
def log(spark, columns) -> DataFrame:
    return frame(spark, columns)


def test_values_equal_plain_numpy_in_every_slice(log, columns) -> None:
    report = estimate_log(log, COLUMNS, OpeSettings(("ips", "snips", "clipped_ips"), largest_weight=M))
    assert {row["slice"] for row in report.rows} == {"all", "device=phone", "device=desk"}
    assert report.rows[0]["slice"] == "all"
    values = {(row["slice"], row["estimator"]): row for row in report.rows}
    for name, mine in (("all", np.full(3_000, True)), ("device=phone", columns["device"] == "phone")):
        rows = np.arange(mine.sum())
        w = columns["target"][mine][rows, columns["action"][mine]] / columns["logging_propensity"][mine]
        r = columns["reward"][mine]
        assert values[name, "ips"]["value"] == pytest.approx(np.mean(w * r), rel=1e-6)
        assert values[name, "snips"]["value"] == pytest.approx(np.sum(w * r) / np.sum(w), rel=1e-6)
        assert values[name, "clipped_ips"]["value"] == pytest.approx(np.mean(np.minimum(w, M) * r), rel=1e-6)
        by_user = np.zeros(columns["user"].max() + 1)
        np.add.at(by_user, columns["user"][mine], w * r)
        assert values[name, "ips"]["evidence"] == pytest.approx(by_user.sum() ** 2 / (by_user**2).sum(), rel=1e-6)
        assert values[name, "ips"]["decisions"] == mine.sum()
        assert values[name, "ips"]["users"] == len(np.unique(columns["user"][mine]))


@pytest.mark.long
def test_any_layout_gives_the_same_bits(log) -> None:
    layouts = [log.repartition(7, "event"), log.orderBy("reward", "x").coalesce(1)]
    for chosen in (COLUMNS, LogColumns("target", action="action", features=("x",), fold_by="event")):
        one, other = (estimate_log(layout, chosen) for layout in layouts)
        assert one == other
        assert {row["estimator"] for row in one.rows} == set(ESTIMATORS)


def test_no_row_is_predicted_by_a_model_trained_on_it(log) -> None:
    def models(rewards_of_fold_0):
        changed = to_decision_rows(log, COLUMNS, folds=3)
        reward = F.when(F.col("fold") == 0, F.lit(rewards_of_fold_0)).otherwise(F.col("reward"))
        changed = changed.withColumn("reward", reward.cast("double"))
        return fit_fold_models(changed, find_log_shape(changed), folds=3, ridge=1.0).coefficients

    nothing, everything = models(0.0), models(1.0)
    np.testing.assert_array_equal(nothing[0], everything[0])
    assert (nothing[1:] != everything[1:]).any(axis=1).all()


def test_rewards_beyond_one_get_a_linear_model_that_equals_least_squares(spark, columns) -> None:
    log = frame(spark, columns | {"reward": 3.0 * columns["x"] + columns["action"]})
    chosen = LogColumns("target", action="action", features=("x",), fold_by="event")
    decisions = to_decision_rows(log, chosen, folds=2)
    models = fit_fold_models(decisions, find_log_shape(decisions), folds=2, ridge=1e-6)
    assert not models.is_logistic
    rows = read_batch(decisions.toArrow().combine_chunks().to_batches()[0])
    wanted = 3.0 * rows.features[:, :1] + np.arange(ACTIONS)
    np.testing.assert_allclose(models.predict(rows), wanted, atol=1e-4)


@pytest.mark.statistical
def test_the_truth_is_recovered_and_a_model_narrows(spark) -> None:
    columns, truth = world(20_000, seed=3)
    report = estimate_log(frame(spark, columns), COLUMNS)
    rows = {row["estimator"]: row for row in report.rows if row["slice"] == "all"}
    for name in ("ips", "snips", "dr", "sndr"):
        error = (rows[name]["high"] - rows[name]["low"]) / 3.92
        # Four figures at 5.5 standard errors: a false alarm with a probability below 2e-7.
        assert abs(rows[name]["value"] - truth) < 5.5 * error, name
    assert rows["dr"]["high"] - rows["dr"]["low"] < rows["ips"]["high"] - rows["ips"]["low"]
    assert rows["dr"]["verdict"] == TRUST
    assert rows["dm"]["verdict"] == TAKE_CARE
    assert "reward model alone" in rows["dm"]["reasons"][0]


def test_json_text_and_numbers_as_text_give_the_same_result(log) -> None:
    text = log.withColumn("target", F.to_json("target")).withColumn("reward", F.col("reward").cast("string"))
    settings = OpeSettings(("ips", "snips"))
    assert estimate_log(text, COLUMNS, settings) == estimate_log(log, COLUMNS, settings)


def test_one_probability_per_row_allows_estimators_without_a_model(log) -> None:
    single = log.withColumn("target", F.expr("target[action]"))
    report = estimate_log(single, COLUMNS)
    assert {row["estimator"] for row in report.rows} == {"ips", "snips", "clipped_ips", "clipped_snips", "sg"}
    assert set(report.left_out) == {"dm", "dr", "sndr", "switch_dr", "dros"}
    assert report.rows[0]["value"] == estimate_log(log, COLUMNS).rows[0]["value"]


@pytest.mark.parametrize(
    ("change", "log_columns", "reason"),
    [
        ({"target": "target[action]"}, COLUMNS, "probability of every action"),
        ({}, LogColumns("target", fold_by="event"), "action taken"),
        ({}, LogColumns("target", action="action"), "belong together"),
        ({"event": "nullif(event, 'e1-7')"}, COLUMNS, "1 rows have no value"),
        ({"target": "if(action = 0, array(1D), target)"}, COLUMNS, "1 to 4 actions"),
    ],
)
def test_unsupported_use_gives_the_reason(log, change, log_columns, reason) -> None:
    changed = log.withColumns({name: F.expr(text) for name, text in change.items()})
    with pytest.raises(SupportError, match=reason):
        estimate_log(changed, log_columns, OpeSettings(estimators=("dr",)))


def test_bad_values_are_reported_all_at_once(log) -> None:
    bad = log.withColumns(
        {
            "logging_propensity": F.expr("if(event = 'e1-3', 0D, logging_propensity)"),
            "reward": F.expr("if(event in ('e1-4', 'e1-5'), double('NaN'), reward)"),
            "target": F.expr("if(event = 'e1-6', array(0.5D, 0.1D, 0D, 0D), target)"),
            "user": F.expr("if(event = 'e1-8', null, user)"),
        }
    )
    with pytest.raises(DataQualityError) as fault:
        estimate_log(bad, COLUMNS)
    said = str(fault.value)
    assert "reward: expected a number, 2 rows, such as nan" in said
    assert "logging_propensity: expected (0, 1], 1 rows, such as 0.0" in said
    assert "add up to 1, 1 rows, such as 0.6" in said
    assert "user: expected a value, 1 rows" in said


def test_missing_columns_are_reported_all_at_once(log) -> None:
    with pytest.raises(
        UsageError, match=r"target_propensity: there is no pi; reward: there is no click; .*columns of the log"
    ):
        estimate_log(log, LogColumns("pi", reward="click"))
    with pytest.raises(UsageError, match="reward: target is array"):
        estimate_log(log, LogColumns("x", reward="target"))


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="unknown estimator"):
        OpeSettings(estimators=("magic",))
    with pytest.raises(ConfigError, match="largest_weight"):
        OpeSettings(largest_weight=1.0)


def test_an_empty_log_and_too_many_slices(log) -> None:
    with pytest.raises(DataQualityError, match="no decision"):
        estimate_log(log.where("false"), LogColumns("x"))
    with pytest.raises(DataQualityError, match="at most 1,000 values"):
        estimate_log(log, LogColumns("target", action="action", slices=("event",)))


def test_unsupported_actions_are_a_reason(log) -> None:
    logged = F.expr("transform(target, (p, i) -> if(i = pmod(action + 1, 4), 0D, 1D / 3))")
    changed = log.withColumn("logged", logged).withColumn("logging_propensity", F.lit(1.0 / 3.0))
    report = estimate_log(
        changed,
        LogColumns("target", action="action", action_propensities="logged"),
        OpeSettings(estimators=("ips",)),
    )
    [row] = report.rows
    assert row["unsupported"] == pytest.approx(0.25, abs=0.03)
    assert row["verdict"] == DO_NOT_USE
    assert any("cannot be seen in this log" in reason for reason in row["reasons"])
    with pytest.raises(DataQualityError, match=r"logging_propensity of the one taken, 3,000 rows"):
        estimate_log(
            changed.withColumn("logged", F.expr("transform(logged, p -> p / 2)")),
            LogColumns("target", action="action", action_propensities="logged"),
        )


def test_one_decision_with_much_weight_is_a_reason(spark, columns) -> None:
    heavy = columns | {"logging_propensity": np.where(np.arange(3_000) == 9, 1e-5, columns["logging_propensity"])}
    rows = estimate_log(frame(spark, heavy), COLUMNS, OpeSettings(("ips", "clipped_ips"))).rows
    whole, cut = (next(row for row in rows if row["estimator"] == name) for name in ("ips", "clipped_ips"))
    assert whole["largest_share"] > 0.9
    assert any("one decision carries" in reason for reason in whole["reasons"])
    assert cut["verdict"] == DO_NOT_USE
    assert any("of all weight is cut off" in reason for reason in cut["reasons"])


def listed(columns: dict[str, np.ndarray], true: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """A log with actions drawn by `true`, [N, A], and propensities of a uniform policy."""
    luck = np.random.default_rng(seed).random(len(true))
    action = (luck[:, None] > true.cumsum(axis=1)).sum(axis=1).clip(0, ACTIONS - 1)
    return columns | {"action": action, "logging_propensity": np.full(len(true), 1.0 / ACTIONS)}


@pytest.mark.parametrize("user", [None, "user"])
def test_wrong_propensities_are_a_reason_not_to_use_any_estimate(spark, columns, user) -> None:
    even, uneven = np.full((3_000, ACTIONS), 0.25), np.tile([0.4, 0.1, 0.25, 0.25], (3_000, 1))
    listed_columns = LogColumns("target", action="action", action_propensities="logged", user=user)
    reports = [
        estimate_log(
            frame(spark, listed(columns, true, seed=8)).withColumn(
                "logged", F.expr("array(0.25D, 0.25D, 0.25D, 0.25D)")
            ),
            listed_columns,
            OpeSettings(("snips",)),
        )
        for true in (even, uneven)
    ]
    correct, wrong = (report.propensities for report in reports)
    assert not correct.alarms
    assert "no sign that they are wrong" in correct.to_sentence()
    assert 0.0 < correct.find_detection_limits()["rows_at_half"] < 0.2
    assert reports[0].rows[0]["verdict"] == TRUST
    assert wrong.is_grave
    assert any(alarm.startswith("action 0 was drawn 1,") and "say 750" in alarm for alarm in wrong.alarms)
    assert reports[1].rows[0]["verdict"] == DO_NOT_USE
    assert any(reason.startswith("wrong propensities: action") for reason in reports[1].rows[0]["reasons"])
    assert wrong.to_json()["sums"][0]["observed"] == pytest.approx(1_200, abs=150)


def test_an_m_chosen_by_slope_is_a_reason_and_equals_its_own_run(log) -> None:
    names = ("snips", "clipped_ips")
    chosen = {row["estimator"]: row for row in estimate_log(log, COLUMNS, OpeSettings(names, None)).rows[:2]}
    limit = chosen["clipped_ips"]["cut_at"]
    fixed = {row["estimator"]: row for row in estimate_log(log, COLUMNS, OpeSettings(names, limit)).rows[:2]}
    assert chosen["clipped_ips"]["value"] == fixed["clipped_ips"]["value"]
    assert chosen["clipped_ips"]["verdict"] != TRUST
    assert any(f"M = {limit:g} was chosen by SLOPE" in reason for reason in chosen["clipped_ips"]["reasons"])
    assert chosen["snips"] == fixed["snips"]
    assert chosen["snips"]["cut_at"] is None


def test_bootstrap_intervals_are_about_as_wide_and_the_same_bits_in_any_layout(spark: SparkSession) -> None:
    log = frame(spark, world(4_000, seed=8)[0]).withColumn("target", F.element_at("target", F.col("action") + 1))
    columns = LogColumns("target", user="user", slices=("device",))
    settings = OpeSettings(estimators=("ips", "snips"), replicates=200)
    report = estimate_log(log.repartition(3), columns, settings)
    assert repr(report) == repr(estimate_log(log.repartition(2, "device").sort("x"), columns, settings))
    assert len(report.rows) == 6
    for row in report.rows:
        width = (row["bootstrap_high"] - row["bootstrap_low"]) / (row["high"] - row["low"])
        assert 0.7 < width < 1.3, row
        assert row["bootstrap_low"] < row["value"] < row["bootstrap_high"]


def test_a_bootstrap_without_users_is_refused(spark: SparkSession, log: DataFrame) -> None:
    with pytest.raises(UsageError, match="the bootstrap needs users"):
        estimate_log(log, LogColumns("reward"), OpeSettings(estimators=("snips",), replicates=200))
    with pytest.raises(ConfigError, match="replicates"):
        OpeSettings(largest_weight=None, replicates=200)
