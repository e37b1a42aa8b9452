"""Limits on one user: which users are limited, what counts of them, and no effect on others."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from ltrr.clicks.fit import fit_curves
from ltrr.clicks.pairs import to_linking_pairs
from ltrr.clicks.settings import ClickSettings
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.estimates import summarize_policy
from ltrr.publishing.gate import Judgement, judge_night
from ltrr.publishing.settings import GateSettings
from ltrr.spark.columns import conform
from ltrr.tables.catalog import table
from ltrr.users.limits import only_counted, to_limited_users, to_user_days
from ltrr.users.naming import heaviest_counted, heaviest_limited, user_checks
from ltrr.users.settings import UserSettings, robust_bound
from tests.clicks.slates import TRUE_CURVE, slate_rows

pytestmark = pytest.mark.spark

DAY = date(2026, 3, 2)
KNOWN = "0123456789abcdef" * 2
SETTINGS = UserSettings()


def pages(user: str, count: int, clicked: list[int], *, positions: int = 6, day: date = DAY) -> pd.DataFrame:
    """`count` pages of one user, who clicks the same positions on each."""
    places = np.arange(1, positions + 1)
    clicks = np.tile(np.isin(places, clicked), count).astype(np.int32)
    return pd.DataFrame(
        {
            "log_date": day,
            "impression_id": np.repeat([f"{user}-{day}-{n}" for n in range(count)], positions),
            "user_key": user,
            "surface": "search",
            "query_key": "q",
            "entity_id": np.tile([f"e{place}" for place in places], count),
            "position": np.tile(places.astype(np.int32), count),
            "clicks": clicks,
            "page_reward": clicks.astype(np.float64),
        }
    )


def ordinary_users(day: date = DAY) -> pd.DataFrame:
    """Sixty ordinary users with one to four pages, who click at the top."""
    return pd.concat([pages(f"person-{n}", 1 + n % 4, [1 + n % 2], day=day) for n in range(60)])


def limits(rows, settings: UserSettings = SETTINGS):
    searched = rows.where("position = 1").select("log_date", "user_key")
    return to_limited_users(to_user_days(searched, rows), settings)


def test_anonymous_searches_do_not_change_what_is_much_for_one_user(spark):
    busy = [pages(f"busy-{n}", 55 + n, [1, 2]) for n in range(30)]
    anonymous = [pages(f"~{n}", 1, [2]) for n in range(600)]
    alone, mixed = (spark.createDataFrame(pd.concat(rows)) for rows in (busy, [*busy, *anonymous]))
    assert limits(alone).collect() != []
    assert sorted(limits(mixed).collect()) == sorted(limits(alone).collect())


def test_a_robots_own_clicks_do_not_make_its_position_a_common_one(spark):
    people = [pages(f"person-{n}", 1, [1 + n % 3]) for n in range(40)]
    robot = pages("robot", 45, [4])
    assert [row.user_key for row in limits(spark.createDataFrame(pd.concat([*people, robot]))).collect()] == ["robot"]
    [found] = to_user_days(*(2 * [spark.createDataFrame(robot)])).collect()
    assert found.one_position_clicks == 0, "with one user, each clicked position is a common one"
    row = limits(spark.createDataFrame(pd.concat([*people, robot]))).first()
    assert (row.reason, row.counted_share) == ("one_position", 0.0)


def test_each_kind_of_robot_is_limited_for_its_reason_and_no_other_user(spark):
    robots = {
        "searches": pages("searches", 400, []),
        "clicks": pages("clicks", 15, [1, 2, 3, 4, 5, 6]),
        "one place": pages("one place", 40, [5]),
        "busy": pages("busy", 90, []),
        KNOWN: pages(KNOWN, 1, [1]),
        "": pages("", 500, [5]),
    }
    settings = UserSettings(excluded=(KNOWN, "f" * 32))
    rows = spark.createDataFrame(pd.concat([ordinary_users(), *robots.values()]))
    limited = limits(rows, settings)
    conform(limited, table("limited_users"))
    found = {row.user_key: row for row in limited.collect()}
    assert {key: row.reason for key, row in found.items()} == {
        "searches": "impressions",
        "clicks": "clicks",
        "one place": "one_position",
        "busy": "capped",
        KNOWN: "setting",
    }
    # Four times the median of sixty people with one to four pages and five robots.
    assert np.median([1 + n % 4 for n in range(60)] + [400, 15, 40, 90, 1]) == 3
    assert {key: row.counted_share for key, row in found.items()} == {
        **dict.fromkeys(found, 0.0),
        "busy": 12 / 90,
    }
    identified = 150 + 400 + 15 + 40 + 90 + 1
    assert found["searches"].share_of_impressions == pytest.approx(400 / identified)
    assert (found["clicks"].impressions, found["clicks"].clicks, found["clicks"].page_reward) == (15, 90, 90.0)
    checks = {check.name: check for check in user_checks(limited)}
    assert (checks["excluded_users"].figure, checks["capped_users"].figure) == (4.0, 1.0)
    assert "user searches, excluded (impressions): 400 impressions" in checks["user_searches"].detail
    assert {check.outcome for check in checks.values()} == {"reported"}


def test_a_position_that_most_users_click_excludes_no_user(spark):
    """If the first row of a page is no result, most users click the second."""
    people = [pages(f"person-{n}", 2, [2]) for n in range(60)]
    rows = spark.createDataFrame(pd.concat([*people, pages("keen", 30, [2])]))
    assert [row.reason for row in limits(rows).collect()] == ["capped"]


def test_a_capped_user_counts_with_whole_impressions_chosen_by_hash_alone(spark):
    rows = spark.createDataFrame(pd.concat([ordinary_users(), pages("busy", 90, []), pages("", 300, [1])]))
    limited = limits(rows)
    kept = only_counted(rows, limited, SETTINGS)
    assert kept.columns == rows.columns
    counts = {row.impression_id: row["count"] for row in kept.groupBy("impression_id").count().collect()}
    assert set(counts.values()) == {6}
    others = rows.where("user_key != 'busy'").select("impression_id").distinct()
    busy = {one for one in counts if one.startswith("busy")}
    assert counts.keys() - busy == {row.impression_id for row in others.collect()}
    # Binomial(90, 12/90) is outside these bounds with probability below 1e-5. The ids are fixed
    # here.
    assert 1 <= len(busy) <= 28
    again = only_counted(rows.select("user_key", "log_date", "impression_id").repartition(5), limited, SETTINGS)
    assert {row.impression_id for row in again.collect()} == counts.keys()
    fewer = limits(rows, UserSettings(impressions_per_day=4, least_impressions=4))
    assert {row.impression_id for row in only_counted(rows, fewer, SETTINGS).collect()} < counts.keys()


def test_a_user_is_limited_on_the_dates_of_the_robot_and_on_no_other(spark):
    later = DAY + timedelta(days=1)
    days = [ordinary_users(), pages("u", 300, [5]), ordinary_users(later), pages("u", 2, [5], day=later)]
    rows = spark.createDataFrame(pd.concat(days))
    kept = only_counted(rows, limits(rows), SETTINGS).where("user_key = 'u' AND position = 1")
    assert [row.log_date for row in kept.collect()] == [later, later]


@pytest.mark.statistical
def test_users_who_search_much_are_not_excluded(spark):
    """20,000 users per date: the bound excludes 4e-7 of log-normal, 1e-5 of Pareto counts."""
    rng = np.random.default_rng(4)
    people = 20_000
    activity = np.arange(1, people + 1) ** -0.4
    worlds = (
        1 + rng.poisson(2.0 * people * activity / activity.sum()),
        np.ceil(rng.lognormal(np.log(2.0), 1.0, people)),
        np.ceil(rng.lognormal(np.log(3.0), 1.25, people)),
        np.floor(rng.pareto(2.5, people) + 1.0),
    )
    places = np.arange(1, 11) ** -0.7
    days = []
    for number, counts in enumerate(worlds):
        clicks = rng.poisson(counts[:, None] * 0.6 * places / places.sum())
        days.append(
            pd.DataFrame(
                {
                    "log_date": DAY + timedelta(days=number),
                    "user_key": [f"person-{n}" for n in range(people)],
                    "impressions": counts.astype(np.int64),
                    "clicks": clicks.sum(axis=1),
                    "page_reward": clicks.sum(axis=1).astype(np.float64),
                    "one_position_clicks": clicks[:, 1:].max(axis=1),
                    "lower_clicks": clicks[:, 1:].sum(axis=1),
                    "lower_shown": 9 * counts.astype(np.int64),
                }
            )
        )
    limited = to_limited_users(spark.createDataFrame(pd.concat(days)), SETTINGS)
    excluded = {
        row.log_date: row["count"] for row in limited.where("counted_share = 0").groupBy("log_date").count().collect()
    }
    # Poisson(0.2) reaches 6 in fewer than 1 of ten million worlds.
    assert max(excluded.values(), default=0) <= 5
    # Where nearly everybody searches seldom, the caps touch fewer than 1 in 10.
    assert limited.where("reason = 'capped'").count() < 0.1 * 4 * people


def test_the_bound_does_not_move_with_a_robot_however_large():
    counts = np.random.default_rng(2).geometric(0.4, 1_000)
    bounds = [
        robust_bound(*np.quantile(np.append(counts, [size] * 40), [0.5, 0.95]), distance=3.0)
        for size in (1_000, 10_000_000)
    ]
    assert bounds[0] == bounds[1] < 1_000


@pytest.mark.long
def test_a_robot_with_a_tenth_of_the_log_does_not_change_examination(spark):
    people = slate_rows(seed=7, impressions=4_000).assign(page_reward=0.0)
    robot = pages("robot", 400, [5], positions=TRUE_CURVE.size)
    robot["query_key"] = [f"query {n % 50}" for n in np.repeat(np.arange(400), TRUE_CURVE.size)]
    rows = spark.createDataFrame(pd.concat([people, robot[people.columns]])).persist()

    def curve(part):
        pairs = to_linking_pairs(part, TRUE_CURVE.size).persist()
        return fit_curves(pairs, ["search"], TRUE_CURVE.size, ClickSettings()).curves["search"].examination

    alone = curve(rows.where("user_key != 'robot'"))
    assert np.abs(curve(rows) / alone - 1.0).max() > 0.3
    assert np.abs(curve(only_counted(rows, limits(rows), SETTINGS)) / alone - 1.0).max() < 0.01


def evidence_of(rows: pd.DataFrame) -> float:
    """Evidence R, by user, of the policy that logged the rows."""
    rewards, one = rows["page_reward"].to_numpy(), np.ones(len(rows))
    names = {"n": one, "p_w": one, "p_w_squared": one, "p_wr": rewards, "p_wr_squared": rewards**2}
    sums = ClusteredSums.of({**names, "p_unsupported": 0.0 * one}, list(rows["user_key"]), tails=["p_wr"])
    return summarize_policy(sums, "p", 0.0).evidence_of_users


@pytest.mark.parametrize(("people", "robot_pages"), [(3_000, 750), (240, 60)])
def test_a_verdict_comes_although_one_user_holds_a_fifth_of_the_rewards_and_the_user_is_named(
    spark, people, robot_pages
):
    """The robot is excluded or capped, so the gate takes its look; reasons name the robot."""
    person_pages = [pages(f"person-{n}", 1, [1], positions=1) for n in range(people)]
    made = pd.concat([*person_pages, pages("robot", robot_pages, [1], positions=1)])
    rows = spark.createDataFrame(made)
    limited = limits(rows)
    counted = only_counted(rows, limited, SETTINGS).toPandas()

    def outcome(evidence: float) -> str:
        found = Judgement(Estimate(0.02, 0.01), 0.5, evidence, 900.0, len(counted), people, 1)
        return judge_night(found, 1, [], 0.01, GateSettings()).reasons[0]

    before, after = evidence_of(made), evidence_of(counted)
    assert before < 100.0 <= after
    assert "no look" in outcome(before)
    assert "no look" not in outcome(after)
    named = heaviest_limited(limited, 3)
    assert [user.user_key for user in named] == ["robot"]
    assert named[0].share_of_reward == pytest.approx(robot_pages / (people + robot_pages))
    assert heaviest_counted(rows, 1, 0.1) == [
        f"one user earned {robot_pages / (people + robot_pages):.1%} of the rewards judged on"
    ]
    assert heaviest_counted(rows.where(F.col("user_key") != "robot"), 1, 0.1) == []
