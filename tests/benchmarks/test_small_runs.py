"""Benchmarks at a tiny size, without Spark: they run, and their assertions about ltrr hold."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from benchmarks.learned_retrieval import judging
from benchmarks.learned_retrieval.report import markdown as retrieval_table
from benchmarks.learned_retrieval.report import rows_of
from benchmarks.line_speed import lines_of
from benchmarks.ope_obd import compare, moments_of
from benchmarks.plan_logs import pages
from benchmarks.plan_logs.report import bars_of, markdown
from benchmarks.plan_logs.study import study_world
from benchmarks.propensities_study.alarms import study_correct, study_power
from benchmarks.propensities_study.worlds import KINDS, Cell
from benchmarks.ranker_gate import check_estimates, measure_gain
from benchmarks.retrieval_ablation import SHOWN
from benchmarks.speed_study.numpy_scan import POLICIES, RATIOS, measure_numpy, measure_numpy_users, write_log
from benchmarks.speed_study.scoring import measure_scoring
from benchmarks.vw_speed import make_rows, measure_alone
from benchmarks.worlds_check import judged_ndcg
from ltrr.artifacts.record_checks import check_decision_record, check_event
from ltrr.core.plans import PlanSpace
from tests.simulation.small_worlds import chance_world


def test_numpy_scan_judges_every_policy_by_every_estimator(tmp_path) -> None:
    write_log(2_000, tmp_path)
    options = argparse.Namespace(folder=tmp_path, rounds=1)
    by_row, by_user = measure_numpy(options)["answer"], measure_numpy_users(options)["answer"]
    assert np.shape(by_row) == np.shape(by_user) == (POLICIES, len(RATIOS), 3)
    np.testing.assert_allclose(np.array(by_row)[..., 0], np.array(by_user)[..., 0], rtol=1e-9)


def test_vowpal_wabbit_learns_and_scores_made_up_decisions(tmp_path) -> None:
    assert make_rows(300, tmp_path) > 0.0
    assert np.isfinite(measure_alone(argparse.Namespace(rows=tmp_path, rounds=1))["loss"])
    figures = measure_scoring(argparse.Namespace(folder=tmp_path, rounds=1, scored=500))
    assert figures["furthest"] <= 1e-6


def test_correct_logs_raise_no_alarm_and_corrupted_logs_do() -> None:
    assert study_correct(Cell(50, 2, "even", KINDS[2]), 3, 1)["alarms"] == 0
    rows = list(study_power(Cell(2_000, 2, "even", KINDS[0]), 2, 1))
    assert {row["found"] for row in rows} == {1.0}


def test_ranker_gate_estimates_as_the_library_and_promotes_a_large_gain() -> None:
    check_estimates(1)
    assert measure_gain(0.3, 2, 1)["promoted"] == 1.0


def test_open_bandit_logs_are_compared_with_the_reference(tmp_path) -> None:
    rng = np.random.default_rng(1)
    n, actions = 300, 3
    arrays = {
        "action": rng.integers(0, actions, n),
        "pscore": np.full(n, 1.0 / actions),
        "target": rng.dirichlet(np.ones(actions), n),
        "reward": rng.integers(0, 2, n),
        "q_hat": rng.random((n, actions)),
        "context": rng.random((n, 2)),
        "action_context": rng.random((actions, 2)),
        "position": rng.integers(0, 2, n),
        "fold": np.arange(n) % 3,
    }
    np.savez(tmp_path / "log.npz", **arrays)
    ips = moments_of(arrays, arrays["q_hat"]).weighted.ips()
    (tmp_path / "log.json").write_text(f'{{"ips": {ips!r}}}')
    assert compare(tmp_path, "log")["estimates"]["ips"]["value"] == pytest.approx(ips)


@pytest.mark.parametrize("form", ["ltrr", "shadow"])
def test_made_up_lines_follow_the_log_contract(form: str) -> None:
    contents = list(map(json.loads, lines_of(form, 0.1)))
    records = [content for content in contents if "record_version" in content]
    assert [check_decision_record(content) for content in records] == [[]] * len(records)
    assert all(("shadow" in content) == (form == "shadow") for content in records)
    assert [check_event(one) for one in contents if "event_id" in one] == [[]] * (len(contents) - len(records))


def test_ndcg_of_judged_entities() -> None:
    world = chance_world()
    assert 0.0 < judged_ndcg(world, [set(query.relevance) for query in world.queries], "title", 8) <= 1.0


# In so small a world, some slices are empty or have no gap between the best static plan and the
# best plan.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_learned_retrieval_in_a_small_world() -> None:
    world = chance_world(queries=60, entities=40, limit=4)
    space = PlanSpace(world.strategies, world.block_size, world.budget)
    rows = rows_of([judging.LogStudy(world, space, 2_000, seed=1).run_planners()])
    shown = {(row["observe"], row["policy"]) for row in rows if "share" in row}
    assert set(SHOWN) <= shown
    assert "first_look" in retrieval_table(rows, world.name, 2_000)


def test_estimators_of_draws_and_plans_in_a_small_world(monkeypatch) -> None:
    monkeypatch.setattr(pages, "EARLIER_IMPRESSIONS", 1_000)
    monkeypatch.setattr("benchmarks.plan_logs.study.LARGE", 500)
    rows = list(study_world(chance_world(queries=60, entities=40, limit=4), {200: 2}, 1))
    assert {row["decide"] for row in rows} == {"draw", "plan"}
    assert bars_of(rows)
    assert markdown(rows)
