"""Hashes that choose and order rows, with one salt per use, so that choices are independent.

If a sample and an order share a hash, the sampled rows come first in the order. If a fold and a
partition share a hash, a partition contains few folds. Each use of a hash is therefore declared
here, once, with its own salt.
"""

from __future__ import annotations

from enum import StrEnum

from pyspark.sql import Column
from pyspark.sql import functions as F


class HashUse(StrEnum):
    """Use of a hash; the value is its salt.

    Another salt changes models, samples or folds.

    Attributes:
        BANDIT_CAP: Decisions of a frequent query that the bandit learns from.
        BANDIT_PART: Part of the bandit's training data that a query belongs to.
        BANDIT_ORDER: Order in which the bandit learns a part.
        VALUE_CAP: Impressions of a query that the value models learn from.
        VALUE_QUERIES: Queries that the value models learn from, and their order.
        VALUE_BLOCK: Impression whose block represents a query and strategy.
        VALUE_ORDER: Order in which queries reach the value models' training.
        RANKER_FOLD: Fold of a query; queries of low folds are held out of the ranker's training.
        RANKER_CAP: Clicked impressions of a frequent query that the ranker learns from.
        RANKER_PART: Worker that trains on an impression.
        REPLAY_SAMPLE: Decisions that are replayed.
        DRAWS_SAMPLE: Decisions that the table of draws is computed from.
        OPE_FOLD: Fold of a row of a foreign log, for cross-fitting.
        COUNTED_USER: Impressions of a limited user that count.
    """

    BANDIT_CAP = "bandit_cap"
    BANDIT_PART = "bandit_part"
    BANDIT_ORDER = "bandit_order"
    VALUE_CAP = "value_cap"
    VALUE_QUERIES = "value_queries"
    VALUE_BLOCK = "value_block"
    VALUE_ORDER = "value_order"
    # The salt of earlier versions: a held-out query stays held out.
    RANKER_FOLD = "query_fold"
    RANKER_CAP = "ranker_cap"
    RANKER_PART = "ranker_part"
    REPLAY_SAMPLE = "replay_sample"
    DRAWS_SAMPLE = "draws_sample"
    OPE_FOLD = "ope_fold"
    COUNTED_USER = "counted_user"


def salted_hash(use: HashUse, *keys: Column | str) -> Column:
    """A 64-bit hash of the keys for one use, bigint; hashes of two uses are independent.

    >>> rows = spark.createDataFrame([(f"i{n}",) for n in range(4_000)], "impression_id string")
    >>> cap = salted_hash(HashUse.BANDIT_CAP, "impression_id")
    >>> order = salted_hash(HashUse.BANDIT_ORDER, "impression_id")
    >>> 900 < rows.where((cap > 0) & (order > 0)).count() < 1_100
    True
    """
    return F.xxhash64(F.lit(use.value), *keys)
