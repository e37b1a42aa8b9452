"""Four nights of evaluation and publishing over a small world of known truth.

The jobs before them are toys.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from mlflow.tracking import MlflowClient

from ltrr.artifacts.bundle import current, pointers, read_bundle, read_manifest, versions
from ltrr.artifacts.payloads import put_payload
from ltrr.core.planning import Block
from ltrr.errors import DataQualityError
from ltrr.evaluation.draws_by_class import DRAWS_BY_CLASS
from ltrr.pipelines import evaluate_policies, publish_policy, record_release
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.runner import run_job, run_nightly
from ltrr.publishing.by_hand import roll_back
from ltrr.publishing.challenger_rows import CHALLENGERS, read_challengers
from ltrr.publishing.challengers import GATE
from ltrr.publishing.exploration_price import EXPLORATION_PRICE
from ltrr.publishing.release import Parts, bundle_files
from ltrr.publishing.trials import FrozenBandit
from ltrr.serving.policy import Policy
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.assertions import assert_keys_are_unique
from tests.evaluation.logged_world import DAY, Search, searches
from tests.pipelines.judged_home import NEXT, VALUES, judged_home, trained_bandit, true_values, upstream_jobs

pytestmark = pytest.mark.spark

JUDGING = JOBS[-2:]
THIRD, FOURTH, FIFTH = (NEXT + timedelta(days=days) for days in (1, 2, 3))


@pytest.mark.long
def test_four_nights_of_judging_and_publishing(spark, home, tmp_path, monkeypatch) -> None:
    """One test for all nights, because every step needs the one before."""
    story = Story(spark, home, tmp_path, monkeypatch)
    check_first_night_refreshes_the_champion(story)
    second_day = check_wrong_propensities_stop_the_second_night(story)
    check_second_night_starts_a_trial(story, second_day)
    champion = check_third_night_gives_the_trial_up_and_starts_another(story)
    done = check_fourth_night_promotes_after_a_crash(story, champion)
    challenger = check_estimates_cover_the_truth(story)
    served = check_what_serves(story, challenger, done)
    check_exploration_price_and_draws(story, done)
    check_tracked_runs(story)
    check_that_what_was_judged_serves(story)
    check_nights_again_change_nothing(story, done)
    check_a_rollback_stays(story, champion)
    check_later_clicks_change_no_row(story, served, challenger)
    check_a_distrusted_date_is_not_judged(story, monkeypatch)


class Story:
    """The home with its logs and bandits, and methods that run nights and read tables."""

    def __init__(self, spark, home, tmp_path, monkeypatch) -> None:
        self.spark, self.monkeypatch = spark, monkeypatch
        self.settings = judged_home(home)
        self.root = home / "policies"
        self.warehouse = Warehouse(spark, self.settings.paths.tables)
        first_day = searches(3_000, users=600, seed=11)
        self.logs: dict[object, list[Search]] = {DAY: first_day}
        values = true_values(first_day)
        self.values = values
        self.worse = trained_bandit(first_day, tmp_path, -1.0)
        self.better = trained_bandit(first_day, tmp_path, values=values)
        tracking = self.settings.tracking.under(self.settings.paths.home)
        self.client, self.experiment_name = MlflowClient(tracking_uri=tracking.uri), tracking.experiment

    def train(self, bandit: bytes, values: dict[str, bytes] | None = None) -> None:
        judging = {"evaluate_policies": evaluate_policies.run, "publish_policy": publish_policy.run}
        made = upstream_jobs(self.logs, bandit, values) | judging
        self.monkeypatch.setattr("ltrr.pipelines.job_runner.load_job", made.__getitem__)

    def run(self, day, *jobs, **more):
        return {job: run_job(self.spark, self.settings, job, day, **more) for job in jobs}

    def released(self) -> list[tuple[object, ...]]:
        rows = self.warehouse.read(table("releases")).orderBy("sequence", "action").collect()
        return [(row["action"], row["run_date"], row["sequence"], row["policy_version"]) for row in rows]

    def trials(self, day) -> list[tuple[object, ...]]:
        page = read_challengers(self.warehouse.read(CHALLENGERS), day)
        return [(one.begun, one.night, one.outcome, one.ended, len(one.looks)) for one in page]

    def runs_of(self, job: str) -> list:
        """MLflow runs of a job, newest first."""
        experiment = self.client.get_experiment_by_name(self.experiment_name)
        return self.client.search_runs([experiment.experiment_id], f"tags.`ltrr.job` = '{job}'")

    def serve(self) -> Policy:
        return Policy.load(self.root / "search")

    def manifest(self):
        return read_manifest(self.root, "search", current(self.root, "search"))


def check_first_night_refreshes_the_champion(story: Story) -> None:
    # Night 1: no date is closed, nothing is learned, and the champion is refreshed.
    story.train(story.worse)
    notes = {done.job: done.notes for done in run_nightly(story.spark, story.settings, DAY)}
    assert notes["evaluate_policies"]["replayed_decisions"] == "1000"
    assert notes["evaluate_policies"]["judged_dates"] == "0"
    assert (notes["publish_policy"]["action"], notes["publish_policy"]["verdict"]) == (
        "refreshed",
        "no new candidate; no challenger is in trial",
    )
    assert story.warehouse.read(table("ope_estimates")).count() == 0
    assert story.trials(DAY) == []
    assert [row[:3] for row in story.released()] == [("published", None, 1), ("refreshed", DAY, 2)]
    [night] = story.runs_of("nightly")
    assert night.data.metrics.keys() == {"seconds", *(f"seconds_{job}" for job in JOBS[:-1])}
    assert [file.path for file in story.client.list_artifacts(night.info.run_id)] == ["jobs.json"]


def check_wrong_propensities_stop_the_second_night(story: Story) -> list[Search]:
    # Day 2 is served by the version of night 1. Two propensities in a hundred are logged wrong: the
    # night stops.
    second_day = searches(2_000, users=400, seed=12, served_by=story.serve())
    story.logs[NEXT] = [_halved(search) if place % 50 == 0 else search for place, search in enumerate(second_day)]
    story.run(NEXT, *JOBS[:6])
    with pytest.raises(DataQualityError, match=r"\d+ of 1000 unequal"):
        story.run(NEXT, "evaluate_policies")
    accepted = story.run(NEXT, "evaluate_policies", accept_quality={"replay": "a known fault"})[
        "evaluate_policies"
    ].notes
    assert "of 1000 replayed decisions are unequal" in json.loads(accepted["objections"])[0]
    assert json.loads(accepted["distrusted_dates"]) == [str(NEXT)]
    return second_day


def check_second_night_starts_a_trial(story: Story, second_day: list[Search]) -> None:
    # With correct logs, a bandit that learned the opposite is reported and becomes the challenger.
    # Nothing is decided.
    story.logs[NEXT] = second_day
    story.run(NEXT, "ingest_logs")
    notes = story.run(NEXT, *JUDGING)["publish_policy"].notes
    assert (notes["action"], notes["outcome"]) == ("refreshed", "")
    assert "begins with alpha 0.01: it was trained on dates up to 2026-03-02" in notes["verdict"]
    assert story.trials(NEXT) == [(NEXT, 0, "keep", None, 0)]
    assert [row[:3] for row in story.released()][1:] == [("refreshed", DAY, 2), ("refreshed", NEXT, 3)]
    reported = {row["policy"] for row in story.warehouse.read(table("ope_estimates")).collect()}
    assert reported == {"champion", "candidate", "uniform", "static", "candidate-champion"}


def check_third_night_gives_the_trial_up_and_starts_another(story: Story) -> str:
    # Night 3 evaluates it on day 2 with all users and ends its trial as futile. The next challenger
    # is the candidate of the night, which learned the true values.
    story.logs[THIRD] = searches(2_000, users=400, seed=13, served_by=story.serve())
    story.train(story.better, story.values)
    done = run_nightly(story.spark, story.settings, THIRD)[-1].notes
    assert (done["action"], done["outcome"]) == ("refreshed", "futile")
    assert "even a true +2% would be seen with less than 5%" in done["verdict"]
    assert "of the budget of 0.05 over 60 nights 0.03 is left" in done["verdict"]
    assert story.trials(THIRD) == [(NEXT, 1, "futile", THIRD, 1), (THIRD, 0, "keep", None, 0)]
    rows = story.released()
    assert [row[:3] for row in rows] == [
        ("refused", THIRD, None),
        ("published", None, 1),
        ("refreshed", DAY, 2),
        ("refreshed", NEXT, 3),
        ("refreshed", THIRD, 4),
    ]
    assert rows[0][3] not in versions(story.root, "search")
    assert "bandit.vw" not in story.manifest().files
    return current(story.root, "search")


def check_fourth_night_promotes_after_a_crash(story: Story, champion: str) -> dict:
    # Night 4 evaluates that one on day 3 and promotes it.
    story.logs[FOURTH] = searches(1_000, users=200, seed=14, served_by=story.serve())
    done = story.run(FOURTH, *JOBS[:7])
    # Killed between the pointer and the table: the next attempt finds the moved pointer and writes
    # the missing rows.
    with story.monkeypatch.context() as fatal:
        fatal.setattr(record_release, "release_rows", _die)
        with pytest.raises(_KilledError):
            story.run(FOURTH, "publish_policy")
    assert pointers(story.root, "search")[-1].sequence == 5
    assert len(story.released()) == 5
    done |= story.run(FOURTH, "publish_policy")
    assert done["evaluate_policies"].notes["champion_version"] == champion
    assert (done["publish_policy"].notes["action"], done["publish_policy"].notes["outcome"]) == ("promoted", "promote")
    assert "page reward differs by +" in done["publish_policy"].notes["why"]
    return done


def check_estimates_cover_the_truth(story: Story):
    estimates = {
        (row["judged_on"], row["policy"], row["estimator"]): row
        for row in story.warehouse.read(table("ope_estimates"))
        .where(f"slice = 'all' and as_of_date = '{FOURTH}'")
        .collect()
    }
    assert len(estimates) == 15 + 9
    uniform, candidate, static = (estimates["held_out", name, "dr"] for name in ("uniform", "candidate", "static"))
    # The uniform policy truly earns a third of the value of three blocks if one strategy answers,
    # and two thirds if two do.
    assert uniform["low"] < 1 / 3 < uniform["high"]
    assert candidate["low"] > static["value"] > uniform["value"]
    challenger = estimates["life", "challenger", "dr"]
    assert (challenger["verdict"], challenger["impressions"]) == ("trust", 2_000)
    assert challenger["low"] > uniform["high"]
    return challenger


def check_what_serves(story: Story, challenger, done: dict) -> Policy:
    served = story.serve()
    looks = [Block("alpha", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("beta", 1, "empty"), Block("gamma", 1, "empty")]
    assert served.greedy("love", looks).action == "alpha:3"
    manifest = story.manifest()
    assert manifest.version == served.version
    assert manifest.ope["challenger"]["value"] == challenger["value"]
    assert manifest.ope[GATE]["why"] in done["publish_policy"].notes["why"]
    # The candidate of the night has the same bytes as the version that serves from now on.
    assert "is the champion, byte for byte; no challenger is in trial" in done["publish_policy"].notes["why"]
    return served


def check_exploration_price_and_draws(story: Story, done: dict) -> None:
    manifest = story.manifest()
    prices = json.loads(done["evaluate_policies"].notes[EXPLORATION_PRICE])
    assert manifest.ope[EXPLORATION_PRICE] == prices["challenger"]
    assert prices["champion"]["greedy_width"] == pytest.approx(1.0)  # it is uniform
    assert prices["champion"]["value_lost"] > prices["challenger"]["value_lost"] > 0
    # Its draws are in the artifacts of the evaluation, and are not part of the hash of the version.
    draws = json.loads(done["evaluate_policies"].notes[DRAWS_BY_CLASS])
    assert draws.keys() == {"champion", "candidate", "challenger"}
    assert manifest.ope[DRAWS_BY_CLASS] == draws["challenger"]
    assert replace(manifest, ope={}).version == manifest.version
    assert draws["challenger"]["all"]["greedy"]["beta"][0] == pytest.approx(1 / 3, abs=0.1)


def check_tracked_runs(story: Story) -> None:
    [judged, *_] = story.runs_of("evaluate_policies")
    files = {file.path for file in story.client.list_artifacts(judged.info.run_id)}
    assert {"draws_by_class.json", "draws_by_class.md"} <= files
    [published, *_] = story.runs_of("publish_policy")
    assert published.data.tags["outcome"] == "promote"
    assert published.data.metrics["z"] >= published.data.metrics["critical"]
    assert published.data.metrics["alpha_left"] == pytest.approx(0.04)  # the refused trial still holds its alpha


def check_that_what_was_judged_serves(story: Story) -> None:
    served, manifest = story.serve(), story.manifest()
    # The served bandit, values and exploration are those of the trial, byte for byte. Later
    # refreshes keep them.
    [promoted] = [
        one for one in read_challengers(story.warehouse.read(CHALLENGERS), FOURTH) if one.outcome == "promote"
    ]
    assert FrozenBandit.of_manifest(manifest) == promoted.bandit
    assert manifest.lineage["trial"] == promoted.trial
    assert manifest.values == VALUES
    kept = read_bundle(story.root, "search", served.version)[1]
    assert {name: kept[name] for name in story.values} == story.values
    assert kept["bandit.vw"] == story.better
    assert manifest.lineage["block_value-0_sha256"] == manifest.files["block_value-0.ubj"].sha256
    nothing_new = bundle_files(story.root, "search", manifest, Parts({}, ""), {})
    assert nothing_new.keys() == {"bandit.vw", *story.values}
    other = {"bandit.vw": put_payload(story.root / "search", story.worse).sha256}
    assert bundle_files(story.root, "search", manifest, Parts({}, ""), other).keys() == {"bandit.vw"}


def check_nights_again_change_nothing(story: Story, done: dict) -> None:
    # Reruns: the same tables and versions, and the older night does not move the pointer.
    rows, published, moved = story.released(), versions(story.root, "search"), pointers(story.root, "search")
    assert rows[-1][:3] == ("promoted", FOURTH, 5)
    again = story.run(FOURTH, *JUDGING)
    for job in JUDGING:
        digests = [[(out.table, out.digest) for out in outputs.outputs] for outputs in (done[job], again[job])]
        assert digests[0] == digests[1]
    story.run(THIRD, "publish_policy")
    assert (story.released(), versions(story.root, "search"), pointers(story.root, "search")) == (
        rows,
        published,
        moved,
    )


def check_a_rollback_stays(story: Story, champion: str) -> None:
    # A person rolls back. A rerun of the night with other settings changes neither the pointer nor
    # its trials.
    back = roll_back(story.root, "search", why="clicks fell", by_whom="ada")
    assert back.version == champion
    page, strict = story.trials(FOURTH), replace(story.settings, gate=replace(story.settings.gate, least_evidence=1e6))
    notes = run_job(story.spark, strict, "publish_policy", FOURTH).notes
    assert (story.trials(FOURTH), current(story.root, "search"), notes["outcome"]) == (page, champion, "promote")
    assert "promote stays, this attempt finds keep" in notes["verdict"]


def check_later_clicks_change_no_row(story: Story, served: Policy, challenger) -> None:
    # Later clicks, and clicks on a date that is still open, change no row of this night.
    known = {name: rows_of(story.warehouse, name, FOURTH) for name in ("ope_estimates", "challengers")}
    story.logs[FOURTH] = [replace(search, reward=1.0) for search in story.logs[FOURTH]]
    story.logs[FIFTH] = [replace(search, reward=1.0) for search in searches(200, users=400, seed=15, served_by=served)]
    # The next night does not start before the jobs that read the date have run again.
    story.run(FOURTH, "ingest_logs", *JUDGING)
    story.run(FIFTH, "ingest_logs")
    story.run(FOURTH, *JUDGING)
    assert {name: rows_of(story.warehouse, name, FOURTH) for name in known} == known
    # A table with equal exact columns is kept; the runs show that its estimates were equal too.
    newest, before, *_ = story.runs_of("evaluate_policies")
    metrics = [{name: value for name, value in one.data.metrics.items() if value == value} for one in (newest, before)]
    assert metrics[0] == metrics[1]
    assert metrics[0]["life_challenger_dr"] == challenger["value"]


def check_a_distrusted_date_is_not_judged(story: Story, monkeypatch) -> None:
    assert_keys_are_unique(story.warehouse, filled=("ope_estimates", "challengers", "releases", "job_runs"))

    # No later night evaluates a date with wrong propensities.
    monkeypatch.setattr(evaluate_policies, "_update_distrusted_dates", lambda *_, **__: {THIRD})
    notes = story.run(FOURTH, "evaluate_policies")["evaluate_policies"].notes
    assert (notes["judged_dates"], notes["life_dates"]) == ("2", "0")


def rows_of(warehouse: Warehouse, name: str, day: date) -> list[dict[str, object]]:
    """All columns, also those that a digest leaves out."""
    declared = table(name)
    rows = warehouse.read(declared).where(f"as_of_date = '{day}'").orderBy(*declared.grain).collect()
    assert rows
    return [row.asDict(recursive=True) for row in rows]


class _KilledError(Exception):
    """Stand-in for kill -9."""


def _die(*_: object) -> None:
    raise _KilledError


def _halved(search: Search) -> Search:
    """The same search with a propensity with which no policy drew."""
    decision = search.choice.decision | {"propensity": search.choice.propensity / 2}
    return replace(search, choice=replace(search.choice, decision=decision))
