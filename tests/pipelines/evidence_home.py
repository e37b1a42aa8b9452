"""A home with logs committed as by `ingest_logs`, for real runs of the jobs of evidence."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from ltrr.artifacts.manifest import PolicySettings
from ltrr.clicks.settings import ClickSettings
from ltrr.config import Settings
from ltrr.config.settings import PathSettings
from ltrr.core.queries import query_class
from ltrr.memory.settings import MemorySettings
from ltrr.pipelines.night import Night
from ltrr.spark.columns import schema_of
from ltrr.spark.commits import CommitLog, JobRun
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

SUNDAY = date(2026, 3, 1)
MONDAY = SUNDAY + timedelta(days=1)
POLICY = PolicySettings("search", ("title", "memory"), block_size=2, budget=2)
SPACE = POLICY.space
QUERIES = ("love", "blade runner 2049", "bad guy", "never mind")
LOG_TABLES = ("impressions", "decisions", "draws", "candidates", "slate_rows")
FLOOR = 0.1
NOON = time(12, tzinfo=UTC)
CURVE = (1.0, 0.7, 0.5, 0.4)


def evidence_home(home: Path) -> Settings:
    return Settings(
        policy=POLICY,
        history_starts=SUNDAY,
        paths=PathSettings(home=home),
        memory=MemorySettings(parts=3),
        clicks=ClickSettings(min_linking_pairs=2),
    )


def logged_day(day: date, impressions: int, *, clicked_share: float = 1.0) -> dict[str, list[tuple]]:
    """Rows of every log table, in the order of the catalog.

    Each query has entities e0..e5; users want e0 most.
    """
    rng = np.random.default_rng(day.toordinal())
    tables: dict[str, list[tuple]] = {name: [] for name in LOG_TABLES}
    for n in range(impressions):
        query = QUERIES[n % len(QUERIES)]
        impression = f"{day}-{n}"
        user, fold = f"user {n % 60}", n % 60
        plan = int(rng.integers(len(SPACE)))
        taken = SPACE.text(plan)
        shortlist = [("title:2", 1.0 - FLOOR * (len(SPACE) - 1))]
        p = shortlist[0][1] if taken == "title:2" else FLOOR
        kind = query_class(query)
        tables["impressions"].append(
            (
                *(impression, datetime.combine(day, NOON), day, day, query, query, kind, user, fold, "s1", "search"),
                *(0, {}, "v1", 1.0, "v1", "v1", "policy", None),
            )
        )
        tables["decisions"].append(
            (
                *(impression, 1, day, query, kind, user, fold, "v1", "policy", "plan", "first_look", taken, p),
                *(shortlist, FLOOR, len(SPACE), [], [], [], [], [], []),
                *(False, {name: depth for name, depth in parse_depths(plan) if depth}, None, None),
            )
        )
        drawn: list[int] = []
        for s, strategy in enumerate(SPACE.strategies):
            listed = rng.permutation(6)
            for depth in (1, 2):
                is_drawn = bool(depth <= SPACE.plans[plan][s])
                if depth == 1 or is_drawn:
                    tables["draws"].append((impression, strategy, depth, day, depth == 1, is_drawn, "ok", 2, 0, None))
                for rank in (2 * depth - 1, 2 * depth) if depth == 1 or is_drawn else ():
                    entity = int(listed[rank - 1])
                    tables["candidates"].append(
                        (impression, strategy, rank, depth, day, f"e{entity}", 1.0, depth == 1, is_drawn, None)
                    )
                    drawn += [entity] if is_drawn and entity not in drawn else []
        for place, entity in enumerate(drawn):
            clicks = int(rng.random() < clicked_share * CURVE[place] / (1 + entity))
            tables["slate_rows"].append(
                (impression, place + 1, day, f"e{entity}", query, user, fold, "search", clicks, float(clicks), [])
            )
    return tables


def parse_depths(plan: int) -> list[tuple[str, int]]:
    """Strategies of a plan with the number of their blocks."""
    return [(name, int(depth)) for name, depth in zip(SPACE.strategies, SPACE.plans[plan], strict=True)]


def commit_logs(spark: SparkSession, settings: Settings, day: date, *days: dict[str, list[tuple]]) -> None:
    """Write the rows of some days and commit them as `ingest_logs` of one date."""
    warehouse = Warehouse(spark, settings.paths.tables)
    commits = CommitLog(warehouse)
    commits.load(day - timedelta(days=1))
    night = Night(day, "ingest_logs", settings, spark, warehouse, commits)
    for name in (*LOG_TABLES, "limited_users") if days else ():
        rows = [row for tables in days for row in tables.get(name, [])]
        frame = spark.createDataFrame(rows, schema_of(table(name))).coalesce(1)
        night.write(name, frame, f"log_date >= DATE'{day - timedelta(days=1)}'")
    notes = {"query_key_version": str(settings.policy.query_key_version)}
    commits.commit(JobRun("ingest_logs", day, 1, "test", "test", (), night.carried_outputs(), notes, 0.0))
