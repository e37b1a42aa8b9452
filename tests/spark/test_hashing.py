"""Every hash that chooses or orders rows has its own use and salt."""

import re
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F

import ltrr
from ltrr.bandit.training_rows import only_capped, to_training_parts
from ltrr.spark.hashing import HashUse

# Hashes that choose nothing: the digest of a row, the cluster of a user, a hashed feature, an id
# that may be repeated.
NAMING = {"spark/digests.py", "spark/hashing.py", "ope/draw_rows.py", "ope/rows.py", "logs/duplicates.py"}


def test_no_module_hashes_rows_without_a_declared_use():
    root = Path(ltrr.__file__).parent
    # As a column of Python, or as the text of an SQL expression.
    hashes = re.compile(r'(F\.|")xxhash64\(')
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if hashes.search(path.read_text())}
    assert found == NAMING


def test_every_use_is_used_in_one_place_and_has_a_salt_of_its_own():
    sources = [path.read_text() for path in Path(ltrr.__file__).parent.rglob("*.py")]
    for use in HashUse:
        assert sum(len(re.findall(rf"HashUse\.{use.name}\b", text)) for text in sources) == 1 + _in_docstring(use)
    assert len({use.value for use in HashUse}) == len(list(HashUse))


def _in_docstring(use):
    return use in (HashUse.BANDIT_CAP, HashUse.BANDIT_ORDER)


@pytest.mark.spark
@pytest.mark.statistical
def test_decisions_of_hot_queries_that_were_capped_are_spread_over_the_whole_order_of_learning(spark):
    """200 of 8,000 decisions of a frequent query are kept, not the first 200."""
    rows = spark.range(10_000).select(
        F.concat(F.lit("i"), "id").alias("impression_id"),
        F.when(F.col("id") < 8_000, "hot").otherwise(F.concat(F.lit("q"), "id")).alias("query_key"),
        F.lit(1).alias("step"),
        F.lit("2026-03-02").cast("date").alias("log_date"),
    )
    order = [row["query_key"] for row in to_training_parts(only_capped(rows, 200), 1).collect()]
    tenths = np.array(order[: len(order) // 10 * 10]).reshape(10, -1) == "hot"
    assert tenths.sum() > 190
    # Each tenth has an expected 20, with a standard deviation below 4.3.
    assert tenths.sum(axis=1).min() >= 1
    assert tenths.sum(axis=1).max() < 20 + 5 * 4.3
