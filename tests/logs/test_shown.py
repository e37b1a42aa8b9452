"""Slates of responses: those of one row equal those of all rows grouped by entity and position."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from ltrr.logs.shown import to_shown_slates
from ltrr.logs.slates import Slates

pytestmark = pytest.mark.spark
PAGES = "array<struct<at:timestamp,first_position:int,entity_ids:array<string>>>"
SEARCHES = f"impression_id string, pages {PAGES}"
FACTS = (
    "DATE'2026-03-02' log_date",
    "impression_id",
    "'q' query_key",
    "'u' user_key",
    "7 user_fold",
    "'search' surface",
    "pages",
)


def slate_of(pages: list[tuple[datetime, int, list[str]]]) -> set[tuple[int, str]]:
    """The slate by the definition, in plain Python."""
    shown: list[tuple[int, str]] = []
    for _, first, entities in sorted(pages):
        if first <= 1 and {entity for _, entity in shown} & set(entities):
            continue
        start = first if first > 1 else max((place for place, _ in shown), default=0) + 1
        shown += [(start + n, entity) for n, entity in enumerate(entities)]
    by_entity: dict[str, int] = {}
    for place, entity in shown:
        by_entity[entity] = min(place, by_entity.get(entity, place))
    by_position: dict[int, str] = {}
    for entity, place in by_entity.items():
        by_position[place] = min(entity, by_position.get(place, entity))
    return set(by_position.items())


def test_slates_of_responses_equal_their_definition(spark: SparkSession) -> None:
    rng = random.Random(3)
    searches = []
    for number in range(300):
        pages = [
            (
                datetime(2026, 3, 2, 12, n, tzinfo=UTC),
                rng.choice([0, 1, 1, 1, 3]),
                rng.choices("abcdefgh", k=rng.randrange(5)),
            )
            for n in range(rng.choice([0, 1, 1, 2, 3]))
        ]
        searches.append((f"i{number}", pages))
    frame = spark.createDataFrame(searches, SEARCHES).selectExpr(*FACTS)
    events = frame.selectExpr("log_date", "impression_id", "'x' entity_id", "1 position", "TIMESTAMP'2026-03-02' at")
    for shown_events in (None, events.where("false")):
        check(to_shown_slates(frame, shown_events), searches)


def check(slates: Slates, searches: list[tuple[str, list]]) -> None:
    assert slates.rows.isEmpty()
    [lists] = slates.lists
    rows = lists.selectExpr("impression_id", "inline(slate)").collect()
    found = {name: set() for name, _ in searches}
    for row in rows:
        found[row["impression_id"]].add((row["position"], row["entity_id"]))
    assert found == {name: slate_of(pages) for name, pages in searches}
    assert len(rows) == sum(map(len, found.values()))
