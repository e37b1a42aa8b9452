"""Extension points of `ltrr ope`: an estimator is one declaration, a log format one reader."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.estimation.estimators import DRAW_ESTIMATORS, ESTIMATORS, DecisionEstimator, DrawEstimator, ModelUse
from ltrr.ope.draw_log import DrawLogSettings, estimate_draw_log
from ltrr.ope.draw_rows import DrawColumns
from ltrr.ope.estimates import OpeSettings, estimate_log, estimate_policies
from ltrr.ope.formats import FORMATS, LogFormat, read_foreign_log
from ltrr.ope.log_files import find_log_files
from ltrr.ope.rows import LogColumns

pytestmark = pytest.mark.spark

M = 1.5
HALF_CUT = DecisionEstimator(
    "half_cut", (("clipped_reward", "w"),), "that the weights cut off matter little", cut="clipped"
)
"""sum(min(w, M) r) / sum(w): known terms in a new ratio."""

SECOND_DM = DecisionEstimator("second_dm", (("direct", "w"),), "that q-hat is right", model=ModelUse.ALONE)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for estimator in (HALF_CUT, SECOND_DM):
        monkeypatch.setitem(ESTIMATORS, estimator.name, estimator)


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "logging_propensity": rng.uniform(0.2, 1.0, 400),
        "pi": rng.uniform(0.0, 1.0, 400),
        "reward": rng.poisson(0.5, 400).astype(float),
        "q": rng.uniform(0.0, 1.0, 400),
        "v": rng.uniform(0.0, 1.0, 400),
    }


def frame(spark: SparkSession, columns: dict[str, np.ndarray]) -> DataFrame:
    rows = list(zip(*(values.tolist() for values in columns.values()), strict=True))
    return spark.createDataFrame(rows, ", ".join(f"{name} double" for name in columns))


@pytest.mark.usefixtures("registered")
def test_an_estimator_is_one_declaration(spark: SparkSession, columns: dict[str, np.ndarray]) -> None:
    names = LogColumns("pi", q_taken="q", q_target="v")
    settings = OpeSettings(("half_cut", "second_dm"), largest_weight=M)
    rows = {row["estimator"]: row for row in estimate_log(frame(spark, columns), names, settings).rows}
    w = columns["pi"] / columns["logging_propensity"]
    wanted = (np.minimum(w, M) * columns["reward"]).sum() / w.sum()
    assert rows["half_cut"]["value"] == pytest.approx(wanted, rel=1e-6)
    assert rows["second_dm"]["value"] == pytest.approx(columns["v"].sum() / w.sum(), rel=1e-6)
    # All rules read its needs and assumptions from its declaration.
    assert rows["half_cut"]["share_cut"] == pytest.approx(1.0 - np.minimum(w, M).sum() / w.sum(), rel=1e-4)
    assert rows["half_cut"]["cut_at"] == M
    assert any("rests on the reward model alone" in reason for reason in rows["second_dm"]["reasons"])
    without = estimate_log(frame(spark, columns), LogColumns("pi"))
    assert "second_dm" in without.left_out
    assert "half_cut" in {row["estimator"] for row in without.rows}


@pytest.mark.usefixtures("registered")
def test_it_is_the_same_in_a_scan_of_files(spark: SparkSession, columns: dict[str, np.ndarray], tmp_path) -> None:
    path = str(tmp_path / "log")
    frame(spark, columns).write.parquet(path)
    log, policies = spark.read.parquet(path), [LogColumns("pi")]
    files = find_log_files(log, policies)
    assert files is not None
    settings = OpeSettings(("half_cut",), largest_weight=M)
    assert estimate_policies(log, policies, settings, files) == [estimate_log(log, policies[0], settings)]


def test_an_estimator_of_draws_is_one_declaration(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    sequence_snips = DrawEstimator(
        "sequence_snips",
        (("sequence_weighted", "rho"),),
        "many impressions: its bias falls as 1/n",
        weight="rho",
        rests_on="sequence_weighted",
        needs="propensities of each draw after the draws before it",
    )
    monkeypatch.setitem(DRAW_ESTIMATORS, sequence_snips.name, sequence_snips)
    rows = [([1.0, 0.0], [0.5, 0.5], [0.8, 0.5]), ([0.0, 2.0], [0.5, 0.5], [0.2, 0.9])] * 2
    schema = "rewards array<double>, logging_propensities array<double>, target_propensities array<double>"
    settings = DrawLogSettings(estimators=("sequence_snips",))
    [row] = estimate_draw_log(spark.createDataFrame(rows, schema), DrawColumns(), settings).rows
    weights = np.array([1.6 * 1.0, 0.4 * 1.8])
    assert row["value"] == pytest.approx((weights * [1.0, 2.0]).sum() / weights.sum(), rel=1e-6)
    assert row["largest_weight"] == pytest.approx(1.6)


@pytest.fixture
def tab_separated(monkeypatch: pytest.MonkeyPatch) -> str:
    """A log format of another system: tab-separated, with a click and an inverse propensity."""

    def read(spark: SparkSession, path: str, _: LogColumns) -> DataFrame:
        lines = spark.read.csv(path, sep="\t", header=True, inferSchema=True)
        return lines.withColumn("propensity", 1.0 / F.col("inverse"))

    meaning = LogColumns("", reward="click", logging_propensity="propensity")
    line = LogFormat(read, meaning, "tab-separated text with inverse propensities")
    monkeypatch.setitem(FORMATS, "tsv", line)
    return "tsv"


def test_a_log_format_is_one_reader_and_one_registry_line(spark: SparkSession, tab_separated: str, tmp_path) -> None:
    log = tmp_path / "log.tsv"
    log.write_text("inverse\tclick\tpi\n2.0\t1\t0.8\n2.0\t0\t0.2\n")
    columns = LogColumns("pi", reward="click", logging_propensity="propensity")
    report = estimate_log(read_foreign_log(spark, str(log), tab_separated, columns), columns, OpeSettings(("ips",)))
    assert report.rows[0]["value"] == pytest.approx(0.8)
