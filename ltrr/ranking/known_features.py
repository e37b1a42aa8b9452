"""Features of pages without logged ranker features: those that are known, NaN for the others.

A log of another system has slates and clicks, but no ranks and scores of strategies. Of the ranker
features that `core.ranker_features` declares, these are known all the same:

- the group `query`, which is a function of the query_key;
- the three features of the strategy `memory`, from the memory that was served before the date. They
  are those of a union with all blocks of the memory;
- the group `overlaps`, from the catalogue of entities, for entities in it.

`fusion` and the features of the other strategies are NaN, which XGBoost treats as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from ltrr.arrays import Floats, Longs
from ltrr.core.entity_groups import ranker_query_values
from ltrr.core.feature_groups import MEMORY
from ltrr.core.features import PLACES
from ltrr.core.ranking_metrics import reciprocal_rank
from ltrr.core.text_overlap import OVERLAPS

EVIDENCE = ("memory_rank", "memory_score", "memory_best_score")
"""Columns of `ranking_rows` with the memory that was served before the date."""

_OF_QUERY = ("query_words", "has_digits")
_OF_MEMORY = tuple(f"{name}:{MEMORY}" for name in ("reciprocal_rank", "score", "score_ratio"))
_OF_TEXT = tuple(name for name, _ in OVERLAPS)


def orders_entities(feature_names: Sequence[str]) -> bool:
    """Whether a feature that can be known without a log of features differs within a page.

    >>> orders_entities(["fusion", "query_words", "score:memory"]), orders_entities(["query_words"])
    (True, False)
    """
    return not {*_OF_MEMORY, *_OF_TEXT}.isdisjoint(feature_names)


def with_known_features(rows: DataFrame, feature_names: Sequence[str], listed: int) -> DataFrame:
    """The same rows of pages without logged features, with `features` of these names.

    Args:
        rows: Rows of `ranking_rows` whose `features` are empty.
        feature_names: Names of the ranker features of the policy.
        listed: Largest number of entities of one strategy in a union: block_size x budget.
    """
    others = rows.drop("features")
    schema = f"{others.schema.toDDL()}, features array<double>"
    return others.mapInArrow(_fill_task(tuple(feature_names), listed), schema)


def _fill_task(
    feature_names: tuple[str, ...], listed: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def fill(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            matrix = np.full((batch.num_rows, len(feature_names)), np.nan)
            for names, values in (
                (_OF_QUERY, _query_values(batch.column("query_key"))),
                (_OF_MEMORY, _memory_values(batch, listed)),
                (_OF_TEXT, _text_values(batch.column("overlap"))),
            ):
                for place, name in enumerate(names):
                    if name in feature_names:
                        matrix[:, feature_names.index(name)] = values[:, place]
            ends = pa.array(np.arange(batch.num_rows + 1) * len(feature_names), pa.int32())
            # Rounded as in serving.
            features = pa.ListArray.from_arrays(ends, pa.array(np.round(matrix, PLACES).ravel(), pa.float64()))
            yield pa.RecordBatch.from_arrays([*batch.columns, features], names=[*batch.schema.names, "features"])

    return fill


def _query_values(keys: pa.Array) -> Floats:
    """Values of each row, [N, 2]; each query of the batch is computed once."""
    coded = pc.dictionary_encode(keys)
    of_key: Floats = np.array([ranker_query_values(key) for key in coded.dictionary.to_pylist()], dtype=np.float64)
    places: Longs = coded.indices.to_numpy(zero_copy_only=False)
    return of_key.reshape(-1, len(_OF_QUERY))[places]


def _memory_values(batch: pa.RecordBatch, listed: int) -> Floats:
    """Values of each row, [N, 3]; those of an entity without listing are 0, NaN and NaN."""
    rank, score, best = (pc.cast(batch.column(name), pa.float64()).to_numpy(zero_copy_only=False) for name in EVIDENCE)
    is_listed = rank <= listed
    return np.column_stack(
        [
            np.where(is_listed, reciprocal_rank(rank), 0.0),
            np.where(is_listed, score, np.nan),
            np.where(is_listed, score / best, np.nan),
        ]
    )


def _text_values(overlaps: pa.Array) -> Floats:
    """Values of each row, [N, overlaps]; NaN where the overlap is not known."""
    values = np.full((len(overlaps), len(_OF_TEXT)), np.nan)
    is_known = overlaps.is_valid().to_numpy(zero_copy_only=False)
    values[is_known] = overlaps.flatten().to_numpy(zero_copy_only=False).reshape(-1, len(_OF_TEXT))
    return values
