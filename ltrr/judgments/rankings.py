"""Rankings of a home that judgments can be compared with: memory, served pages, champion."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltrr.artifacts.looks import blocks_of_rows, facts_of_rows
from ltrr.core.facts import overlaps_of
from ltrr.core.planning import Block
from ltrr.judgments.grades import MemoryPair
from ltrr.serving.policy import Policy

MEMORY, SERVED, CHAMPION = "memory", "served", "champion"
RANKINGS = {
    MEMORY: "entities of the newest memory with a click, best score first",
    SERVED: "page of the newest search of the query",
    CHAMPION: "all blocks fetched for the newest search of the query, ordered by the ranker that serves",
}
"""Name -> meaning of each ranking."""


def read_memory_pairs(memory: DataFrame, keys: Collection[str]) -> list[MemoryPair]:
    """Pairs of the newest night in `q2e_memory` of judged queries."""
    rows = _newest_pairs(memory).where(F.col("query_key").isin(sorted(keys)))
    return [MemoryPair(*row) for row in rows.orderBy("query_key", "entity_id").collect()]


def stream_memory(memory: DataFrame, entities: DataFrame | None = None) -> Iterator[tuple[str, list[MemoryPair]]]:
    """(query, its pairs) of the newest night in `q2e_memory`, in the order of the queries.

    The driver has one partition of the sorted rows at a time.

    Args:
        memory: Rows of `q2e_memory`.
        entities: Catalogue with entity_id and title; by default no title is known.
    """
    newest = _newest_pairs(memory)
    if entities is not None:
        titles = entities.select("entity_id", "title")
        newest = newest.join(titles, on="entity_id", how="left").select(*newest.columns, F.coalesce("title", F.lit("")))
    rows = newest.orderBy("query_key", "entity_id").toLocalIterator()
    pairs = (MemoryPair(*row) for row in rows)
    for key, of_query in groupby(pairs, key=lambda pair: pair.query_key):
        yield key, list(of_query)


def _newest_pairs(memory: DataFrame) -> DataFrame:
    newest = memory.agg(F.max("as_of_date")).collect()[0][0]
    columns = ("query_key", "entity_id", "score", "low", "high", "weighted_clicks", "weighted_examinations")
    return memory.where(F.col("as_of_date") == F.lit(newest)).select(*columns)


def rank_memory(pairs: Sequence[MemoryPair]) -> dict[str, list[str]]:
    """query_key -> entities with a click, best score first, equal scores by entity_id.

    >>> pairs = [MemoryPair("q", "e1", 0.2, 0, 1, 1, 5), MemoryPair("q", "e2", 0.5, 0, 1, 1, 2),
    ...          MemoryPair("q", "e3", 0.9, 0, 1, 0, 0)]
    >>> rank_memory(pairs)
    {'q': ['e2', 'e1']}
    """
    clicked = sorted(
        (pair for pair in pairs if pair.clicks > 0), key=lambda pair: (pair.query_key, -pair.score, pair.entity_id)
    )
    found: dict[str, list[str]] = {}
    for pair in clicked:
        found.setdefault(pair.query_key, []).append(pair.entity_id)
    return found


def stream_served_pages(
    slate_rows: DataFrame, impressions: DataFrame, keys: Collection[str] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """(query, entities of the page of its newest search), in the order of the queries.

    The driver has one partition of the sorted rows at a time.

    Args:
        slate_rows: Rows of `slate_rows`.
        impressions: Rows of `impressions` of the same dates.
        keys: Queries; by default all.
    """
    newest = _newest(_only_keys(impressions, keys), F.col("at")).select("log_date", "impression_id")
    shown = slate_rows.join(newest, on=["log_date", "impression_id"], how="inner")
    rows = shown.select("query_key", "position", "entity_id").orderBy("query_key", "position", "entity_id")
    for key, page in groupby(rows.toLocalIterator(), key=lambda row: row["query_key"]):
        yield key, [row["entity_id"] for row in page]


def rank_by_champion(
    policy: Policy, decisions: DataFrame, impressions: DataFrame, keys: Collection[str]
) -> dict[str, list[str]]:
    """query_key -> order of the serving ranker over all blocks of the query's newest decision.

    Args:
        policy: Policy that serves.
        decisions: Rows of `decisions`.
        impressions: Rows of `impressions` of the same dates.
        keys: Judged queries.
    """
    served = _only_keys(impressions, keys).select("log_date", "impression_id", "at", "query_text")
    chosen = decisions.where(F.col("step") == 1).select("log_date", "impression_id", "query_key", "look", "deeper")
    rows = _newest(chosen.join(served, on=["log_date", "impression_id"], how="inner"), F.col("at"))
    pages: list[tuple[str, Sequence[Block]]] = []
    found: list[str] = []
    overlaps: list[Mapping[str, Sequence[float]]] = []
    for row in rows.select("query_key", "query_text", "look", "deeper").orderBy("query_key").collect():
        entries = row.asDict(recursive=True)
        logged = [*entries["look"], *entries["deeper"]]
        blocks = blocks_of_rows(logged)
        known = [block for block in blocks if block.strategy in policy.space.strategy_index]
        pages.append((entries["query_text"], known))
        found.append(entries["query_key"])
        overlaps.append(overlaps_of(facts_of_rows(logged)))
    slates: Mapping[str, Sequence[str]] = {
        key: slate.entity_ids for key, slate in zip(found, policy.rank_many(pages, overlaps=overlaps), strict=True)
    }
    return {key: list(entity_ids) for key, entity_ids in slates.items() if entity_ids}


def _only_keys(rows: DataFrame, keys: Collection[str] | None) -> DataFrame:
    return rows if keys is None else rows.where(F.col("query_key").isin(sorted(keys)))


def _newest(rows: DataFrame, at: Column) -> DataFrame:
    """The newest row of each query; searches at the same time are ordered by impression_id."""
    order = Window.partitionBy("query_key").orderBy(at.desc(), "log_date", "impression_id")
    return rows.withColumn("_place", F.row_number().over(order)).where(F.col("_place") == 1).drop("_place")
