"""The published memory: Spark tasks write every part, and the serving code finds its entries."""

import pytest

from ltrr.artifacts.memory_part import MemoryPart
from ltrr.artifacts.payloads import get_payload
from ltrr.core.hashing import bucket
from ltrr.memory.parts import store_memory_parts
from ltrr.memory.settings import MemorySettings

pytestmark = pytest.mark.spark
COLUMNS = "query_key string, entity_id string, score double, weighted_clicks double, weighted_examinations double"


def test_every_query_is_found_in_its_part_best_entities_first(spark, home):
    queries = [f"query {n}" for n in range(30)]
    rows = [(query, f"e{n}", n / 10.0, 1.0, n + 2.0) for query in queries for n in range(6)]
    rows += [(query, "never clicked", 9.9, 0.0, 5.0) for query in queries]
    settings = MemorySettings(parts=4, entities_per_query=3)
    memory = spark.createDataFrame(rows, COLUMNS)
    stored = store_memory_parts(memory.repartition(3), home / "search", settings)
    assert sorted(stored) == [f"memory-00{n}.npz" for n in range(4)]
    parts = [MemoryPart.of_bytes(get_payload(home / "search", stored[name].sha256)) for name in sorted(stored)]
    assert sum(map(len, parts)) == len(queries)
    for query in queries:
        part = parts[bucket(query, 4)]
        assert [entity_id for entity_id, _ in part.recall(query, limit=10)] == ["e5", "e4", "e3"]
        assert part.evidence(query) == {"e5": (1.0, 7.0), "e4": (1.0, 6.0), "e3": (1.0, 5.0)}
    # Another layout of the same rows is the same payload.
    assert store_memory_parts(memory.orderBy("score").coalesce(1), home / "search", settings) == stored


def test_a_memory_that_knows_nothing_still_has_all_its_parts(spark, home):
    stored = store_memory_parts(spark.createDataFrame([], COLUMNS), home / "search", MemorySettings(parts=2))
    assert sorted(stored) == ["memory-000.npz", "memory-001.npz"]
    for payload in stored.values():
        assert len(MemoryPart.of_bytes(get_payload(home / "search", payload.sha256))) == 0
