"""Four nights of judging and publishing over a small world of known truth; what comes before them are toys."""

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
from ltrr.pipelines import evaluate_policies, publish_policy
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
    """One story, because every step needs the one before it."""
    settings = judged_home(home)
    root = home / "policies"
    warehouse = Warehouse(spark, settings.paths.tables)
    first_day = searches(3_000, users=600, seed=11)
    logs: dict[object, list[Search]] = {DAY: first_day}
    values = true_values(first_day)
    worse, better = trained_bandit(first_day, tmp_path, -1.0), trained_bandit(first_day, tmp_path, values=values)

    def with_bandit(bandit: bytes, values: dict[str, bytes] | None = None) -> None:
        judging = {"evaluate_policies": evaluate_policies.run, "publish_policy": publish_policy.run}
        made = upstream_jobs(logs, bandit, values) | judging
        monkeypatch.setattr("ltrr.pipelines.job_runner.load_job", made.__getitem__)

    def run(day, *jobs, **more):
        return {job: run_job(spark, settings, job, day, **more) for job in jobs}

    def released() -> list[tuple[object, ...]]:
        rows = warehouse.read(table("releases")).orderBy("sequence", "action").collect()
        return [(row["action"], row["run_date"], row["sequence"], row["policy_version"]) for row in rows]

    def book(day) -> list[tuple[object, ...]]:
        page = read_challengers(warehouse.read(CHALLENGERS), day)
        return [(one.begun, one.night, one.outcome, one.ended, len(one.looks)) for one in page]

    # Night 1: nothing is closed, nothing is learned, the champion is refreshed.
    with_bandit(worse)
    notes = {done.job: done.notes for done in run_nightly(spark, settings, DAY)}
    assert notes["evaluate_policies"]["replayed_decisions"] == "1000"
    assert notes["evaluate_policies"]["judged_dates"] == "0"
    assert (notes["publish_policy"]["action"], notes["publish_policy"]["verdict"]) == (
        "refreshed",
        "no new candidate; no challenger is in trial",
    )
    assert warehouse.read(table("ope_estimates")).count() == 0
    assert book(DAY) == []
    assert [row[:3] for row in released()] == [("published", None, 1), ("refreshed", DAY, 2)]
    tracking = settings.tracking.under(settings.paths.home)
    client = MlflowClient(tracking_uri=tracking.uri)
    experiment = client.get_experiment_by_name(tracking.experiment)
    [night] = client.search_runs([experiment.experiment_id], "tags.`ltrr.job` = 'nightly'")
    assert night.data.metrics.keys() == {"seconds", *(f"seconds_{job}" for job in JOBS[:-1])}
    assert [file.path for file in client.list_artifacts(night.info.run_id)] == ["jobs.json"]

    # Day 2 is served by what night 1 published. Two propensities in a hundred are logged wrong: the night stops.
    second_day = searches(2_000, users=400, seed=12, served_by=Policy.load(root / "search"))
    logs[NEXT] = [_halved(search) if place % 50 == 0 else search for place, search in enumerate(second_day)]
    run(NEXT, *JOBS[:6])
    with pytest.raises(DataQualityError, match=r"\d+ of 1000 unequal"):
        run(NEXT, "evaluate_policies")
    accepted = run(NEXT, "evaluate_policies", accept_quality={"replay": "a known fault"})["evaluate_policies"].notes
    assert "of 1000 replayed decisions are unequal" in json.loads(accepted["objections"])[0]
    assert json.loads(accepted["distrusted_dates"]) == [str(NEXT)]

    # With true logs, a bandit that learned the opposite is reported on and becomes the challenger: nothing is decided.
    logs[NEXT] = second_day
    run(NEXT, "ingest_logs")
    notes = run(NEXT, *JUDGING)["publish_policy"].notes
    assert (notes["action"], notes["outcome"]) == ("refreshed", "")
    assert "begins with alpha 0.01: it was trained on dates up to 2026-03-02" in notes["verdict"]
    assert book(NEXT) == [(NEXT, 0, "keep", None, 0)]
    assert [row[:3] for row in released()][1:] == [("refreshed", DAY, 2), ("refreshed", NEXT, 3)]
    reported = {row["policy"] for row in warehouse.read(table("ope_estimates")).collect()}
    assert reported == {"champion", "candidate", "uniform", "static", "candidate-champion"}

    # Night 3 judges it on day 2, on everybody, and gives it up; tonight's candidate, which learned, is the next one.
    logs[THIRD] = searches(2_000, users=400, seed=13, served_by=Policy.load(root / "search"))
    with_bandit(better, values)
    done = run_nightly(spark, settings, THIRD)[-1].notes
    assert (done["action"], done["outcome"]) == ("refreshed", "futile")
    assert "even a true +2% would be seen with less than 5%" in done["verdict"]
    assert "of the budget of 0.05 over 60 nights 0.03 is left" in done["verdict"]
    assert book(THIRD) == [(NEXT, 1, "futile", THIRD, 1), (THIRD, 0, "keep", None, 0)]
    rows = released()
    assert [row[:3] for row in rows] == [
        ("refused", THIRD, None),
        ("published", None, 1),
        ("refreshed", DAY, 2),
        ("refreshed", NEXT, 3),
        ("refreshed", THIRD, 4),
    ]
    assert rows[0][3] not in versions(root, "search")
    assert "bandit.vw" not in read_manifest(root, "search", current(root, "search")).files
    champion = current(root, "search")

    # Night 4 judges that one on day 3 and promotes it.
    logs[FOURTH] = searches(1_000, users=200, seed=14, served_by=Policy.load(root / "search"))
    done = run(FOURTH, *JOBS[:7])
    # Dead between the pointer and the table: the next attempt finds the pointer moved, and writes what is missing.
    with monkeypatch.context() as fatal:
        fatal.setattr(publish_policy, "release_rows", _die)
        with pytest.raises(_KilledError):
            run(FOURTH, "publish_policy")
    assert pointers(root, "search")[-1].sequence == 5
    assert len(released()) == 5
    done |= run(FOURTH, "publish_policy")
    assert done["evaluate_policies"].notes["champion_version"] == champion
    assert (done["publish_policy"].notes["action"], done["publish_policy"].notes["outcome"]) == ("promoted", "promote")
    assert "page reward differs by +" in done["publish_policy"].notes["why"]
    estimates = {
        (row["judged_on"], row["policy"], row["estimator"]): row
        for row in warehouse.read(table("ope_estimates")).where(f"slice = 'all' and as_of_date = '{FOURTH}'").collect()
    }
    assert len(estimates) == 15 + 9
    uniform, candidate, static = (estimates["held_out", name, "dr"] for name in ("uniform", "candidate", "static"))
    # Uniform truly earns a third of three blocks' worth where one strategy answers, two thirds where two do.
    assert uniform["low"] < 1 / 3 < uniform["high"]
    assert candidate["low"] > static["value"] > uniform["value"]
    challenger = estimates["life", "challenger", "dr"]
    assert (challenger["verdict"], challenger["impressions"]) == ("trust", 2_000)
    assert challenger["low"] > uniform["high"]
    served = Policy.load(root / "search")
    looks = [Block("alpha", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("beta", 1, "empty"), Block("gamma", 1, "empty")]
    assert served.greedy("love", looks).action == "alpha:3"
    manifest = read_manifest(root, "search", served.version)
    assert manifest.ope["challenger"]["value"] == challenger["value"]
    assert manifest.ope[GATE]["why"] in done["publish_policy"].notes["why"]
    # Tonight's candidate was trained to the same bytes as what serves from now on.
    assert "is the champion, byte for byte; no challenger is in trial" in done["publish_policy"].notes["why"]
    prices = json.loads(done["evaluate_policies"].notes[EXPLORATION_PRICE])
    assert manifest.ope[EXPLORATION_PRICE] == prices["challenger"]
    assert prices["champion"]["greedy_width"] == pytest.approx(1.0)  # it is uniform
    assert prices["champion"]["value_lost"] > prices["challenger"]["value_lost"] > 0
    # What it draws came with it, too, in the artifacts of the run that judged, and outside the version's hash.
    draws = json.loads(done["evaluate_policies"].notes[DRAWS_BY_CLASS])
    assert draws.keys() == {"champion", "candidate", "challenger"}
    assert manifest.ope[DRAWS_BY_CLASS] == draws["challenger"]
    assert replace(manifest, ope={}).version == manifest.version
    assert draws["challenger"]["all"]["greedy"]["beta"][0] == pytest.approx(1 / 3, abs=0.1)
    [judged, *_] = client.search_runs([experiment.experiment_id], "tags.`ltrr.job` = 'evaluate_policies'")
    files = {file.path for file in client.list_artifacts(judged.info.run_id)}
    assert {"draws_by_class.json", "draws_by_class.md"} <= files
    [published, *_] = client.search_runs([experiment.experiment_id], "tags.`ltrr.job` = 'publish_policy'")
    assert published.data.tags["outcome"] == "promote"
    assert published.data.metrics["z"] >= published.data.metrics["critical"]
    assert published.data.metrics["alpha_left"] == pytest.approx(0.04)  # what was given up holds its share
    # What was judged is what serves, byte for byte: bandit, values and exploration; later nights' refreshes keep them.
    [promoted] = [one for one in read_challengers(warehouse.read(CHALLENGERS), FOURTH) if one.outcome == "promote"]
    assert FrozenBandit.of_manifest(manifest) == promoted.bandit
    assert manifest.lineage["trial"] == promoted.trial
    assert manifest.values == VALUES
    kept = read_bundle(root, "search", served.version)[1]
    assert {name: kept[name] for name in values} == values
    assert kept["bandit.vw"] == better
    assert manifest.lineage["block_value-0_sha256"] == manifest.files["block_value-0.ubj"].sha256
    nothing_new = bundle_files(root, "search", manifest, Parts({}, ""), {})
    assert nothing_new.keys() == {"bandit.vw", *values}
    other = {"bandit.vw": put_payload(root / "search", worse).sha256}
    assert bundle_files(root, "search", manifest, Parts({}, ""), other).keys() == {"bandit.vw"}

    # Nights again: the same tables and versions, and the older night leaves the pointer where it is.
    rows, published, moved = released(), versions(root, "search"), pointers(root, "search")
    assert rows[-1][:3] == ("promoted", FOURTH, 5)
    again = run(FOURTH, *JUDGING)
    for job in JUDGING:
        digests = [[(out.table, out.digest) for out in outputs.outputs] for outputs in (done[job], again[job])]
        assert digests[0] == digests[1]
    run(THIRD, "publish_policy")
    assert (released(), versions(root, "search"), pointers(root, "search")) == (rows, published, moved)

    # A person rolls back; the night, run again with other settings, leaves the pointer and its trials alone.
    back = roll_back(root, "search", why="clicks fell", by_whom="ada")
    assert back.version == champion
    page, strict = book(FOURTH), replace(settings, gate=replace(settings.gate, least_evidence=1e6))
    told = run_job(spark, strict, "publish_policy", FOURTH).notes
    assert (book(FOURTH), current(root, "search"), told["outcome"]) == (page, champion, "promote")
    assert "promote stays, this attempt finds keep" in told["verdict"]

    # Clicks planted tomorrow, and on a date that is not closed yet: no row of tonight changes.
    known = {name: rows_of(warehouse, name, FOURTH) for name in ("ope_estimates", "challengers")}
    logs[FOURTH] = [replace(search, reward=1.0) for search in logs[FOURTH]]
    logs[FIFTH] = [replace(search, reward=1.0) for search in searches(200, users=400, seed=15, served_by=served)]
    # The next night does not begin before what read the date is run again.
    run(FOURTH, "ingest_logs", *JUDGING)
    run(FIFTH, "ingest_logs")
    run(FOURTH, *JUDGING)
    assert {name: rows_of(warehouse, name, FOURTH) for name in known} == known
    # A table whose exact columns are the same is kept as it is: that the estimates were too, their runs say.
    newest, before, *_ = client.search_runs([experiment.experiment_id], "tags.`ltrr.job` = 'evaluate_policies'")
    told = [{name: value for name, value in one.data.metrics.items() if value == value} for one in (newest, before)]
    assert told[0] == told[1]
    assert told[0]["life_challenger_dr"] == challenger["value"]

    assert_keys_are_unique(warehouse, filled=("ope_estimates", "challengers", "releases", "job_runs"))

    # A date whose propensities were found wrong is judged on by no later night.
    monkeypatch.setattr(evaluate_policies, "_distrusted_dates", lambda *_, **__: {THIRD})
    notes = run(FOURTH, "evaluate_policies")["evaluate_policies"].notes
    assert (notes["judged_dates"], notes["life_dates"]) == ("2", "0")


def rows_of(warehouse: Warehouse, name: str, day: date) -> list[dict[str, object]]:
    """Every column, also those that a digest leaves out."""
    declared = table(name)
    rows = warehouse.read(declared).where(f"as_of_date = '{day}'").orderBy(*declared.grain).collect()
    assert rows
    return [row.asDict(recursive=True) for row in rows]


class _KilledError(Exception):
    """Stands for kill -9."""


def _die(*_: object) -> None:
    raise _KilledError


def _halved(search: Search) -> Search:
    """The same search with a propensity that nobody drew with."""
    decision = search.choice.decision | {"propensity": search.choice.propensity / 2}
    return replace(search, choice=replace(search.choice, decision=decision))
