"""Daily and weekly evidence: once per user and date, exact in any order, equal by days or weeks."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from ltrr.memory.evidence import to_daily_evidence, to_query_days
from ltrr.memory.rollup import first_open_week, to_evidence_as_of, to_weeks

pytestmark = pytest.mark.spark
ONE = 1 << 20
SUMS = ["clicks", "clicks_squared", "examinations", "examinations_squared"]


def slate_frame(days: int, rows: int, seed: int) -> pd.DataFrame:
    """Random slate rows; examination is no fixed-point number, so a double sum has an order."""
    rng = np.random.default_rng(seed)
    first = dt.date(2026, 2, 25)
    return pd.DataFrame(
        {
            "log_date": [first + dt.timedelta(days=int(n)) for n in rng.integers(0, days, rows)],
            "query_key": [f"q{n}" for n in rng.integers(0, 6, rows)],
            "entity_id": [f"e{n}" for n in rng.integers(0, 5, rows)],
            "user_key": [f"u{n}" for n in rng.integers(0, 40, rows)],
            "clicks": rng.integers(0, 2, rows).astype(np.int32),
            "examination": rng.uniform(0.05, 1.1, rows),
        }
    )


def by_key(frame, *keys):
    return {tuple(row[key] for key in keys): tuple(row[name] for name in SUMS) for row in frame.collect()}


def test_a_user_counts_once_a_day_with_the_best_position(spark):
    rows = [
        # u1 searches three times on one day: one click, one examination at the best position.
        ("2026-03-02", "u1", 0, 0.5),
        ("2026-03-02", "u1", 1, 0.25),
        ("2026-03-02", "u1", 1, 0.25),
        ("2026-03-02", "u2", 0, 1.0),
        # The next day counts again.
        ("2026-03-03", "u1", 0, 0.5),
    ]
    slates = spark.createDataFrame(rows, "day string, user_key string, clicks int, examination double").selectExpr(
        "CAST(day AS date) log_date", "'love' query_key", "'e1' entity_id", "user_key", "clicks", "examination"
    )
    found = by_key(to_daily_evidence(slates), "log_date")
    assert found == {
        (dt.date(2026, 3, 2),): (ONE, ONE, ONE + ONE // 2, ONE + ONE // 4),
        (dt.date(2026, 3, 3),): (0, 0, ONE // 2, ONE // 4),
    }


def test_sums_are_exact_in_any_order_and_partitioning(spark):
    rows = slate_frame(days=3, rows=4_000, seed=5)
    keys = ("log_date", "query_key", "entity_id")
    one = by_key(to_daily_evidence(spark.createDataFrame(rows).coalesce(1)), *keys)
    shuffled = spark.createDataFrame(rows.sample(frac=1.0, random_state=9)).repartition(11, "user_key")
    assert by_key(to_daily_evidence(shuffled), *keys) == one


def test_distinct_users_merge_over_days(spark):
    rows = [
        ("2026-03-02", "u1"),
        ("2026-03-02", "u1"),
        ("2026-03-02", "u2"),
        ("2026-03-03", "u2"),
        ("2026-03-03", "u3"),
    ]
    impressions = spark.createDataFrame(rows, "day string, user_key string").selectExpr(
        "CAST(day AS date) log_date", "'love' query_key", "'one_word' query_class", "user_key"
    )
    days = to_query_days(impressions)
    assert sorted((row.impressions, row.users) for row in days.collect()) == [(2, 2.0), (3, 2.0)]
    merged = days.selectExpr("theta_sketch_estimate(theta_union_agg(users_sketch)) AS users").first()
    assert merged.users == 3


def test_weeks_and_days_give_the_same_evidence(spark):
    half_life_days = 10.0
    daily = to_daily_evidence(spark.createDataFrame(slate_frame(days=19, rows=3_000, seed=6))).cache()
    as_of = dt.date(2026, 3, 14)
    open_week = first_open_week(as_of - dt.timedelta(days=1))
    weeks = to_weeks(daily.where(daily.log_date < open_week), half_life_days)
    evidence = to_evidence_as_of(daily, weeks, open_week=open_week, as_of=as_of, half_life_days=half_life_days)
    folded = by_key(evidence, "query_key", "entity_id")

    known = daily.where(daily.log_date <= as_of).toPandas()
    weight = 0.5 ** (np.array([(as_of - day).days for day in known["log_date"]]) / half_life_days)
    for name, factor in zip(SUMS, (weight, weight**2, weight, weight**2), strict=True):
        known[name] = known[name] * factor
    by_days = known.groupby(["query_key", "entity_id"])[SUMS].sum()
    assert len(folded) == len(by_days)
    for key, sums in folded.items():
        # Each of at most 18 days and 3 weeks was rounded to one unit.
        assert np.abs(np.array(sums) - by_days.loc[key].to_numpy()).max() <= 21


def test_a_click_of_tomorrow_changes_nothing_known_today(spark):
    today = dt.date(2026, 3, 4)
    daily = to_daily_evidence(spark.createDataFrame(slate_frame(days=8, rows=500, seed=7)))
    planted = daily.unionByName(
        spark.createDataFrame([(dt.date(2026, 3, 5), "q1", "e1", 9 * ONE, 9 * ONE, ONE, ONE)], daily.schema)
    )
    open_week = first_open_week(today)
    weeks = to_weeks(daily.where(daily.log_date < open_week), 30.0)
    known = [
        by_key(
            to_evidence_as_of(days, weeks, open_week=open_week, as_of=today, half_life_days=30.0),
            *("query_key", "entity_id"),
        )
        for days in (daily, planted)
    ]
    assert known[0] == known[1]


def test_the_empty_query_has_no_evidence(spark):
    rows = slate_frame(days=1, rows=50, seed=3)
    rows["query_key"] = ""
    empty = to_daily_evidence(spark.createDataFrame(rows))
    assert empty.count() == 0
    # Evidence of the empty key that an earlier ltrr wrote is left out.
    rows["query_key"] = "q"
    day = rows["log_date"].min()
    daily = to_daily_evidence(spark.createDataFrame(rows))
    old = daily.selectExpr("log_date", "'' query_key", "entity_id", *SUMS)
    dates = {"open_week": day - dt.timedelta(days=day.weekday()), "as_of": day, "half_life_days": 30.0}
    weeks = to_weeks(daily.limit(0), 30.0)
    found = to_evidence_as_of(daily.unionByName(old), weeks, **dates)
    assert {row["query_key"] for row in found.collect()} == {"q"}
