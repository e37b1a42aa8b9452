"""Slates as lists equal slates as rows: rewards, events and counts are those of single rows."""

from __future__ import annotations

import random
from datetime import date

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.logs.rewards import with_rewards
from ltrr.logs.slates import OF_SEARCH, Slates
from ltrr.users.limits import to_user_days

pytestmark = pytest.mark.spark
SLOT = "struct<position:int,entity_id:string,features:array<double>>"
LISTS = (
    "log_date date, impression_id string, query_key string, user_key string, user_fold int, surface string, "
    f"slate array<{SLOT}>"
)
REWARDS = "log_date date, impression_id string, entity_id string, clicks int, page_reward double"
DAYS = (date(2026, 3, 1), date(2026, 3, 2))


@pytest.fixture
def lists(spark: SparkSession) -> DataFrame:
    """Searches of two dates; ids are used on both, and some slates have gaps or no entity."""
    rng = random.Random(5)
    rows = []
    for number in range(200):
        places = sorted(rng.sample(range(1, 9), rng.randrange(6)))
        slate = [(place, f"e{rng.randrange(10**6)}", [float(place)]) for place in places]
        rows.append((DAYS[number % 2], f"i{number // 2}", "q", f"u{number % 23}", 7, "search", slate))
    return spark.createDataFrame(rows, LISTS).persist()


@pytest.fixture
def rewards(lists: DataFrame) -> DataFrame:
    """Rewards of a third of the shown entities."""
    rng = random.Random(6)
    found = [
        (row.log_date, row.impression_id, slot.entity_id, rng.randrange(2), float(1 + rng.randrange(3)))
        for row in lists.collect()
        for slot in row.slate
        if rng.random() < 1 / 3
    ]
    return lists.sparkSession.createDataFrame(found, REWARDS).persist()


def flat(lists: DataFrame) -> DataFrame:
    return lists.select(*OF_SEARCH, F.inline("slate"))


def sorted_rows(frame: DataFrame, like: DataFrame) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in frame.select(*like.columns).collect())


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_rewards_and_counts_are_those_of_single_rows(lists: DataFrame, rewards: DataFrame, share: float) -> None:
    is_row = F.rand(1) < share if share else F.lit(False)
    by_row = lists.withColumn("is_row", is_row).persist()
    slates = Slates(flat(by_row.where("is_row")), [by_row.where("NOT is_row").drop("is_row")])
    expected = with_rewards(flat(lists), rewards)
    assert sorted_rows(slates.with_rewards(rewards), expected) == sorted_rows(expected, expected)
    answered = expected.where("clicks > 0 OR page_reward > 0").drop("features")
    found = slates.answered_rows(rewards).where("clicks > 0 OR page_reward > 0")
    assert sorted_rows(found, answered) == sorted_rows(answered, answered)
    whole = to_user_days(lists, expected)
    parts = to_user_days(lists, slates.answered_rows(rewards), slates.lower_counts())
    assert sorted_rows(parts, whole) == sorted_rows(whole, whole)


def test_events_find_the_entities_of_their_search(lists: DataFrame, rewards: DataFrame) -> None:
    wanted = rewards.select("log_date", "impression_id", "entity_id")
    none = flat(lists).where("false")
    found = Slates(none, [lists]).of_events(wanted)
    assert found.join(wanted, on=wanted.columns, how="inner").count() == wanted.count()
    unshown = wanted.withColumn("entity_id", F.lit("another"))
    assert found.join(unshown, on=wanted.columns, how="inner").isEmpty()


def test_slates_without_features_have_none(lists: DataFrame, rewards: DataFrame) -> None:
    bare = lists.withColumn("slate", F.transform("slate", lambda slot: slot.dropFields("features")))
    rows = Slates(flat(lists).where("false"), [bare]).with_rewards(rewards)
    assert rows.where(F.size("features") > 0).isEmpty()
    assert rows.count() == flat(lists).count()
