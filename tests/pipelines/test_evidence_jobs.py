"""Click model, memory and strategy history through two nights of the real runner.

Sunday's night has no logs. Monday's night has those of Sunday and Monday. The tables also have
many clicks of Tuesday, which it must not read.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pyspark.sql import functions as F

from ltrr.artifacts.history import QueryHistories
from ltrr.artifacts.memory_part import MemoryPart, part_name
from ltrr.artifacts.payloads import get_payload
from ltrr.core.hashing import bucket
from ltrr.pipelines.runner import run_job
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.assertions import assert_keys_are_unique, assert_rows_equal
from tests.pipelines.evidence_home import MONDAY, QUERIES, SPACE, SUNDAY, commit_logs, evidence_home, logged_day

pytestmark = [pytest.mark.spark, pytest.mark.long]

JOBS = ("fit_click_model", "build_memory", "compute_strategy_features")
IMPRESSIONS = 240
ONE = 1 << 20


@pytest.fixture(scope="module")
def nights(_session, tmp_path_factory):
    """Both nights, run once for all tests of this module."""
    settings = evidence_home(tmp_path_factory.mktemp("home"))

    def run(day, jobs=JOBS):
        return {job: run_job(_session, settings, job, day) for job in jobs}

    run.settings = settings
    run.tables = Warehouse(_session, settings.paths.tables)
    run.policy = f"{settings.paths.policies}/search"
    run.runs = {}
    commit_logs(_session, settings, SUNDAY)
    run.runs[SUNDAY] = run(SUNDAY)
    logs = [logged_day(day, IMPRESSIONS) for day in (SUNDAY, MONDAY)]
    commit_logs(_session, settings, MONDAY, *logs, logged_day(MONDAY + timedelta(days=1), 900, clicked_share=5.0))
    run.runs[MONDAY] = run(MONDAY)
    return run


def read(nights, name, where="true"):
    return nights.tables.read(table(name)).where(where)


def test_a_night_without_logs_leaves_the_prior(nights):
    curve = read(nights, "examination", f"as_of_date = DATE'{SUNDAY}'").collect()
    assert {(row.surface, row.method, row.is_identified) for row in curve} == {("*", "prior", False)}
    assert read(nights, "q2e_memory", f"as_of_date = DATE'{SUNDAY}'").count() == 0
    runs = nights.runs[SUNDAY]
    assert len(json.loads(runs["build_memory"].notes["memory_parts"])) == 3
    book = QueryHistories.of_bytes(
        get_payload(nights.policy, runs["compute_strategy_features"].notes["history_sha256"]), SPACE
    )
    assert book.to_bytes() == QueryHistories.prior(SPACE).to_bytes()


def test_the_curve_of_the_second_night_is_identified(nights):
    rows = read(nights, "examination", f"surface = 'search' AND as_of_date = DATE'{MONDAY}'").collect()
    assert {row.position: row.method for row in rows} == dict.fromkeys((1, 2, 3, 4), "position_based_em")
    assert all(row.is_identified and (row.standard_error is None) == (row.position == 1) for row in rows)
    assert all(0.2 < row.examination <= 1.6 for row in rows)
    assert next(row.impressions for row in rows if row.position == 1) == 2 * IMPRESSIONS


def test_evidence_counts_users_once_under_the_curve_of_its_own_date(nights):
    daily = read(nights, "q2e_daily")
    assert {row.log_date for row in daily.select("log_date").distinct().collect()} == {SUNDAY, MONDAY}
    shown = read(nights, "slate_rows", f"log_date <= DATE'{MONDAY}'")
    keys = ("log_date", "query_key", "entity_id", "user_key")
    assert daily.agg(F.sum("clicks")).first()[0] == shown.where("clicks > 0").select(*keys).distinct().count() * ONE
    # Sunday's curve is the prior, 1 / position; only the best position per user and day counts.
    best = shown.where(F.col("log_date") == F.lit(SUNDAY)).groupBy(*keys).agg(F.min("position").alias("position"))
    expected = sum(round(ONE / row.position) for row in best.collect())
    sunday = daily.where(F.col("log_date") == F.lit(SUNDAY))
    assert sunday.agg(F.sum("examinations")).first()[0] == expected
    assert read(nights, "queries").agg(F.sum("impressions")).first()[0] == 2 * IMPRESSIONS


def test_sunday_closes_its_week(nights):
    assert nights.runs[SUNDAY]["build_memory"].output("q2e_rollup") is None
    # The weight of its last day is 1, and it has no other day: the week is that Sunday.
    folded = read(nights, "q2e_rollup")
    assert {row.period_start for row in folded.collect()} == {SUNDAY - timedelta(days=6)}
    sunday = read(nights, "q2e_daily", f"log_date = DATE'{SUNDAY}'")
    assert_rows_equal(folded.drop("period_start"), sunday.drop("log_date"), key=("query_key", "entity_id"))


def test_the_parts_serve_what_the_table_says(nights):
    noted = json.loads(nights.runs[MONDAY]["build_memory"].notes["memory_parts"])
    assert sorted(noted) == [part_name(n) for n in range(3)]
    parts = [MemoryPart.of_bytes(get_payload(nights.policy, noted[name]["sha256"])) for name in sorted(noted)]
    memory = read(nights, "q2e_memory", f"as_of_date = DATE'{MONDAY}' AND weighted_clicks > 0").collect()
    for query in QUERIES:
        rows = sorted((row for row in memory if row.query_key == query), key=lambda row: (-row.score, row.entity_id))
        served = parts[bucket(query, 3)].recall(query, limit=10)
        assert [entity for entity, _ in served] == [row.entity_id for row in rows]
        assert [score for _, score in served] == pytest.approx([row.score for row in rows], rel=1e-6)
        assert served[0][0] == "e0"
    assert all(row.low <= row.score <= row.high for row in memory)


def test_the_history_that_is_served_is_the_table(nights):
    notes = nights.runs[MONDAY]["compute_strategy_features"].notes
    files = {
        name: get_payload(nights.policy, part["sha256"]) for name, part in json.loads(notes["history_parts"]).items()
    }
    book = QueryHistories.of_files(files | {"history.json": get_payload(nights.policy, notes["history_sha256"])}, SPACE)
    rows = read(nights, "strategy_history", f"as_of_date = DATE'{MONDAY}'").collect()
    classes = {row.key for row in rows if row.level == "class"}
    assert classes == {"digits", "one_word", "two_words"}
    assert {row.key for row in rows if row.level == "query"} == set(QUERIES)
    assert len(rows) == (1 + len(classes) + len(QUERIES)) * len(SPACE.strategies) * SPACE.budget
    assert all((row.draw_rate is None) == (row.level == "query") for row in rows)
    for row in rows:
        served = {"all": book.overall, "class": book.classes.get(row.key)}.get(row.level) or book.of(row.key)
        at = SPACE.strategy_index[row.strategy], row.depth - 1
        assert served.hit_rate[at] == pytest.approx(row.hit_rate, rel=1e-6)
        assert served.marginal_hit_rate[at] == pytest.approx(row.marginal_hit_rate, rel=1e-6)
        assert row.marginal_hit_rate <= row.hit_rate
        # With Tuesday's draws there would be more rows.
        assert row.support <= 2 * IMPRESSIONS


def test_a_rerun_writes_nothing_and_notes_the_same(nights):
    names = ("q2e_memory", "strategy_history")
    before = {name: read(nights, name).localCheckpoint() for name in names}
    for job, run in nights(MONDAY, JOBS[1:]).items():
        first = nights.runs[MONDAY][job]
        assert run.attempt == 2
        assert run.notes == first.notes
        assert [(out.table, out.version, out.digest) for out in run.outputs] == [
            (out.table, out.version, out.digest) for out in first.outputs
        ]
    for name, rows in before.items():
        assert_rows_equal(read(nights, name), rows, key=table(name).grain, tolerance=0.0, finite=False)


def test_the_changes_of_a_refresh_are_reported_and_undefined_without_earlier_values(nights):
    first, second = (nights.runs[day]["build_memory"].notes for day in (SUNDAY, MONDAY))
    assert (first["memory_churn"], first["memory_known"]) == ("nan", "nan")
    assert (second["memory_churn"], second["memory_known"]) == ("nan", "0")


def test_each_table_holds_each_of_its_keys_once(nights):
    evidence = ("examination", "queries", "q2e_daily", "q2e_rollup", "q2e_memory", "strategy_daily", "strategy_history")
    assert_keys_are_unique(nights.tables, filled=evidence)
