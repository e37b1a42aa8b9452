"""Replay of a night's decisions: correct logs pass, one wrong propensity in 100 is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import publish_bundle, uniform_bundle
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.features import action_matrix
from ltrr.core.vw_text import decision_example
from ltrr.errors import DataQualityError
from ltrr.evaluation.published import has_same_plans, read_planning_parts
from ltrr.evaluation.replay_check import replay_sample
from ltrr.serving.policy import Policy
from tests.evaluation.logged_world import DAY, SETTINGS, decision_rows, impression_rows, searches

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def made():
    return searches(600, users=50, seed=2)


@pytest.fixture
def parts(home, made):
    version = publish_bundle(home, "search", *uniform_bundle(SETTINGS, DAY.replace(day=1)))
    return read_planning_parts(home, "search", {version, "2026-03-01-000000000000"})


def _replay(decisions, impressions, parts, sample=1_000):
    return replay_sample(decisions, impressions, parts, sample=sample, tolerance=1e-6)


def test_a_true_log_is_replayed_exactly(spark, made, parts) -> None:
    found = _replay(decision_rows(spark, made), impression_rows(spark, made), parts)
    assert (found.replayed, found.unequal, found.unknown, found.passes) == (600, 0, 0, True)
    assert found.worst_difference <= 1e-9
    found.check(DAY, 1e-6)
    assert _replay(decision_rows(spark, made), impression_rows(spark, made), parts, sample=40).replayed == 40


def test_one_wrong_propensity_in_a_hundred_is_found(spark, made, parts) -> None:
    is_wrong = F.col("impression_id").endswith("7") & F.col("impression_id").contains("-1")
    halved = F.when(is_wrong, F.col("logging_propensity") / 2).otherwise(F.col("logging_propensity"))
    decisions = decision_rows(spark, made).withColumn("logging_propensity", halved)
    found = _replay(decisions, impression_rows(spark, made), parts)
    assert 0 < found.unequal < 30
    with pytest.raises(DataQualityError, match=f"impression {found.worst_impression}"):
        found.check(DAY, 1e-6)


def test_fallbacks_are_not_replayed_and_unknown_bundles_are_counted(spark, made, parts) -> None:
    decisions = decision_rows(spark, made[:20])
    fallback = decisions.withColumn("served_by", F.lit("fallback")).withColumn("logging_propensity", F.lit(0.5))
    assert _replay(fallback, impression_rows(spark, made[:20]), parts).replayed == 0
    foreign = decisions.withColumn("policy_version", F.lit("2026-03-01-000000000000"))
    found = _replay(foreign, impression_rows(spark, made[:20]), parts)
    assert (found.replayed, found.unknown, found.passes) == (0, 20, False)


def test_the_hour_of_each_decision_is_read_from_its_impression(spark, home) -> None:
    """A bandit on the hour only: replayed with a wrong hour, its propensities would differ."""
    import vowpalwabbit

    settings = replace(SETTINGS, features=("query", "time"), exploration=ExplorationSettings(0.05, 0.2, 4))
    space, names = settings.space, [feature.name for feature in settings.shared_features]
    examples = []
    for hour in range(24 * 20):
        shared = [float(np.sin(2 * np.pi * hour / 24)) if name == "hour_sin" else 0.0 for name in names]
        label = (hour % 4, shared[names.index("hour_sin")] * (hour % 4), 0.25)
        features = action_matrix(space, np.zeros(len(space)), np.arange(4))
        examples.append(decision_example(space, shared, range(4), features, label=label, groups=settings.features))
    workspace = vowpalwabbit.Workspace(f"--cb_adf --cb_type mtr -q qb --quiet --final_regressor {home}/model")
    for example in examples:
        workspace.learn(example)
    workspace.finish()
    manifest, _ = uniform_bundle(settings, DAY.replace(day=1))
    manifest = replace(manifest, settings=settings)
    files = {"bandit.vw": (home / "model").read_bytes()}
    parts = read_planning_parts(home, "search", {publish_bundle(home, "search", manifest, files)})
    made = searches(
        100,
        users=30,
        seed=3,
        served_by=Policy.of(manifest.with_files(next(iter(parts.values())).manifest.files), files),
    )
    found = _replay(decision_rows(spark, made), impression_rows(spark, made), parts)
    assert (found.replayed, found.unknown, found.worst_difference) == (100, 0, pytest.approx(0.0, abs=1e-9))
    late = impression_rows(spark, made).withColumn("at", F.col("at") + F.expr("INTERVAL 3 HOURS"))
    assert _replay(decision_rows(spark, made), late, parts).unequal > 50


def test_only_the_same_plans_looks_and_features_are_comparable() -> None:
    assert has_same_plans(SETTINGS, replace(SETTINGS, exploration=ExplorationSettings(0.0, 0.0, 1), name="other"))
    assert not has_same_plans(SETTINGS, replace(SETTINGS, budget=2))
    assert not has_same_plans(SETTINGS, replace(SETTINGS, observe="blind"))
