"""`ltrr policies explain`: from a file, from the log or without looks, and its errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ltrr.artifacts.bundle import current, move_pointer, publish_bundle
from ltrr.cli.app import main
from ltrr.config import load_settings
from ltrr.core.situation import Situation
from ltrr.serving.policy import Policy
from ltrr.serving.replay import replay
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.artifacts.bundles import FIELDS, SETTINGS, drawn_of, looks_of, valued_bundle
from tests.evaluation.logged_world import DAY, decision_rows, impression_rows, searches

NEW = ["--strategies", "alpha,beta,gamma", "--budget", "3", "--history-starts", "2026-03-02"]
VALUED = ["--strategies", ",".join(SETTINGS.strategies), "--budget", "3", "--history-starts", "2026-03-02"]


@pytest.fixture
def ltrr(home, capsys):
    """Run a command in the home; returns exit code, output and error output."""

    def run(*arguments: str, as_json: bool = True) -> tuple[int, object, str]:
        code = main(["policies", *arguments, "--home", str(home), *["--json"] * as_json])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out and as_json else printed.out, printed.err

    return run


@pytest.fixture
def valued(ltrr, home) -> Policy:
    """A home in which a bundle with bandit and values serves."""
    assert ltrr("init", *VALUED)[0] == 0
    root = load_settings(home).paths.policies
    move_pointer(root, "search", publish_bundle(root, "search", *valued_bundle()))
    return Policy.load(f"{root}/search")


def record_of(policy: Policy, query: str) -> dict[str, object]:
    looks = looks_of(0)
    choice = policy.plan(query, looks, seed="i1", fields=FIELDS)
    drawn = drawn_of(choice.blocks, looks)
    return policy.record(
        impression_id="i1",
        situation=Situation(datetime(2026, 3, 2, 12, tzinfo=UTC)),
        query_text=query,
        user="ada",
        session="s1",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=policy.rank(query, drawn).top(4),
        fields=FIELDS,
    )


def test_a_record_is_explained_with_the_propensities_that_it_holds(ltrr, valued, tmp_path) -> None:
    record = record_of(valued, "The Matrix")
    assert replay(valued, record).is_exact
    logged = {entry["action"]: entry["propensity"] for entry in record["decisions"][0]["shortlist"]}
    for content in (record, record["looks"]):
        file = tmp_path / "looks.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        code, shown_json, _ = ltrr("explain", "--query", "the matrix", "--looks", str(file))
        assert (code, shown_json["version"], shown_json["query_key"]) == (0, valued.version, "the matrix")
        assert {plan["plan"]: plan["propensity"] for plan in shown_json["plans"]} == logged
        assert shown_json["notes"] == []
        assert shown_json["effects"]
        assert shown_json["contributions"]
    code, shown, _ = ltrr("explain", valued.version, "--query", "the matrix", "--looks", str(file), as_json=False)
    assert code == 0
    for plan in logged:
        assert plan in shown
    assert f"each with propensity {shown_json['floor']:.5g}" in shown


def test_what_cannot_be_explained_is_the_users_mistake(ltrr, valued, tmp_path) -> None:
    def failed(*arguments: str) -> str:
        code, printed, complaint = ltrr("explain", "--query", "love", *arguments)
        assert (code, printed) == (2, "")
        assert complaint.startswith("ltrr: ")
        assert len(complaint.splitlines()) == 1
        return complaint

    def looks(content: object) -> list[str]:
        file = tmp_path / "looks.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return ["--looks", str(file)]

    assert "no such version of the policy: 2026-03-09-000000000000" in failed("2026-03-09-000000000000")
    assert "cannot read the looks" in failed("--looks", str(tmp_path / "nowhere.json"))
    assert "cannot read the looks" in failed(*looks("half a li"))
    assert "looks: expected a list, got an object" in failed(*looks(record_of(valued, "love") | {"looks": {}}))
    assert "looks[0].depth" in failed(*looks([{"strategy": "title", "depth": 0, "status": "ok", "results": []}]))
    empty = {"strategy": "title", "depth": 1, "status": "empty", "results": []}
    assert "record_version: expected 1 or 2, got nothing" in failed(*looks({"looks": [empty]}))
    assert "each block once" in failed(*looks([empty, empty]))
    assert "expected 'love', got 'The Matrix'" in failed(*looks(record_of(valued, "The Matrix")))
    other = failed(*looks([empty | {"strategy": "semantic"}]))
    assert "a look that this policy cannot use: semantic:1" in other
    deeper = failed(*looks([empty | {"depth": 2}]))
    assert "title:2" in deeper


@pytest.mark.long
@pytest.mark.spark
def test_the_newest_logged_look_is_taken_else_none(ltrr, spark, home) -> None:
    ltrr("init", *NEW)
    settings = load_settings(home)
    code, blind, _ = ltrr("explain", "--query", "Love!")
    assert (code, blind["look"]) == (0, "none: no search of 'love' is logged")
    assert blind["notes"][0].startswith("no look of this query is known")
    made = searches(60, users=20, seed=3)
    warehouse = Warehouse(spark, settings.paths.tables)
    for day, rows in ((DAY, made[:30]), (DAY + timedelta(days=1), made[30:])):
        warehouse.replace(table("decisions"), decision_rows(spark, rows, day), f"log_date = DATE'{day}'")
        warehouse.replace(table("impressions"), impression_rows(spark, rows, day), f"log_date = DATE'{day}'")
    code, shown_json, _ = ltrr("explain", "--query", "Love!")
    at = {row["impression_id"]: row["at"] for row in impression_rows(spark, made[30:]).collect()}
    newest = max((one for one in made[30:] if one.query_text == "love"), key=lambda one: at[one.impression_id])
    assert code == 0
    assert shown_json["look"].startswith(f"impression {newest.impression_id}, 2026-03-03T")
    assert shown_json["version"] == current(settings.paths.policies, "search")
    seen = {(row["strategy"], row["status"]) for row in shown_json["blocks"] if row["depth"] == 1}
    assert seen == {(block.strategy, block.status) for block in newest.looks}
    policy = Policy.load(f"{settings.paths.policies}/search")
    assert {plan["propensity"] for plan in shown_json["plans"]} == {
        policy.plan("love", newest.looks, seed="any").propensity
    }
