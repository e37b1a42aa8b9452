"""Two nights of training: the first has no data, the second learns the planted values."""

from __future__ import annotations

from datetime import timedelta

import pytest
from mlflow.tracking import MlflowClient
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import uniform_bundle
from ltrr.artifacts.payloads import get_payload
from ltrr.pipelines.runner import run_job
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.assertions import assert_keys_are_unique
from tests.bandit.planted import DAY, SPACE, WANTED, chosen
from tests.pipelines.trained_home import NEXT, NIGHT_RUNS, jobs, trained_home

pytestmark = [pytest.mark.spark, pytest.mark.long]

DECISIONS = 2_000


@pytest.fixture(scope="module")
def nights(_session, tmp_path_factory):
    """Both nights, run once for all tests of this module."""
    settings = trained_home(tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch:
        made = jobs(DECISIONS)
        patch.setattr("ltrr.pipelines.job_runner.load_job", made.__getitem__)

        def run(day, job):
            return run_job(_session, settings, job, day)

        run.spark, run.settings = _session, settings
        run.tables = Warehouse(_session, settings.paths.tables)
        run.first = {job: run(DAY, job) for job in made}
        run.second = {job: run(NEXT, job) for job in made}
        yield run


def runs_of(nights, job):
    tracking = nights.settings.tracking.under(nights.settings.paths.home)
    client = MlflowClient(tracking_uri=tracking.uri)
    experiment = client.get_experiment_by_name(tracking.experiment)
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return client, [run for run in found if run.data.tags["ltrr.job"] == job]


def test_a_night_without_closed_dates_leaves_empty_tables_and_no_candidates(nights):
    for job, name in (("train_bandit", "bandit_rows"), ("train_ranker", "ranking_rows")):
        run = nights.first[job]
        assert run.notes.get("ranker_why", "no date has closed yet").endswith("no date has closed yet")
        assert not {"bandit_sha256", "ranker_sha256"} & set(run.notes)
        assert run.output(name).rows == 0
        assert nights.tables.read(table(name), run.output(name).version).count() == 0


@pytest.mark.statistical
def test_the_bandit_of_the_second_night_holds_what_was_planted(nights):
    notes = nights.second["train_bandit"].notes
    model = get_payload(f"{nights.settings.paths.policies}/search", notes["bandit_sha256"])
    assert chosen(model) == {kind: f"{strategy}:2" for kind, strategy in WANTED.items()}


def test_rows_are_those_of_the_closed_date_that_were_carried_out(nights):
    rows = nights.tables.read(table("bandit_rows"))
    assert {row["log_date"] for row in rows.select("log_date").distinct().collect()} == {DAY}
    assert rows.count() == DECISIONS - DECISIONS // 100
    # A tenth of the rows is of a policy with as many other features: written, but not trained on.
    version = uniform_bundle(nights.settings.policy, DAY)[0].version
    learned = rows.where((F.col("user_fold") >= 30) & (F.col("policy_version") == version)).count()
    assert int(nights.second["train_bandit"].notes["decisions"]) == learned
    assert rows.where(F.col("policy_version") != version).count() == DECISIONS // 10
    ranked = nights.tables.read(table("ranking_rows"))
    # Whole pages of three entities, for impressions with a click.
    slates = nights.tables.read(table("slate_rows")).where((F.col("log_date") == F.lit(DAY)) & (F.col("clicks") > 0))
    assert ranked.count() == 3 * slates.count()
    curve = ranked.select("position", "examination").distinct().collect()
    assert {(row["position"], row["examination"]) for row in curve} == {(1, 1.0), (2, 0.8), (3, 0.8)}


def test_each_table_holds_each_of_its_keys_once(nights):
    assert_keys_are_unique(nights.tables, filled=("bandit_rows", "ranking_rows", "job_runs"))


@pytest.mark.statistical
def test_the_ranker_is_noted_with_the_figures_it_was_judged_by(nights):
    notes = nights.second["train_ranker"].notes
    assert len(get_payload(f"{nights.settings.paths.policies}/search", notes["ranker_sha256"])) > 0
    assert float(notes["dcg_over_fusion_low"]) > 0.0
    assert float(notes["dcg_candidate"]) <= 1.0
    assert int(float(notes["judged_queries"])) >= 5


def test_a_rerun_gives_the_same_tables_and_the_same_models_whatever_was_clicked_tomorrow(nights):
    run_job(nights.spark, nights.settings, "ingest_logs", NEXT + timedelta(days=1))
    for job, noted in (("train_bandit", "bandit_sha256"), ("train_ranker", "ranker_sha256")):
        before = nights.second[job]
        again = nights(NEXT, job)
        assert again.attempt == before.attempt + 1
        assert again.notes[noted] == before.notes[noted]
        assert [(out.table, out.version, out.digest) for out in again.outputs] == [
            (out.table, out.version, out.digest) for out in before.outputs
        ]
        _, (old, new) = runs_of(nights, job)
        assert old.data.tags["superseded"] == new.info.run_id
        assert new.info.run_id == again.notes["mlflow_run_id"]


def test_runs_carry_parameters_metrics_and_artifacts_below_the_night(nights):
    for job, artifacts in (("train_bandit", {"bandit.vw"}), ("train_ranker", {"ranker.ubj", "features.json"})):
        client, (run, *_) = runs_of(nights, job)
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == NIGHT_RUNS[nights.second["ingest_logs"].run_date]
        assert {file.path for file in client.list_artifacts(run.info.run_id)} == artifacts
        assert run.data.params["strategies"] == ",".join(SPACE.strategies)
        assert run.data.metrics["model_bytes"] > 0
    assert "--cb_type mtr" in runs_of(nights, "train_bandit")[1][0].data.params["vw"]
