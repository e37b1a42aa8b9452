"""Tables of draws equal a sum over decisions, add up to the budget, and are exact."""

from __future__ import annotations

import numpy as np
import pytest

from ltrr.core.planning import History, plan_values
from ltrr.core.queries import query_class, query_key
from ltrr.evaluation.draws_by_class import (
    HOW,
    DrawSums,
    draw_rows,
    draw_table,
    list_short_rows,
    render_draws,
    sample_decisions,
    sum_draws,
)
from ltrr.evaluation.judged_impressions import only_by_policy
from ltrr.evaluation.judged_policy import JudgedPolicy
from tests.evaluation.logged_world import SPACE, decision_rows, planner, searches, uniform_policy

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def made():
    return searches(600, users=100, seed=4)


@pytest.fixture
def decisions(spark, made):
    return only_by_policy(decision_rows(spark, made), [uniform_policy().version]).cache()


def policies() -> list[JudgedPolicy]:
    champion = JudgedPolicy("champion", "v", SPACE, uniform_policy().chooser)
    return [champion, planner("challenger"), JudgedPolicy("uniform", "uniform", SPACE)]


def test_they_equal_a_plain_sum(decisions, made) -> None:
    table = draw_table(sum_draws(decisions, policies(), SPACE), "challenger", SPACE)
    chooser, history = policies()[1].chooser, History.prior(SPACE)
    served: dict[str, list[np.ndarray]] = {}
    greedy: dict[str, list[np.ndarray]] = {}
    for search in made:
        values = plan_values(SPACE, search.looks, history)
        shared = np.array(search.choice.decision["shared"])
        spread = chooser.distribution(query_key(search.query_text), shared, values)
        for name in ("all", query_class(query_key(search.query_text))):
            served.setdefault(name, []).append(spread.dense() @ SPACE.draws)
            greedy.setdefault(name, []).append(SPACE.draws[spread.best()])
    assert list(table) == ["all", *sorted(set(served) - {"all"})]
    for name, entry in table.items():
        assert entry["decisions"] == len(served[name])
        for how, expected in (("served", served), ("greedy", greedy)):
            found = np.array([entry[how][strategy] for strategy in SPACE.strategies])
            np.testing.assert_allclose(found.ravel(), np.mean(expected[name], axis=0), atol=1e-4)


def test_every_class_spends_the_budget_and_no_block_without_the_one_before(decisions) -> None:
    sums = sum_draws(decisions, policies(), SPACE)
    tables = {name: draw_table(sums, name, SPACE) for name in ("champion", "challenger")}
    for row in (entry[how] for table in tables.values() for entry in table.values() for how in HOW):
        by_depth = np.array(list(row.values()))
        assert by_depth.sum() == pytest.approx(SPACE.budget, abs=1e-3)
        assert (np.diff(by_depth, axis=1) <= 0.0).all()
    uniform = np.array(list(tables["champion"]["all"]["served"].values()))
    np.testing.assert_allclose(uniform.ravel(), SPACE.draws.mean(axis=0), atol=1e-4)
    # A policy without a chooser has no draws.
    assert draw_table(sums, "uniform", SPACE) == {}
    rows = draw_rows(tables)
    for name in tables:
        of_policy = [row for row in rows if (row["policy"], row["slice"], row["how"]) == (name, "all", "served")]
        assert sum(row["share"] for row in of_policy) == pytest.approx(1.0, abs=1e-3)
    text = render_draws(tables)
    for cell in list_short_rows(tables["challenger"])[0].values():
        assert f"| {cell} |" in text


def test_any_layout_gives_the_same_bits_and_none_gives_nothing(decisions) -> None:
    layouts = [decisions.repartition(5, "impression_id"), decisions.orderBy("query_class").coalesce(1)]
    one, other = (sum_draws(layout, policies(), SPACE) for layout in layouts)
    assert one == other
    nothing = sum_draws(decisions.where("false"), policies(), SPACE)
    assert nothing == DrawSums()
    assert draw_table(nothing, "champion", SPACE) == {}
    assert draw_rows({"champion": {}}) == []
    assert "champion" not in render_draws({"champion": {}})


def test_a_sample_is_the_same_every_time(decisions) -> None:
    half = sample_decisions(decisions, 0.5)
    ids = {row["impression_id"] for row in half.select("impression_id").collect()}
    assert 240 < len(ids) < 360
    assert {row["impression_id"] for row in sample_decisions(decisions.repartition(3), 0.5).collect()} == ids
