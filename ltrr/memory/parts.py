"""Published files of the memory: one part per hash of query_key, each written by one Spark task."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import groupby, islice

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.memory_part import MemoryEntry, memory_part_bytes, part_name
from ltrr.artifacts.payloads import Payload, put_payload
from ltrr.core.hashing import bucket
from ltrr.memory.settings import MemorySettings

_ENTRY = ("entity_id", "score", "weighted_clicks", "weighted_examinations")
"""Columns of a `MemoryEntry`, in its order."""


def store_memory_parts(
    memory: DataFrame, policy_url: str | os.PathLike[str], settings: MemorySettings
) -> dict[str, Payload]:
    """Store all parts, including empty ones, in the payload store of the policy.

    A query keeps its `entities_per_query` entities with the best scores among those that were
    clicked, best score first. The driver collects only hashes and sizes. A task holds one part in
    memory, and as many parts are written at once as there are cores: for more queries, raise
    `memory.parts`. A task that runs twice stores the same bytes under the same name.

    Args:
        memory: Rows with query_key, entity_id, score, weighted_clicks and weighted_examinations.
        policy_url: `<policies>/<name>`, reachable from the executors.
        settings: Number of parts, maximum number of entities per query.

    Returns:
        File name -> stored payload.
    """
    clicked = memory.where(F.col("weighted_clicks") > 0).select("query_key", *_ENTRY)
    placed = clicked.mapInArrow(
        _part_task(settings.parts),
        "part int, query_key string, entity_id string, score double, weighted_clicks double, "
        "weighted_examinations double",
    )
    stored = placed.groupBy("part").applyInArrow(
        _store_task(os.fspath(policy_url), settings.entities_per_query), "part int, sha256 string, size bigint"
    )
    parts = {row["part"]: Payload(row["sha256"], row["size"]) for row in stored.collect()}
    if len(parts) < settings.parts:
        nothing = put_payload(policy_url, memory_part_bytes([]))
        parts = dict.fromkeys(range(settings.parts), nothing) | parts
    return {part_name(part): parts[part] for part in sorted(parts)}


def _part_task(parts: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Task that adds the part of each row, with the hash function that serving uses.

    It hashes each key once per batch.
    """

    def place(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = pc.dictionary_encode(batch.column("query_key"))
            part_of_key = pa.array([bucket(key, parts) for key in keys.dictionary.to_pylist()], pa.int32())
            yield pa.RecordBatch.from_arrays(
                [part_of_key.take(keys.indices), *batch.columns], names=["part", *batch.schema.names]
            )

    return place


def _store_task(policy_url: str, entities_per_query: int) -> Callable[[pa.Table], pa.Table]:
    """Task that writes one part and returns its hash."""

    def store(part: pa.Table) -> pa.Table:
        best_first = part.sort_by([("query_key", "ascending"), ("score", "descending"), ("entity_id", "ascending")])
        columns = (best_first[name].to_pylist() for name in ("query_key", *_ENTRY))
        rows = [
            (query_key, [MemoryEntry(*entry) for _, *entry in islice(pairs, entities_per_query)])
            for query_key, pairs in groupby(zip(*columns, strict=True), key=lambda row: row[0])
        ]
        stored = put_payload(policy_url, memory_part_bytes(rows))
        number = part["part"][0].as_py()
        return pa.table(
            {
                "part": pa.array([number], pa.int32()),
                "sha256": pa.array([stored.sha256], pa.string()),
                "size": pa.array([stored.size], pa.int64()),
            }
        )

    return store
