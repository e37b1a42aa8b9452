"""Training rows: features as known at decision time, and the reward."""

from datetime import date

import pytest

from ltrr.bandit.rows import check_unions_shown, to_bandit_rows
from ltrr.bandit.training_rows import only_served_plans
from ltrr.errors import SupportError
from ltrr.spark.columns import conform
from ltrr.tables.catalog import table
from ltrr.tables.shared_columns import BLOCKS

DECISIONS = (
    "impression_id string, step int, log_date date, query_key string, query_class string, user_key string, "
    "user_fold int, policy_version string, served_by string, action_taken string, logging_propensity double, "
    "shared_features array<double>, "
    "action_features array<struct<action:string,features:array<double>>>, "
    f"look {BLOCKS}, deeper {BLOCKS}, is_shadow boolean, logged_reward double"
)


def decisions(spark, *served):
    rows = [
        (
            *(f"i{number}", 1, date(2026, 3, 2), "love", "one_word", "u1", 40, "v1", served_by),
            *("memory:2", 0.25, [1.0, 0.0]),
            [("title:2", [0.6, -0.1, 0.7, 0.5]), ("memory:1,title:1", [0.7, 0.0, 0.0, 1.0]), ("memory:2", [0.1] * 4)],
            *([], []),
            # Rows of earlier versions of ltrr have null.
            True if served_by == "shadow" else None,
            # A decision service logs a reward with its choice.
            -0.5 if served_by == "service" else None,
        )
        for number, served_by in enumerate(served)
    ]
    return spark.createDataFrame(rows, DECISIONS)


def slates(spark, *rows):
    positions = [(date(2026, 3, 2), row[0], place, f"e{place}", *row[1:]) for place, row in enumerate(rows, start=1)]
    return spark.createDataFrame(
        positions,
        "log_date date, impression_id string, position int, entity_id string, clicks int, page_reward double, "
        "examination double",
    )


@pytest.mark.spark
def test_reward_is_corrected_for_examination_and_bounded(spark):
    shown = slates(spark, ("i0", 1, 1.0, 0.5), ("i0", 0, 0.0, 1.0), ("i0", 1, 1.0, 0.01), ("i1", 0, 0.0, 1.0))
    rows = to_bandit_rows(decisions(spark, "policy", "policy", "policy"), shown, examination_floor=0.1)
    found = {row["impression_id"]: row for row in conform(rows, table("bandit_rows")).collect()}
    assert (found["i0"]["found_reward"], found["i0"]["page_reward"]) == (12.0, 2.0)
    assert [tuple(shown) for shown in found["i0"]["shown"]] == [("e1", 1, 0.5), ("e2", 0, 1.0), ("e3", 1, 0.01)]
    # A page without a click, and a page without entities: both have the reward 0.
    assert found["i1"]["found_reward"] == found["i2"]["found_reward"] == found["i2"]["page_reward"] == 0.0


@pytest.mark.spark
def test_the_baseline_is_the_planners_value_of_the_best_plan(spark):
    row = to_bandit_rows(decisions(spark, "policy"), slates(spark), 0.05).first()
    assert row["baseline"] == 0.7
    assert [action["action"] for action in row["actions"]] == ["title:2", "memory:1,title:1", "memory:2"]
    assert row["logging_propensity"] == 0.25


@pytest.mark.spark
def test_fallback_and_static_pages_are_left_out(spark):
    rows = to_bandit_rows(decisions(spark, "policy", "fallback", "static"), slates(spark), 0.05)
    assert {row["impression_id"] for row in rows.collect()} == {"i0"}


@pytest.mark.spark
def test_shadow_decisions_are_rows_that_no_plan_is_learned_from(spark):
    rows = to_bandit_rows(decisions(spark, "policy", "shadow"), slates(spark), 0.05)
    assert {row["impression_id"]: row["is_shadow"] for row in rows.collect()} == {"i0": False, "i1": True}
    assert [row["impression_id"] for row in only_served_plans(rows).collect()] == ["i0"]


@pytest.mark.spark
def test_unions_that_exceed_the_page_are_refused(spark):
    day = date(2026, 3, 2)
    drawn = [(day, f"i{number}", True, 1) for number in range(19)]
    candidates = spark.createDataFrame(
        [*drawn, (day, "i0", False, None), (day, "i19", True, 1), (day, "i19", True, None)],
        "log_date date, impression_id string, is_drawn boolean, position int",
    )
    assert check_unions_shown(candidates, 0.05) == 0.05
    with pytest.raises(SupportError, match=r"at most 4.0% of impressions .* got 5.0%"):
        check_unions_shown(candidates, 0.04)
    assert check_unions_shown(candidates.limit(0), 0.0) == 0.0


@pytest.mark.spark
def test_a_choice_of_a_decision_service_has_the_reward_that_it_logged(spark):
    rows = to_bandit_rows(decisions(spark, "policy", "service", "static"), slates(spark), 0.05)
    assert {row["impression_id"]: (row["found_reward"], row["page_reward"]) for row in rows.collect()} == {
        "i0": (0.0, 0.0),
        "i1": (-0.5, -0.5),
    }
