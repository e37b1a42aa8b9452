"""Two nights of judging and publishing over a small world of known truth; what comes before them are toys."""

from __future__ import annotations

import json

import pytest
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import current, pointers, read_manifest, versions
from ltrr.core.planning import Block
from ltrr.errors import DataQualityError
from ltrr.pipelines import evaluate_policies, publish_policy
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.runner import run_job
from ltrr.serving.policy import Policy
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.evaluation.logged_world import DAY, SPACE, searches
from tests.pipelines.judged_home import NEXT, judged_home, trained_bandit, upstream_jobs

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def first_day():
    return searches(3_000, users=600, seed=11)


@pytest.fixture
def nights(spark, home, monkeypatch):
    """Runs whole nights, or jobs of them, with toys before evaluate_policies."""
    settings = judged_home(home)

    def start(logs, bandit):
        jobs = upstream_jobs(logs, bandit) | {
            "evaluate_policies": evaluate_policies.run,
            "publish_policy": publish_policy.run,
        }
        monkeypatch.setattr("ltrr.pipelines.runner.load_job", jobs.__getitem__)

    def run(day, jobs=JOBS, **more):
        return {job: run_job(spark, settings, job, day, **more) for job in jobs}

    run.start, run.settings = start, settings
    run.warehouse = Warehouse(spark, settings.paths.tables)
    return run


def _releases(nights):
    rows = nights.warehouse.read(table("releases")).orderBy("sequence", "action").collect()
    return [(row["action"], row["run_date"], row["sequence"], row["policy_version"]) for row in rows]


def _served_by_what_is_published(home, seed):
    return searches(300, users=60, seed=seed, served_by=Policy.load(home / "policies" / "search"))


def test_a_better_challenger_is_promoted_once_and_reruns_change_nothing(nights, home, first_day, tmp_path) -> None:
    logs = {DAY: first_day}
    nights.start(logs, trained_bandit(first_day, tmp_path))

    first = nights(DAY)
    assert first["publish_policy"].notes["action"] == "refreshed"
    assert first["publish_policy"].notes["verdict"] == "no challenger tonight"
    assert first["evaluate_policies"].notes["replayed_decisions"] == "1000"
    assert nights.warehouse.read(table("ope_estimates")).count() == 0

    logs[NEXT] = _served_by_what_is_published(home, seed=12)
    second = nights(NEXT)
    notes = second["publish_policy"].notes
    assert (notes["action"], notes["is_promoted"]) == ("promoted", "true")
    assert "lower bound" not in notes["why"]
    assert "page reward differs by +" in notes["why"]

    rows = {
        (row["policy"], row["estimator"]): row
        for row in nights.warehouse.read(table("ope_estimates")).where("slice = 'all'").collect()
    }
    assert len(rows) == 15
    uniform, challenger, static = (rows[name, "dr"] for name in ("uniform", "challenger", "static"))
    # Uniform truly earns 1/3 of WORTH * 3 blocks on one answering strategy, 2/3 of it on two.
    assert uniform["low"] < 0.3325 < uniform["high"]
    assert challenger["low"] > static["value"] > uniform["value"]
    assert challenger["verdict"] == "trust"

    released = _releases(nights)
    assert [(action, day, sequence) for action, day, sequence, _ in released] == [
        ("published", None, 1),
        ("refreshed", DAY, 2),
        ("promoted", NEXT, 3),
    ]
    served = Policy.load(home / "policies" / "search")
    assert served.version == released[-1][3] == notes["version"]
    looks = [Block("alpha", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("beta", 1, "empty"), Block("gamma", 1, "empty")]
    assert served.greedy("love", looks).action == "alpha:3"
    manifest = read_manifest(home / "policies", "search", served.version)
    assert manifest.ope["challenger"]["value"] == challenger["value"]
    assert manifest.lineage["bandit_sha256"] == second["evaluate_policies"].notes["challenger_sha256"]

    # The last night again, then the first: same tables, same versions, the pointer where it was.
    states = {job: run.outputs for job, run in second.items()}
    published, moved = versions(home / "policies", "search"), pointers(home / "policies", "search")
    again = nights(NEXT, ("evaluate_policies", "publish_policy"))
    assert again["evaluate_policies"].notes["champion_version"] == released[1][3]
    nights(DAY, ("evaluate_policies", "publish_policy"))
    for job in ("evaluate_policies", "publish_policy"):
        digests = [[(out.table, out.digest) for out in outputs] for outputs in (states[job], again[job].outputs)]
        assert digests[0] == digests[1]
    assert _releases(nights) == released
    assert versions(home / "policies", "search") == published
    assert pointers(home / "policies", "search") == moved


def test_a_worse_challenger_is_refused_and_the_champion_refreshed(nights, home, first_day, tmp_path) -> None:
    logs = {DAY: first_day}
    nights.start(logs, trained_bandit(first_day, tmp_path, sign=-1.0))
    nights(DAY)
    logs[NEXT] = _served_by_what_is_published(home, seed=13)
    notes = nights(NEXT)["publish_policy"].notes
    assert (notes["action"], notes["is_promoted"]) == ("refreshed", "false")
    assert "the lower bound is not above zero" in notes["verdict"]
    released = _releases(nights)
    assert [(action, day) for action, day, _, _ in released] == [
        ("refused", NEXT),
        ("published", None),
        ("refreshed", DAY),
        ("refreshed", NEXT),
    ]
    refused = released[0][3]
    assert refused not in versions(home / "policies", "search")
    assert current(home / "policies", "search") == released[-1][3]
    assert "bandit.vw" not in read_manifest(home / "policies", "search", released[-1][3]).files


def test_false_propensities_stop_the_night_and_forbid_a_verdict(nights, spark, home, first_day, tmp_path) -> None:
    logs = {DAY: first_day}
    nights.start(logs, trained_bandit(first_day, tmp_path))
    nights(DAY)
    logs[NEXT] = _served_by_what_is_published(home, seed=14)
    nights(NEXT, JOBS[:6])
    decisions = table("decisions")
    version = nights.warehouse.version(decisions)
    wrong = nights.warehouse.read(decisions).where(F.col("log_date") == F.lit(NEXT))
    wrong = wrong.withColumn("floor", F.col("floor") * F.lit(0.5)).localCheckpoint()
    nights.warehouse.replace(decisions, wrong, f"log_date = DATE'{NEXT}'")
    # What was committed is what is read: the altered table is another version, and nobody has committed it.
    assert nights(NEXT, ("evaluate_policies",))["evaluate_policies"].notes["replay_worst_difference"] == "0"
    assert nights.warehouse.version(decisions) == version + 1

    halved = [
        _with_propensity(search, search.choice.propensity / 2) if place % 50 == 0 else search
        for place, search in enumerate(logs[NEXT])
    ]
    logs[NEXT] = halved
    nights(NEXT, JOBS[:6])
    with pytest.raises(DataQualityError, match="6 of 300 unequal"):
        nights(NEXT, ("evaluate_policies",))
    found = nights(NEXT, ("evaluate_policies", "publish_policy"), accept_quality="a known fault")
    assert "6 of 300 replayed decisions are unequal" in json.loads(found["evaluate_policies"].notes["objections"])[0]
    assert found["publish_policy"].notes["is_promoted"] == "false"
    assert "a known fault" in found["publish_policy"].notes["verdict"]
    assert len(SPACE) == 10


def _with_propensity(search, propensity):
    from dataclasses import replace

    decision = search.choice.decision | {"propensity": propensity}
    return replace(search, choice=replace(search.choice, decision=decision))
