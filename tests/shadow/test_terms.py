"""The terms of a shadow log, added up by Spark, equal a second computation, search by search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltrr.core.exploration import ExplorationSettings
from ltrr.core.planning import History
from ltrr.core.queries import query_key
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE
from ltrr.evaluation.scoring import ALL, N
from ltrr.serving.bandit import PlanChooser
from ltrr.shadow.gain import report_slices
from ltrr.shadow.settings import ShadowSettings
from ltrr.shadow.terms import ShadowScorer, canary_exploration, count_shadows, floor_term, shadow_searches, sum_shadows
from ltrr.strategies.chances import with_served_plans
from tests.evaluation.logged_world import SPACE, decision_rows, searches, slate_rows

SETTINGS = ShadowSettings(sensitivity=2.0, floors=(0.1, 0.3))
EXPLORATION = ExplorationSettings(temperature=0.2, floor_share=0.2, shortlist_size=4)
STATIC = "alpha:1,beta:1,gamma:1"
COUNT = 400


@pytest.fixture(scope="module")
def made():
    return searches(COUNT, users=60, seed=5)


@pytest.fixture
def logged(spark, made):
    """Shadow decisions whose static page is `STATIC`, one off-path block, and a page of no plan."""
    rows = [row.asDict(recursive=True) for row in decision_rows(spark, made).collect()]
    for place, row in enumerate(rows):
        row |= {"served_by": "static", "is_shadow": True, "drawn": {"alpha": 1, "beta": 1, "gamma": 1}}
        row["deeper"] = [{"strategy": "alpha", "depth": 2, "status": "empty", "entity_ids": [], "scores": []}]
        if place == 0:
            row["drawn"] = {"alpha": 1}
    frame = decision_rows(spark, made)
    return spark.createDataFrame(rows, frame.schema), slate_rows(spark, made)


def test_sums_equal_a_computation_by_search(made, logged):
    chooser = PlanChooser(SPACE, EXPLORATION, None)
    decisions, slates = logged
    assert count_shadows(decisions, SPACE) == (COUNT, 1)
    rows = shadow_searches(decisions, slates, SPACE)
    sums = sum_shadows(rows, ShadowScorer.of(chooser, EXPLORATION, SETTINGS))
    static, expected = SPACE.index(STATIC), dict.fromkeys(("reward", "same", "fetched", "low", "any_rarity"), 0.0)
    for search in made[1:]:
        floor = PlanChooser(SPACE, canary_exploration(EXPLORATION, 0.3), None)
        choice = floor.choose(query_key(search.query_text), search.looks, _history())
        p, values = choice.distribution.dense(), choice.values
        assert p.max() == pytest.approx(0.7 + 0.3 / len(SPACE))
        expected["reward"] += search.reward
        common = np.minimum(SPACE.plans, SPACE.plans[static]).sum(axis=1) / SPACE.budget
        expected["low"] += float(p @ (values * (common + (1.0 - common) / 2.0)))
        expected["any_rarity"] += float(np.mean(1.0 / p))
        sharp = PlanChooser(SPACE, canary_exploration(EXPLORATION, 0.1), None)
        first = sharp.choose(query_key(search.query_text), search.looks, _history()).distribution.dense()
        expected["same"] += float(first[static])
        # Known are the first blocks of all strategies, and the second one of alpha.
        expected["fetched"] += float(first @ (SPACE.plans <= np.array([2, 1, 1])).all(axis=1))
    total = sums[ALL]
    assert total.clusters == len({search.user for search in made[1:]})
    assert total.total(N) == COUNT - 1
    for name, value in expected.items():
        places = {"same": 0, "fetched": 0, "low": 1, "any_rarity": 1}
        column = floor_term(places[name], name) if name in places else name
        assert total.total(column) == pytest.approx(value, rel=1e-5), name
    assert {name for name in sums if name != ALL} == {"digits", "one_word", "two_words", "long"}


def test_the_history_of_a_static_page_is_that_of_a_certain_plan(logged):
    decisions, _ = logged
    served = with_served_plans(decisions, SPACE).collect()
    plans = sorted({row.action_taken for row in served})
    # A page that does not spend the budget is no plan of any space.
    assert plans == ["", STATIC]
    assert {(row.floor, row.action_propensities[0].p) for row in served} == {(0.0, 1.0)}


def test_a_policy_that_is_the_static_page_gains_nothing(logged):
    """Whatever the sensitivity: all of its blocks are shown."""
    decisions, slates = logged
    chooser = PlanChooser(SPACE, EXPLORATION, None)
    scorer = ShadowScorer.of(chooser, EXPLORATION, SETTINGS)
    policies = [replace(policy, chooser=None, plan=SPACE.index(STATIC)) for policy in scorer.policies]
    same = replace(scorer, policies=policies, challenger=policies[0])
    gains = report_slices(sum_shadows(shadow_searches(decisions, slates, SPACE), same), 0, 2.0, 0.95, 50)
    whole = gains[ALL]
    assert (whole.gain, whole.low, whole.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert (whole.same_plan, whole.same_greedy, whole.mass_fetched) == (1.0, 1.0, 1.0)
    assert whole.verdict == TAKE_CARE
    few = report_slices(sum_shadows(shadow_searches(decisions, slates, SPACE), same), 0, 2.0, 0.95, 500)
    assert few[ALL].verdict == DO_NOT_USE
    assert "fewer than 500" in few[ALL].reasons[0]


def _history() -> History:
    return History.prior(SPACE)
