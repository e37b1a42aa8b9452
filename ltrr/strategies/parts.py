"""Published history of frequent queries: one part per hash of query_key, written by Spark tasks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ltrr.artifacts.history_part import QueryHistory, history_part_bytes, part_name
from ltrr.artifacts.payloads import Payload, put_payload
from ltrr.core.hashing import bucket
from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.strategies.history import CoarseHistory
from ltrr.strategies.settings import HistorySettings

_COLUMNS = ("key", "parent", "strategy", "depth", "hit_rate", "marginal_hit_rate", "query_draws")
_SCHEMA = (
    "part int, key string, parent string, strategy string, depth int, hit_rate double, marginal_hit_rate double, "
    "query_draws double"
)


def store_history_parts(
    query_rates: DataFrame,
    coarse: CoarseHistory,
    space: PlanSpace,
    policy_url: str | os.PathLike[str],
    settings: HistorySettings,
) -> dict[str, Payload]:
    """Store all parts, including empty ones, in the payload store of the policy.

    Each part keeps the `queries_per_part` queries with the most draws, ties by key. The limit
    applies before a task collects a part, so a task holds at most `queries_per_part` x blocks rows.
    It also bounds what a service loads. With more queries, the share of searches with rates of
    their own falls; raise `history.parts` against it.

    Args:
        query_rates: (query, block) rows of `strategies.queries` with shrunk rates, class and draws.
        coarse: History of the classes. It fills the blocks that a query never drew.
        space: Plan space.
        policy_url: `<policies>/<name>`, reachable from the executors.
        settings: Number of parts, maximum number of queries per part.

    Returns:
        File name -> stored payload.
    """
    placed = query_rates.select(*_COLUMNS).mapInArrow(_part_task(settings.parts), _SCHEMA)
    most_drawn = Window.partitionBy("part").orderBy(F.col("query_draws").desc(), F.col("key"))
    head = placed.withColumn("place", F.dense_rank().over(most_drawn)).where(
        F.col("place") <= F.lit(settings.queries_per_part)
    )
    classes = {key: history.rates for key, history in coarse.classes.items()}
    stored = head.groupBy("part").applyInArrow(
        _store_task(os.fspath(policy_url), classes, space), "part int, sha256 string, size bigint"
    )
    parts = {row["part"]: Payload(row["sha256"], row["size"]) for row in stored.collect()}
    if len(parts) < settings.parts:
        nothing = put_payload(policy_url, history_part_bytes([], space))
        parts = dict.fromkeys(range(settings.parts), nothing) | parts
    return {part_name(part): parts[part] for part in sorted(parts)}


def _part_task(parts: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Task that adds the part of each row, with the hash function that serving uses."""

    def place(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = pc.dictionary_encode(batch.column("key"))
            part_of_key = pa.array([bucket(key, parts) for key in keys.dictionary.to_pylist()], pa.int32())
            yield pa.RecordBatch.from_arrays(
                [part_of_key.take(keys.indices), *batch.columns], names=["part", *batch.schema.names]
            )

    return place


def _store_task(policy_url: str, classes: Mapping[str, History], space: PlanSpace) -> Callable[[pa.Table], pa.Table]:
    """Task that writes one part and returns its hash."""

    def store(part: pa.Table) -> pa.Table:
        rows = part.sort_by([("key", "ascending"), ("strategy", "ascending"), ("depth", "ascending")]).to_pylist()
        queries = []
        for key, blocks in groupby(rows, key=lambda row: row["key"]):
            drawn = list(blocks)
            of_class = classes[drawn[0]["parent"]]
            hit_rate, marginal_hit_rate = of_class.hit_rate.copy(), of_class.marginal_hit_rate.copy()
            for row in drawn:
                block = space.strategy_index[row["strategy"]], row["depth"] - 1
                hit_rate[block], marginal_hit_rate[block] = row["hit_rate"], row["marginal_hit_rate"]
            queries.append(QueryHistory(key, History(hit_rate, marginal_hit_rate), drawn[0]["query_draws"]))
        stored = put_payload(policy_url, history_part_bytes(queries, space))
        return pa.table(
            {
                "part": pa.array([part["part"][0].as_py()], pa.int32()),
                "sha256": pa.array([stored.sha256], pa.string()),
                "size": pa.array([stored.size], pa.int64()),
            }
        )

    return store
