"""Overlap of queries with the catalogue's entities, for pages whose records have none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import nan

import pyarrow as pa
from pyspark.sql import DataFrame

from ltrr.core.text_overlap import EntityFields, text_overlap

_PAIR = ("query_key", "entity_id")
_TEXTS = ("title", "description", "people", "topics")
_NUMBERS = ("year", "popularity")


def with_overlap(rows: DataFrame, entities: DataFrame, key_version: int) -> DataFrame:
    """Add `overlap` of query and entity, null for entities outside the catalogue; same rows.

    Only pairs that a page shows are computed, each once, with the function of the service. They are
    found by a join on entity_id, and the catalogue is never multiplied with queries.

    Args:
        rows: Rows with query_key and entity_id, and without overlap.
        entities: (entity_id) with the fields of the table `entities`.
        key_version: Version of the query key.
    """
    pairs = rows.select(*_PAIR).distinct()
    fields = entities.select("entity_id", *_TEXTS, *_NUMBERS)
    known = pairs.join(fields, on="entity_id", how="inner").select(*_PAIR, *_TEXTS, *_NUMBERS)
    overlaps = known.mapInArrow(_overlap_task(key_version), "query_key string, entity_id string, overlap array<double>")
    return rows.join(overlaps, on=list(_PAIR), how="left")


def _overlap_task(key_version: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def compute(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = (batch.column(name).to_pylist() for name in ("query_key", *_TEXTS, *_NUMBERS))
            overlaps = [text_overlap(key, _fields_of(texts), key_version) for key, *texts in zip(*columns, strict=True)]
            yield pa.RecordBatch.from_arrays(
                [*(batch.column(name) for name in _PAIR), pa.array(overlaps, pa.list_(pa.float64()))],
                names=[*_PAIR, "overlap"],
            )

    return compute


def _fields_of(values: list[str | float | None]) -> EntityFields:
    """Fields of the service, from the values of `_TEXTS` and `_NUMBERS`."""
    title, description, people, topics = (str(value or "") for value in values[: len(_TEXTS)])
    year, popularity = (nan if value is None else float(value) for value in values[len(_TEXTS) :])
    return EntityFields(title, description, people, topics, year, popularity)
