"""`ltrr ope TABLES --policy VERSION`: a published bundle, and its true value."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import publish_bundle
from ltrr.artifacts.manifest import Manifest
from ltrr.cli import main
from ltrr.core.exploration import ExplorationSettings
from ltrr.serving.policy import Policy
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table
from tests.evaluation.logged_world import DAY, SETTINGS, decision_rows, looks_of, searches, slate_rows, worth_of

pytestmark = pytest.mark.spark

NEW = ["--strategies", "alpha,beta,gamma", "--block-size", "2", "--budget", "3", "--history-starts", "2026-03-02"]
SETTINGS_OF_PLANNER = replace(SETTINGS, exploration=ExplorationSettings(0.2, 0.2, shortlist_size=4))


def publish(home, settings, **manifest) -> str:
    return publish_bundle(home / "policies", "search", Manifest(settings, DAY, **manifest), {})


@pytest.fixture
def said(home, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["ope", str(home / "tables"), *arguments, "--home", str(home)])
        return code, *capsys.readouterr()

    return run


def write_tables(spark, home, made) -> tuple[DataFrame, int]:
    """Write the tables of a home with 50 searches on an open date, and one limited user.

    Returns the rows of `decisions`, and the number of decisions of the limited user.
    """
    late = [replace(search, impression_id=f"late-{search.impression_id}") for search in made[:50]]
    decisions = decision_rows(spark, made).withColumn(
        "served_by", F.when(F.col("impression_id") == "4-0", "fallback").otherwise("policy")
    )
    decisions = decisions.unionByName(decision_rows(spark, late, DAY + timedelta(days=1)))
    decisions.write.format("delta").save(f"{home}/tables/decisions")
    slate_rows(spark, made).write.format("delta").save(f"{home}/tables/slate_rows")
    robot = decisions.where("impression_id = '4-1'").collect()[0].user_key
    limited = [(DAY, robot, 9, 9, 9.0, 0.1, 0.2, 0.0, "impressions")]
    left_out = decisions.where(
        (F.col("user_key") == robot) & (F.col("log_date") == DAY) & (F.col("served_by") == "policy")
    ).count()
    limits = spark.createDataFrame(limited, schema_of(table("limited_users")))
    limits.write.format("delta").save(f"{home}/tables/limited_users")
    return decisions, left_out


def true_value(policy: Policy) -> float:
    """True value of a policy on the three kinds of searches."""
    kinds = [(True, False, False), (False, True, False), (True, False, True)]
    values = [policy.choose("love", looks_of("love", kind)).distribution.dense() @ worth_of(kind) for kind in kinds]
    return float(np.mean(values))


def check_refusals(home, said, version: str) -> None:
    """Bundles and options that cannot be judged are one sentence and exit code 2."""
    blind = publish(home, replace(SETTINGS, observe="blind"))
    code, out, err = said("--policy", blind)
    assert (code, out) == (2, "")
    assert err.startswith(f"ltrr: this log cannot evaluate this bundle: {blind}")
    assert "observe blind, not first_look" in err
    code, out, err = said("--policy", "2026-03-02-000000000000")
    assert (code, out) == (2, "")
    assert "no such version of the policy" in err
    code, out, err = said("--policy", version, "--target-propensity", "pi")
    assert (code, out) == (2, "")
    assert "name one policy source" in err


@pytest.mark.long
def test_a_bundle_is_judged_on_what_it_was_not_trained_on(spark, home, capsys, said) -> None:
    assert main(["policies", "init", *NEW, "--home", str(home), "--json"]) == 0
    uniform = json.loads(capsys.readouterr().out)[0]["serves"]
    served_by = Policy.load(f"{home}/policies/search", uniform)
    decisions, left_out = write_tables(spark, home, searches(1_500, users=300, seed=4, served_by=served_by))
    version = publish(home, SETTINGS_OF_PLANNER)
    code, out, _ = said("--policy", version, "--estimator", "dr", "--estimator", "snips", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["skipped"] == {
        "served by fallback": 1,
        "the date's reward windows are not over": 50,
        "beyond the limits on one user": left_out,
    }
    rows = {row["estimator"]: row for row in answer["estimates"]}
    assert rows["dr"]["decisions"] == 1_499 - left_out
    assert not answer["propensities"]["alarms"]
    truth = true_value(Policy.load(f"{home}/policies/search", version))
    for name in ("dr", "snips"):
        error = (rows[name]["high"] - rows[name]["low"]) / 3.92
        # Two figures at 5.5 standard errors: a false alarm with a probability below 1e-7.
        assert abs(rows[name]["value"] - truth) < 5.5 * error

    # The same bundle, trained on this day: the evidence is of users that are never trained on.
    trained = publish(
        home, replace(SETTINGS_OF_PLANNER, exploration=ExplorationSettings(0.3, 0.2, shortlist_size=4)),
        data_window={"first": DAY.isoformat(), "last": DAY.isoformat()},
    )  # fmt: skip
    code, out, _ = said("--policy", trained, "--estimator", "snips", "--json")
    answer = json.loads(out)
    held_out = sum(row.user_fold < 30 for row in decisions.where("log_date = '2026-03-02'").collect())
    left_out = answer["skipped"]["the bundle was trained on this user and date"]
    not_trained_on = answer["estimates"][0]["decisions"] + answer["skipped"].get("beyond the limits on one user", 0)
    assert abs(not_trained_on - held_out) <= 1
    assert left_out + not_trained_on == 1_499
    check_refusals(home, said, version)
