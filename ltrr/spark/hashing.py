"""Hashes that choose and order rows: one salt per use, so that no choice shares its hash with another.

Where a sample and the order of what was sampled share a hash, the sampled rows come first in the
order; where a fold and a partition share one, a partition holds few folds. So a use of a hash is
declared here, once, with its own salt.
"""

from __future__ import annotations

from enum import StrEnum

from pyspark.sql import Column
from pyspark.sql import functions as F


class HashUse(StrEnum):
    """What a hash chooses or orders; the value is its salt. A changed salt changes models, samples or folds.

    Attributes:
        BANDIT_CAP: decisions of a hot query that the bandit learns from.
        BANDIT_PART: part of the bandit's training data that a query belongs to.
        BANDIT_ORDER: order in which a part is learned.
        VALUE_CAP: impressions of a query that the value models learn from.
        VALUE_QUERIES: queries that the value models learn from, and the order of them.
        VALUE_BLOCK: impression whose block stands for a query and strategy.
        VALUE_ORDER: order in which queries reach the value models' training.
        RANKER_FOLD: fold of a query; queries of low folds are held out of the ranker's training.
        RANKER_CAP: clicked impressions of a hot query that the ranker learns from.
        RANKER_PART: worker that an impression is trained in.
        REPLAY_SAMPLE: decisions that are replayed.
        DRAWS_SAMPLE: decisions that the table of draws is made from.
        OPE_FOLD: fold of a row of a foreign log, for cross-fitting.
        COUNTED_USER: impressions of a limited user that count.
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
    >>> cap, order = (salted_hash(use, "impression_id") for use in (HashUse.BANDIT_CAP, HashUse.BANDIT_ORDER))
    >>> 900 < rows.where((cap > 0) & (order > 0)).count() < 1_100
    True
    """
    return F.xxhash64(F.lit(use.value), *keys)
