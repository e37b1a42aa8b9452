"""`ltrr policies`: start of a home, served versions, and recorded decisions of a person."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from math import nan

import pytest

from ltrr.artifacts.bundle import current, publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.pointer import current_pointer, open_policy
from ltrr.cli.app import main
from ltrr.config import load_settings
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import UNDEFINED
from ltrr.evaluation.draws_by_class import DRAWS_BY_CLASS
from ltrr.publishing.by_hand import promote
from ltrr.publishing.challenger_rows import CHALLENGERS, challenger_rows
from ltrr.publishing.challengers import Candidate, review_challenger
from ltrr.publishing.exploration_price import EXPLORATION_PRICE
from ltrr.publishing.gate import Judgement
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import FrozenBandit
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import hold_lease
from ltrr.tables.catalog import table
from tests.evaluation.logged_world import DAY, decision_rows, impression_rows, searches

NEW = ["--strategies", "alpha,beta,gamma", "--budget", "3", "--history-starts", "2026-03-02"]


@pytest.fixture
def ltrr(home, capsys):
    """Run a command in the home; returns exit code and parsed JSON output."""

    def run(*arguments: str) -> tuple[int, list[dict[str, object]]]:
        code = main(["policies", *arguments, "--home", str(home), "--json"])
        printed = capsys.readouterr().out
        return code, json.loads(printed) if printed else []

    return run


def test_a_home_is_started_once(ltrr, home) -> None:
    assert ltrr("init")[0] == 2
    assert ltrr("init", "--strategies", "alpha,beta")[0] == 2
    code, (first,) = ltrr("init", *NEW)
    assert (code, first["plans"], first["published now"]) == (0, 10, True)
    assert ltrr("init", *NEW) == ltrr("init") == (0, [first | {"published now": False}])
    assert ltrr("init", "--strategies", "alpha,beta")[0] == 2
    settings = load_settings(home)
    assert settings.policy.strategies == ("alpha", "beta", "gamma")
    assert settings.first_date == date(2026, 3, 2)


def test_a_home_may_choose_what_its_policy_knows(ltrr, home) -> None:
    assert ltrr("init", *NEW, "--features", "query,weather")[0] == 2
    assert ltrr("init", *NEW, "--features", "looks,memory")[0] == 2
    assert ltrr("init", *NEW, "--features", "time,query")[0] == 0
    assert load_settings(home).policy.features == ("query", "time")
    _, shown = ltrr("show")
    assert shown["feature_groups"] == ["query", "time"]


@pytest.mark.spark
def test_the_current_challenger_is_shown_as_the_newest_night_left_it(spark, ltrr, home) -> None:
    ltrr("init", *NEW)
    assert ltrr("challengers") == (0, [])
    champion = FrozenBandit("search", {}, None, ExplorationSettings(floor_share=1.0))
    candidate = Candidate(replace(champion, files={"bandit.vw": "ab"}), DAY)
    nothing = Judgement(UNDEFINED, nan, nan, nan, 0, 0, 1)
    warehouse, page = Warehouse(spark, load_settings(home).paths.tables), ()
    for night in (DAY + timedelta(days=1), DAY + timedelta(days=2)):
        page = review_challenger(page, night, champion, nothing, candidate, GateSettings()).challengers
        warehouse.replace(CHALLENGERS, challenger_rows(spark, night, page), f"as_of_date = DATE'{night}'")
    code, (shown,) = ltrr("challengers")
    assert (code, shown["outcome"], shown["night"], shown["alpha"]) == (0, "keep", 1, 0.01)
    assert shown["trial"] == f"{DAY + timedelta(days=1)}-{candidate.bandit.digest[:12]}"
    assert "no look" in shown["why"]


def test_what_is_published_is_listed_and_shown(ltrr) -> None:
    _, (first,) = ltrr("init", *NEW)
    _, listed = ltrr("list")
    assert [(row["version"], row["serves"], row["bandit"]) for row in listed] == [(first["serves"], "now", "uniform")]
    _, shown = ltrr("show")
    assert (shown["version"], shown["budget"], shown["observe"]) == (first["serves"], 3, "first_look")
    assert ltrr("show", first["serves"]) == (0, shown)
    assert ltrr("show", "2026-03-09-000000000000")[0] == 1


def test_what_a_policy_draws_is_shown_by_query_class(ltrr, home, capsys) -> None:
    ltrr("init", *NEW)
    settings = load_settings(home)
    draws = {"alpha": [1.0, 0.75, 0.25], "beta": [0.5, 0.5, 0.0], "gamma": [0.0, 0.0, 0.0]}
    estimates = {DRAWS_BY_CLASS: {"long": {"decisions": 12, "served": draws, "greedy": draws}}}
    manifest, files = uniform_bundle(settings.policy, DAY)
    version = publish_bundle(settings.paths.policies, "search", replace(manifest, ope=estimates), files)
    assert ltrr("show", version)[1]["ope"] == estimates
    assert main(["policies", "show", version, "--home", str(home)]) == 0
    printed = capsys.readouterr().out
    assert "2.00 (1.00 .75 .25)" in printed
    assert "1.00 (.50 .50 .00)" in printed


def test_a_damaged_version_and_a_torn_pointer_hide_no_other_and_promote_is_the_remedy(ltrr, home) -> None:
    _, (first,) = ltrr("init", *NEW)
    root = load_settings(home).paths.policies
    damaged = publish_bundle(root, "search", Manifest(load_settings(home).policy, DAY), {})
    (home / "policies" / "search" / damaged / "manifest.json").write_bytes(b"{}")
    (home / "policies" / "search" / "current" / "00000002.json").write_bytes(b"{")
    rows = {row["version"]: row for row in ltrr("list")[1]}
    assert rows[first["serves"]]["moved by"] == "ltrr policies init, published"
    assert [(rows[version]["serves"], bool(rows[version]["damage"])) for version in (first["serves"], damaged)] == [
        ("now", False),
        ("", True),
    ]
    store = open_policy(root, "search")
    assert current_pointer(store).sequence == 1
    assert promote(root, "search", first["serves"], why="mend", by_whom="ada").sequence == 3
    assert ltrr("promote", "../search/x", "--why", "?", "--by", "ada")[0] == 1
    assert main(["policies", "list", "--home", str(home)]) == 0


def test_the_price_of_exploration_is_shown(ltrr, home, capsys) -> None:
    ltrr("init", *NEW)
    manifest, files = uniform_bundle(load_settings(home).policy, DAY)
    priced = replace(manifest, ope={EXPLORATION_PRICE: {"value_lost": 0.03125, "any_nights": None}})
    version = publish_bundle(load_settings(home).paths.policies, "search", priced, files)
    assert ltrr("show", version)[1]["ope"] == priced.ope
    assert main(["policies", "show", version, "--home", str(home)]) == 0
    assert re.search(r"Exploration\s.*\bvalue_lost +0\.03125", capsys.readouterr().out, re.DOTALL)


@pytest.mark.spark
def test_a_person_decides_and_it_is_on_record(ltrr, spark, home) -> None:
    _, (first,) = ltrr("init", *NEW)
    settings = load_settings(home)
    root = settings.paths.policies
    second = publish_bundle(root, "search", Manifest(settings.policy, DAY), {})
    code, (done,) = ltrr("promote", second, "--why", "reviewed", "--by", "ada")
    assert (code, done["sequence"], done["recorded"], current(root, "search")) == (0, 2, True, second)
    assert (
        ltrr("promote", second, "--why", "again", "--by", "ada")[1][0]["done"] == "nothing: the version serves already"
    )
    # During a night the pointer moves at once, and the record follows later.
    with hold_lease(home, "a night", tables=str(home / "tables")):
        code, (back,) = ltrr("rollback", "--why", "clicks fell", "--by", "ada")
    assert (code, back["sequence"], back["recorded"], current(root, "search")) == (0, 3, False, first["serves"])
    assert (back["serves"], back["bandit"], back["night"]) == (first["serves"], "uniform", "2026-03-01")
    assert ltrr("rollback", "--why", "further", "--by", "ada")[0] == 2
    assert ltrr("promote", second, "--why", "mended", "--by", "ada")[1][0]["sequence"] == 4
    rows = Warehouse(spark, settings.paths.tables).read(table("releases")).orderBy("sequence").collect()
    assert [(row["sequence"], row["action"], row["by_whom"], row["run_date"]) for row in rows] == [
        (1, "published", "ltrr policies init", None),
        (2, "promoted", "ada", None),
        (3, "rolled_back", "ada", None),
        (4, "promoted", "ada", None),
    ]
    assert rows[2]["why"] == "clicks fell"
    assert [row["previous_version"] for row in rows] == [None, first["serves"], second, first["serves"]]


@pytest.mark.spark
def test_a_person_tries_a_version_on_some_users(ltrr, spark, home) -> None:
    _, (first,) = ltrr("init", *NEW)
    settings = load_settings(home)
    root, champion = settings.paths.policies, first["serves"]
    greedier = replace(settings.policy, exploration=ExplorationSettings(0.1, 0.2, 4))
    other = publish_bundle(root, "search", Manifest(greedier, DAY), {})
    says = ("--why", "ranker and bandit at once", "--by", "ada")
    code, (done,) = ltrr("canary", other, "--share", "0.1", *says)
    assert (code, done["serves"], done["canary"]) == (0, champion, f"{other} for 0.1 of users")
    assert (done["done"], done["sequence"], done["recorded"]) == ("canary_begun", 2, True)
    serves = {row["version"]: row["serves"] for row in ltrr("list")[1]}
    assert serves[champion] == "now, but for 0.1 of users"
    assert serves[other].startswith("canary: 0.1 of users since 20")
    assert [ltrr("show", version)[1]["serves"] for version in serves] == list(serves.values())
    # Only one canary runs, and it must have other models than the champion.
    assert ltrr("canary", other, "--share", "0.2", *says)[0] == 2
    code, (ended,) = ltrr("canary", "--end", "--why", "seen enough", "--by", "ada")
    assert (code, ended["serves"], ended["done"], ended["canary"]) == (0, champion, "canary_ended", None)
    refreshed = publish_bundle(root, "search", *uniform_bundle(settings.policy, DAY))
    shorter = publish_bundle(root, "search", *uniform_bundle(replace(settings.policy, budget=2), DAY))
    mistaken = (["--end"], [refreshed, "--share", "0.1"], [shorter, "--share", "0.1"], [champion, "--share", "0.1"])
    for wrong in (*mistaken, [other], [other, "--share", "1"], [other, "--share", "0.1", "--end"], []):
        assert ltrr("canary", *wrong, *says)[0] == 2, wrong
    assert current_pointer(open_policy(root, "search")).sequence == 3
    # A promotion and a rollback end a canary. During a night the pointer moves at once, and the
    # record follows later.
    with hold_lease(home, "a night", tables=str(home / "tables")):
        assert ltrr("canary", other, "--share", "0.25", *says)[1][0]["recorded"] is False
    assert ltrr("promote", champion, *says)[1][0]["done"] == "canary_ended"
    assert ltrr("promote", champion, *says)[1][0]["done"] == "nothing: the version serves already"
    ltrr("canary", other, "--share", "0.5", *says)
    promoted = ltrr("promote", other, *says)[1][0]
    assert (promoted["done"], promoted["sequence"], promoted["canary"]) == ("promoted", 7, None)
    assert {row["version"]: row["serves"] for row in ltrr("list")[1]}[other] == "now"
    rows = Warehouse(spark, settings.paths.tables).read(table("releases")).orderBy("sequence").collect()
    assert [(row["action"], row["policy_version"], row["canary_version"], row["canary_share"]) for row in rows] == [
        ("published", champion, None, None),
        ("canary_begun", champion, other, 0.1),
        ("canary_ended", champion, None, None),
        ("canary_begun", champion, other, 0.25),
        ("canary_ended", champion, None, None),
        ("canary_begun", champion, other, 0.5),
        ("promoted", other, None, None),
    ]
    assert {row["run_date"] for row in rows} == {None}
    assert [row["by_whom"] for row in rows] == ["ltrr policies init", *["ada"] * 6]


@pytest.mark.spark
def test_logged_decisions_are_replayed(ltrr, spark, home) -> None:
    ltrr("init", *NEW)
    settings = load_settings(home)
    made = searches(60, users=20, seed=3)
    warehouse = Warehouse(spark, settings.paths.tables)
    warehouse.replace(table("decisions"), decision_rows(spark, made), f"log_date = DATE'{DAY}'")
    warehouse.replace(table("impressions"), impression_rows(spark, made), f"log_date = DATE'{DAY}'")
    code, (found,) = ltrr("replay", "--date", str(DAY), "--sample", "50")
    assert (code, found["replayed"], found["unequal"], found["holds"]) == (0, 50, 0, True)
    assert ltrr("replay", "--date", str(DAY - timedelta(days=1)))[1][0]["replayed"] == 0
