"""Digests of rows: equal for the same rows in any order, layout and number of partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.tables.table import Table


def digest_of(rows: DataFrame, table: Table) -> tuple[int, str]:
    """Number of rows and digest over the exact columns.

    The digest is a sum of 64-bit row hashes. Equal tables have equal digests. Different tables have
    equal digests with a probability of about 1 in 2^64. It detects accidents, not an adversary.
    """
    sums = rows.agg(*digest_columns(table)).first()
    return read_digest(table, table.exact_columns, sums.asDict() if sums is not None else {}, "exact")


def digest_columns(table: Table) -> list[Column]:
    """Aggregates from which `read_digest` makes both digests."""
    # A decimal, because the sum of two hashes can overflow a bigint.
    sums = {"exact": table.exact_columns, "values": table.compared_columns}
    return [
        F.count(F.lit(1)).alias("rows"),
        *(F.sum(_row_hash(table, names).cast("decimal(20,0)")).alias(kind) for kind, names in sums.items()),
    ]


def read_digest(table: Table, columns: Sequence[str], sums: Mapping[str, object], kind: str) -> tuple[int, str]:
    """Number of rows, and the digest of `kind` (exact | values) over `columns`."""
    rows = int(str(sums.get("rows") or 0))
    shape = ",".join(f"{column.name} {column.type}" for column in table.columns if column.name in columns)
    return rows, sha256(f"{shape}|{rows}|{sums.get(kind) or 0}".encode()).hexdigest()[:16]


def _row_hash(table: Table, names: Sequence[str]) -> Column:
    # Each column is hashed with its number and its nullness: Spark's hash skips nulls and
    # concatenates arrays.
    hashes = [
        F.xxhash64(F.lit(number), F.col(column.name).isNull(), _hashable(column.name, column.type))
        for number, column in enumerate(table.columns)
        if column.name in names
    ]
    return F.xxhash64(*hashes)


def _hashable(name: str, kind: str) -> Column:
    # A map has no order, and Spark cannot hash one.
    return F.array_sort(F.map_entries(F.col(name))) if kind.startswith("map<") else F.col(name)
