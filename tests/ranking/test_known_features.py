"""Pages without logged features: each known feature is the number that a service would use."""

from __future__ import annotations

from datetime import date, timedelta
from math import isnan, nan

import numpy as np
import pytest

from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.memory_part import MemoryPart
from ltrr.artifacts.payloads import get_payload
from ltrr.core.hashing import bucket
from ltrr.core.planning import Block
from ltrr.core.ranker_features import ranker_features, ranker_matrix
from ltrr.core.text_overlap import OVERLAPS, EntityFields, text_overlap
from ltrr.memory.parts import store_memory_parts
from ltrr.memory.rollup import MemoryPeriod, to_evidence_as_of, to_weeks
from ltrr.memory.score import estimate_prior_examinations, with_predicted_score, with_score
from ltrr.memory.served_before import PLACE, to_memory_before
from ltrr.memory.settings import MemorySettings
from ltrr.ranking.known_features import with_known_features
from ltrr.ranking.overlaps import with_overlap

pytestmark = pytest.mark.spark

ONE = 1 << 20
FIRST = date(2026, 2, 2)
DAYS = 24
MEMORY = MemorySettings(entities_per_query=6, parts=3, horizon_weeks=2)
GROUPS = ("listings", "query", "strategies", "overlaps")
POLICY = PolicySettings("search", ("search", "memory"), block_size=2, budget=2, ranker_groups=GROUPS)
NAMES = [feature.name for feature in ranker_features(POLICY.space, GROUPS)]
UNKNOWN = {"fusion", "strategies_listing", *(name for name in NAMES if name.endswith(":search"))}
TEXTS = {name for name, _ in OVERLAPS}
QUERIES = ("love", "blade runner 2049", "never mind", "zebra")
FIELDS = {
    f"e{n}": EntityFields(f"Love {n} zebra", people="Runner, Mind", year=2049.0 if n % 2 else nan) for n in range(6)
}
EVIDENCE = "query_key string, entity_id string, clicks bigint, clicks_squared bigint, examinations bigint, "
DAILY = f"log_date date, {EVIDENCE} examinations_squared bigint"


def daily_rows(seed: int = 5) -> list[tuple]:
    """Evidence of some pairs on every date; the last query and the first date have none."""
    rng = np.random.default_rng(seed)
    return [
        (FIRST + timedelta(days=day), query, f"e{n}", clicks * ONE, clicks * ONE, seen * ONE, seen * ONE)
        for day in range(1, DAYS)
        for query in QUERIES[:3]
        for n in range(9)
        if (seen := int(rng.integers(0, 4)))
        for clicks in (int(rng.integers(0, seen + 1)) if n else seen,)
    ]


def period(day: date) -> MemoryPeriod:
    """The period of the night before, whose logs have two open dates."""
    return MemoryPeriod.of(day - timedelta(days=1), day - timedelta(days=2), MEMORY.horizon_weeks)


def memories(spark, rows: list[tuple], dates: list[date]):
    daily = spark.createDataFrame(rows, DAILY)
    searched = spark.createDataFrame(
        [(day, query) for day in dates for query in QUERIES], "log_date date, query_key string"
    )
    return to_memory_before(
        daily, to_weeks(daily, MEMORY.half_life_days), searched, [period(day) for day in dates], MEMORY
    )


def recall_of_night(spark, root: str, day: date):
    """`recall` of the memory that the night of `day` publishes, by the code of nights."""
    daily = spark.createDataFrame(daily_rows(), DAILY)
    weeks = to_weeks(daily, MEMORY.half_life_days)
    made = MemoryPeriod.of(day, day - timedelta(days=1), MEMORY.horizon_weeks)
    evidence = to_evidence_as_of(
        daily,
        weeks.where(weeks.period_start >= made.first_week),
        open_week=made.open_week,
        as_of=day,
        half_life_days=MEMORY.half_life_days,
    )
    predicted = with_predicted_score(evidence, MEMORY.entity_prior_examinations)
    scored = with_score(predicted, estimate_prior_examinations(predicted, MEMORY), MEMORY.interval_sigmas)
    stored = store_memory_parts(scored, root, MEMORY)
    parts = [MemoryPart.of_bytes(get_payload(root, stored[name].sha256)) for name in sorted(stored)]
    return lambda query, limit: parts[bucket(query, MEMORY.parts)].recall(query, limit)


@pytest.fixture(scope="module")
def dates() -> list[date]:
    # A Monday, a Tuesday and a Sunday, and the first date.
    return [FIRST, *(FIRST + timedelta(days=n) for n in (14, 15, 20))]


@pytest.fixture(scope="module")
def before(_session, dates):
    return {tuple(row[name] for name in PLACE): row for row in memories(_session, daily_rows(), dates).collect()}


@pytest.mark.long
def test_features_are_those_of_serving_with_the_memory_of_the_night_before(spark, tmp_path, dates, before):
    pages = [(day, query, f"e{n}") for day in dates for query in QUERIES for n in range(9)]
    found = [before.get(page) for page in pages]
    columns = ("memory_rank", "memory_score", "memory_best_score")
    rows = spark.createDataFrame(
        [
            (*page, [], *(row[name] if row else None for name in columns))
            for page, row in zip(pages, found, strict=True)
        ],
        "log_date date, query_key string, entity_id string, features array<double>, memory_rank bigint, "
        "memory_score double, memory_best_score double",
    )
    entities = spark.createDataFrame(
        [
            (name, one.title, None, one.people, None, None if isnan(one.year) else one.year, None)
            for name, one in FIELDS.items()
        ],
        "entity_id string, title string, description string, people string, topics string, year double, "
        "popularity double",
    )
    filled = with_known_features(with_overlap(rows, entities, 2), NAMES, POLICY.block_size * POLICY.budget)
    features = {tuple(row[name] for name in PLACE): row.features for row in filled.collect()}
    assert len(features) == len(pages)
    ranks = set()
    for day in dates:
        recall = recall_of_night(spark, str(tmp_path / str(day)), day - timedelta(days=1))
        for query in QUERIES:
            recalled = recall(query, POLICY.block_size * POLICY.budget)
            ranks.add(len(recalled))
            blocks = [
                Block("memory", 1 + at // 2, "ok", *zip(*recalled[at : at + 2], strict=True))
                for at in range(0, len(recalled), 2)
            ]
            # The page of another engine, in blocks of the size of the plans.
            page = [Block("search", 1 + at, "ok", (f"e{2 * at}", f"e{2 * at + 1}"), (1.0, 0.5)) for at in range(4)]
            overlaps = {name: text_overlap(query, one, 2) for name, one in FIELDS.items()}
            ids, served = ranker_matrix(POLICY.space, [*page, *blocks], query, GROUPS, overlaps)
            for entity_id, values in zip(ids, served, strict=True):
                for name, online, trained in zip(NAMES, values, features[day, query, entity_id], strict=True):
                    is_unknown = name in UNKNOWN or (name in TEXTS and entity_id not in FIELDS)
                    expected = nan if is_unknown else online
                    assert trained == pytest.approx(expected, abs=2e-6, nan_ok=True), (day, query, entity_id, name)
    assert ranks == {0, 4}


def test_a_row_never_depends_on_its_own_date_or_a_later_one(spark, dates, before):
    day = dates[2]
    own = [
        (when, query, f"e{n}", 50 * ONE, 50 * ONE, 50 * ONE, 50 * ONE)
        for when in (day, day + timedelta(days=1), day + timedelta(days=9))
        for query in QUERIES
        for n in range(9)
    ]
    kept = [row for row in daily_rows() if row[0] < day]
    found = {tuple(row[name] for name in PLACE): row for row in memories(spark, kept + own, [day]).collect()}
    assert found == {place: row for place, row in before.items() if place[0] == day}
    assert found
    later = memories(spark, kept + own, [day + timedelta(days=1)]).collect()
    assert {row.query_key for row in later} == set(QUERIES)
