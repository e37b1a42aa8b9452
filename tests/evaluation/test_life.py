"""Evaluation on a life: q-hat is fixed, all users count, and the difference is the true one."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from ltrr.estimation.intervals import estimate_difference
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.judged_impressions import judged_impressions
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.life import sum_life
from ltrr.evaluation.logged_decision import COLUMNS, LoggedDecision, logged_decisions
from ltrr.evaluation.scoring import ALL, N, term
from ltrr.evaluation.settings import EvaluationSettings
from tests.evaluation.logged_world import DAY, SPACE, Search, decision_rows, planner, searches, slate_rows

pytestmark = pytest.mark.spark

NEXT = DAY + timedelta(days=1)
SETTINGS = EvaluationSettings()


def impressions(spark, made: list[Search], day):
    return judged_impressions(
        decision_rows(spark, made, day), slate_rows(spark, made, day), sorted({one.choice.version for one in made})
    )


@pytest.fixture(scope="module")
def logs():
    return searches(800, users=150, seed=21), searches(1_200, users=300, seed=22)


def judged() -> list[JudgedPolicy]:
    return [JudgedPolicy("champion", "uniform", SPACE), planner("challenger")]


def life(spark, before: list[Search], since: list[Search]) -> dict[str, ClusteredSums]:
    days = impressions(spark, before, DAY), impressions(spark, since, NEXT)
    return dict(sum_life(*days, judged(), SPACE, SETTINGS))


def test_the_difference_is_the_true_one_and_every_user_judges(spark, logs) -> None:
    before, since = logs
    whole = life(spark, before, since)[ALL]
    assert whole.clusters == len({one.user for one in since})
    assert round(whole.total(N)) == len(since)
    found = estimate_difference(whole, (term("challenger", "dr"), N), (term("champion", "dr"), N))
    # 300 users with activities between .8 and 1.2: the mean is 1 with a standard error of .007.
    policies = judged()
    gains = []
    for one, row in zip(since, decisions(spark, since), strict=True):
        values = [policy.probabilities(row) @ one.worth for policy in policies]
        gains.append(values[1] - values[0])
    assert found.standard_error < 0.05
    assert abs(found.value - np.mean(gains)) < 4.0 * found.standard_error


@pytest.mark.long
def test_a_new_night_does_not_change_the_nights_before(spark, logs) -> None:
    """q-hat is constant: sums of two sets of users add up to those of both, exactly."""
    before, since = logs
    users = sorted({one.user for one in since})[:100]
    parts = ([one for one in since if (one.user in users) == is_in] for is_in in (True, False))
    one, other = (life(spark, before, part)[ALL] for part in parts)
    assert one + other == life(spark, before, since)[ALL]


def test_without_a_log_before_it_nothing_is_judged(spark, logs) -> None:
    _, since = logs
    nothing = impressions(spark, since, DAY).where("impression_id = ''")
    assert sum_life(nothing, impressions(spark, since, NEXT), judged(), SPACE, SETTINGS) == {}


def decisions(spark, made: list[Search]) -> list[LoggedDecision]:
    """Logged decisions in the order of the searches."""
    rows = impressions(spark, made, NEXT).selectExpr("*", "0.0D as query_mean").toArrow()
    place = {name: number for number, name in enumerate(rows.column("impression_id").to_pylist())}
    ordered = rows.take([place[one.impression_id] for one in made]).select(list(COLUMNS)).combine_chunks()
    return list(logged_decisions(ordered.to_batches()[0], SPACE))
