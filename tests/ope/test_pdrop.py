"""A log that is a sample of the decisions: each row counts as 1 / (1 - pdrop) of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.errors import DataQualityError
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.ope.estimates import OpeSettings, estimate_log, estimate_policies
from ltrr.ope.log_files import find_log_files
from ltrr.ope.rows import LogColumns

pytestmark = pytest.mark.spark

ACTIONS = 3
LISTED = LogColumns(
    "target", action="action", action_propensities="logged", features=("x",), fold_by="event", pdrop="pdrop"
)


def draw_log(spark: SparkSession, n: int, seed: int) -> DataFrame:
    """Decisions whose action depends on x, with clicks that are more frequent for action 2."""
    rng = np.random.default_rng(seed)
    x, luck = rng.random(n), rng.random(n)
    logged = np.column_stack([0.2 + 0.4 * x, np.full(n, 0.2), 0.6 - 0.4 * x])
    action = (luck[:, None] > logged.cumsum(axis=1)).sum(axis=1).clip(0, ACTIONS - 1)
    reward = (rng.random(n) < 0.05 + 0.15 * action).astype(float)
    drawn = zip(range(n), x, logged, action, reward, rng.random(n), rng.integers(0, n // 4, n), strict=True)
    rows = [
        (f"e{k}", float(one), p.tolist(), int(a), float(p[a]), [0.1, 0.2, 0.7], float(r), float(chance), f"u{user}")
        for k, one, p, a, r, chance, user in drawn
    ]
    names = "event string, x double, logged array<double>, action int, logging_propensity double"
    return spark.createDataFrame(rows, f"{names}, target array<double>, reward double, chance double, user string")


@pytest.mark.parametrize("user", [None, "user"])
def test_a_rate_of_one_half_counts_each_row_twice(spark: SparkSession, user: str | None) -> None:
    log = draw_log(spark, 400, seed=1)
    columns = LogColumns(
        "target", action="action", action_propensities="logged", features=("x",), fold_by="event", user=user
    )
    twice = estimate_log(log.union(log), columns, OpeSettings(largest_weight=1.5))
    halved = LogColumns(**{**columns.__dict__, "pdrop": "pdrop"})
    sampled = estimate_log(log.withColumn("pdrop", F.lit(0.5)), halved, OpeSettings(largest_weight=1.5))
    assert [row["estimator"] for row in sampled.rows] == list(ESTIMATORS)
    for one, other in zip(sampled.rows, twice.rows, strict=True):
        assert one["value"] == pytest.approx(other["value"], abs=1e-6), one["estimator"]
        assert (one["decisions"], one["decisions_before_drop"]) == (400, pytest.approx(800.0))
        for figure in ("mean_weight", "unsupported", "share_cut"):
            assert one[figure] == pytest.approx(other[figure], abs=1e-6)
        if user:  # The users are the same clusters, so the intervals are the same, too.
            assert one["low"] == pytest.approx(other["low"], abs=1e-6)
        assert one["effective_sample_size"] == pytest.approx(other["effective_sample_size"] / 2.0, rel=1e-4)


def test_without_drops_nothing_changes(spark: SparkSession) -> None:
    log = draw_log(spark, 300, seed=2).withColumn("pdrop", F.lit(0.0))
    plain = LogColumns(**{**LISTED.__dict__, "pdrop": None})
    sampled, whole = estimate_log(log, LISTED), estimate_log(log, plain)
    assert repr(sampled.propensities) == repr(whole.propensities)
    for one, other in zip(sampled.rows, whole.rows, strict=True):
        assert {name: value for name, value in one.items() if name != "decisions_before_drop"} == other


@pytest.mark.statistical
def test_drops_that_depend_on_the_reward_are_corrected(spark: SparkSession) -> None:
    log = draw_log(spark, 20_000, seed=3)
    pdrop = F.when(F.col("reward") > 0.0, 0.0).otherwise(0.8)
    kept = log.withColumn("pdrop", pdrop).where("chance >= pdrop")
    truth = 0.05 + 0.15 * (0.2 + 2 * 0.7)
    report = estimate_log(kept, LISTED)
    for row in report.rows:
        if row["estimator"] in ("ips", "snips", "dr", "sndr", "dm"):
            error = (row["high"] - row["low"]) / 3.92
            assert abs(row["value"] - truth) < 5.0 * max(error, 0.002), row["estimator"]
    assert not report.propensities.alarms, "the weighted sums of the check have mean zero"
    ignored = LogColumns(**{**LISTED.__dict__, "pdrop": None})
    biased = estimate_log(kept, ignored, OpeSettings(("ips",)))
    assert biased.rows[0]["value"] > 1.5 * truth
    assert biased.propensities.alarms, "kept rows are no fair draws: clicks decide which are kept"


@pytest.mark.parametrize("user", [None, "user"])
def test_files_give_the_bits_of_spark(spark: SparkSession, tmp_path: Path, user: str | None) -> None:
    rng = np.random.default_rng(4)
    names = ("reward", "logging_propensity", "pi", "q", "v", "pdrop")
    values = {name: rng.uniform(0.1, 0.9, 900) for name in names}
    users = pa.array([f"u{n % 70}" for n in range(900)])
    pq.write_table(pa.table({**values, "user": users}), tmp_path / "log.parquet", row_group_size=200)
    log = spark.read.parquet(str(tmp_path / "log.parquet"))
    columns = LogColumns("pi", q_taken="q", q_target="v", pdrop="pdrop", user=user)
    settings = OpeSettings(largest_weight=2.0)
    files = find_log_files(log, [columns])
    assert files is not None
    fast, slow = (estimate_policies(log, [columns], settings, one) for one in (files, None))
    assert repr(fast) == repr(slow)
    s, w = 1.0 / (1.0 - values["pdrop"]), values["pi"] / values["logging_propensity"]
    assert fast[0].rows[0]["value"] == pytest.approx((s * w * values["reward"]).sum() / s.sum(), rel=1e-6)


def test_an_impossible_rate_is_a_fault(spark: SparkSession) -> None:
    log = draw_log(spark, 50, seed=5).withColumn("pdrop", F.when(F.col("event") == "e7", 1.0).otherwise(0.5))
    with pytest.raises(DataQualityError, match=r"pdrop: expected \[0, 1\), 1 rows, such as 1.0"):
        estimate_log(log, LISTED)
