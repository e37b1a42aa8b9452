"""Limits per user apply in every job: excluded rows reach no training and no evaluation."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

import ltrr.pipelines
from ltrr.config import Settings
from ltrr.evaluation.judged_impressions import judged_impressions
from ltrr.pipelines import judging
from ltrr.pipelines.counted_users import name_heavy_users
from ltrr.pipelines.runner import run_job
from ltrr.publishing.judgement import judgement_of
from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from ltrr.users.settings import UserSettings
from tests.assertions import assert_rows_equal
from tests.evaluation.logged_world import DAY, decision_rows, searches, slate_rows
from tests.pipelines.evidence_home import LOG_TABLES, MONDAY, SUNDAY, commit_logs, evidence_home, logged_day
from tests.pipelines.judged_home import judged_home

BY_SETTING = "0123456789abcdef" * 2
BEHAVIOUR = {"slate_rows", "decisions", "impressions", "bandit_rows", "ranking_rows"}
NOT_LEARNED_OR_JUDGED = {
    # It writes these tables and decides which users are limited.
    "ingest_logs",
    # It replays decisions of all users; the evaluation gets its rows from `judging` and `canary`.
    "evaluate_policies",
    # It reads the bundle of a page, not the actions of its user.
    "alike_pages",
    # It writes the pages of all users; `train_ranker` and `ranker_judging` leave out those that do
    # not count.
    "ranking_rows",
}


def test_every_job_that_reads_what_users_did_asks_who_counts() -> None:
    """A job that reads logs without the limits fails here, unless it is in the list above."""
    readers = {}
    for file in Path(ltrr.pipelines.__file__).parent.glob("*.py"):
        source = file.read_text(encoding="utf-8")
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        reads = {
            call.args[0].value
            for call in calls
            if isinstance(call.func, ast.Attribute)
            and call.func.attr in ("read", "read_written", "read_own_previous")
            and call.args
            and isinstance(call.args[0], ast.Constant)
        }
        if reads & BEHAVIOUR:
            named = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
            readers[file.stem] = "only_counted_users" in named
    assert {"fit_click_model", "build_memory", "train_bandit", "train_ranker", "judging", "canary"} <= readers.keys()
    assert {name for name, asks in readers.items() if not asks} == NOT_LEARNED_OR_JUDGED


@pytest.mark.long
@pytest.mark.spark
def test_robots_leave_no_trace_in_examination_memory_and_history(spark, tmp_path) -> None:
    """Learned tables equal those of a home without robots.

    One robot is limited by the table of its date, the other by the setting.
    """
    days = [logged_day(day, 120) for day in (SUNDAY, MONDAY)]
    robots = [
        renamed(logged_day(day, 80, clicked_share=9.0), name)
        for day in (SUNDAY, MONDAY)
        for name in ("by table", BY_SETTING)
    ]
    limited = [(day, "by table", 80, 80, 80.0, 0.4, 0.4, 0.0, "clicks") for day in (SUNDAY, MONDAY)]
    homes = {
        "no_robots": (UserSettings(), days),
        "robots": (UserSettings(excluded=(BY_SETTING,)), [*days, *robots, {"limited_users": limited}]),
    }
    tables = {}
    for name, (users, logs) in homes.items():
        settings = replace(evidence_home(tmp_path / name), users=users, history_starts=MONDAY)
        commit_logs(spark, settings, MONDAY, *logs)
        for job in ("fit_click_model", "build_memory", "compute_strategy_features"):
            run_job(spark, settings, job, MONDAY)
        tables[name] = Warehouse(spark, settings.paths.tables)
    for name in ("examination", "q2e_daily", "q2e_memory", "strategy_daily", "strategy_history"):
        with_robots, without = (home.read(table(name)) for home in (tables["robots"], tables["no_robots"]))
        assert without.count() > 0, name
        assert_rows_equal(with_robots, without, key=table(name).grain, finite=False)


def renamed(rows: dict[str, list[tuple]], user: str) -> dict[str, list[tuple]]:
    """The same rows for another user, with impressions of their own."""
    made = {}
    for name in LOG_TABLES:
        columns = table(name).column_names
        changed = []
        for row in rows[name]:
            values = dict(zip(columns, row, strict=True))
            values["impression_id"] = f"{user}-{values['impression_id']}"
            if "user_key" in values:
                values["user_key"] = user
            changed.append(tuple(values.values()))
        made[name] = changed
    return made


@dataclass
class EvaluationNight:
    """Night of an evaluation, with frames in memory."""

    settings: Settings
    frames: dict[str, DataFrame]
    date: Any = DAY
    policies_root: str = "memory://nowhere"
    notes: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> DataFrame:
        return self.frames[name]


@pytest.fixture
def evaluation(spark, home):
    """2,000 searches of 400 users; one of them is excluded completely."""
    made = searches(2_000, users=400, seed=5)
    decisions = decision_rows(spark, made, DAY)
    robot = decisions.groupBy("user_key").count().orderBy("count", "user_key").tail(1)[0]
    row = (DAY, robot["user_key"], robot["count"], 9, 9.0, 0.1, 0.21, 0.0, "impressions")
    limited = spark.createDataFrame([row], schema_of(table("limited_users")))
    frames = {"decisions": decisions, "slate_rows": slate_rows(spark, made, DAY), "limited_users": limited}
    return EvaluationNight(judged_home(home), frames), robot["user_key"]


@pytest.mark.spark
def test_what_is_judged_leaves_out_who_is_excluded_and_counts_how_all_were_served(evaluation, monkeypatch) -> None:
    night, robot = evaluation
    monkeypatch.setattr(judging, "list_same_plan_versions", lambda _root, _name, versions, _policy: sorted(versions))
    window = judging.Window.of(night, [DAY])
    judged = window.impressions().select("impression_id", "user_key").collect()
    everybody = judged_impressions(night.frames["decisions"], night.frames["slate_rows"], window.versions)
    others = everybody.where(everybody["user_key"] != robot)
    assert {row.impression_id for row in judged} == {
        row.impression_id for row in others.select("impression_id").collect()
    }
    assert window.served.by_policy == everybody.count() == 2_000


@pytest.mark.spark
def test_a_verdict_without_evidence_describes_the_users_behind_it_without_their_keys(evaluation, spark) -> None:
    night, robot = evaluation
    rows = [estimate("champion", "all"), estimate("challenger-champion", "all"), estimate("champion", "long")]
    rewards = spark.createDataFrame(
        [("u1", 30.0)] + [(f"v{n}", 1.0) for n in range(70)], "user_key string, page_reward double"
    )
    named = name_heavy_users(night, rows, [DAY], rewards)
    assert [row["verdict"] for row in named] == [row["verdict"] for row in rows]
    assert named[2] == rows[2]
    limited, heavy = named[1]["reasons"][-2:]
    assert limited.startswith("single users: one user, excluded (impressions)")
    assert heavy == "single users: one user earned 30.0% of the rewards judged on"
    assert robot not in limited
    judgement = judgement_of(named, "challenger", nights=3, least_evidence=100.0)
    assert judgement.objections == (limited, heavy)
    assert judgement_of(named, "challenger", nights=3, least_evidence=10.0).objections == ()


def estimate(policy: str, slice_: str) -> dict[str, Any]:
    figures = {"value": 0.1, "standard_error": 0.1, "evidence": 31.0, "effective_sample_size": 90.0}
    return {
        "policy": policy,
        "slice": slice_,
        "impressions": 100,
        "users": 71,
        "verdict": "take care",
        "reasons": ["evidence R is 31.0, below 100"],
        **figures,
    }
