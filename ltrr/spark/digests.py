"""Digests of rows: equal for the same rows in any order, layout and number of partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.tables.table import Column as DeclaredColumn
from ltrr.tables.table import Table


def digest_of(rows: DataFrame, table: Table) -> tuple[int, str]:
    """Number of rows and digest over the exact columns.

    The digest is a sum of 64-bit row hashes. Equal tables have equal digests. Different tables have
    equal digests with a probability of about 1 in 2^64. It detects accidents, not an adversary.
    """
    sums = with_row_hashes(rows, table).agg(*digest_columns()).first()
    return read_digest(table, table.exact_columns, sums.asDict() if sums is not None else {}, "exact")


def with_row_hashes(rows: DataFrame, table: Table) -> DataFrame:
    """Add the hashes of each row that `digest_columns` sums.

    They are columns of their own because Spark compiles those, and evaluates the expressions of an
    observation one by one.
    """
    return rows.selectExpr("*", *_hash_texts(table))


def digest_columns() -> list[Column]:
    """Aggregates of the rows of `with_row_hashes`, from which `read_digest` makes both digests."""
    return [F.expr(text) for text in _SUMS]


def read_digest(table: Table, columns: Sequence[str], sums: Mapping[str, object], kind: str) -> tuple[int, str]:
    """Number of rows, and the digest of `kind` (exact | values) over `columns`."""
    rows = int(str(sums.get("rows") or 0))
    high, low = (int(str(sums.get(f"{kind}_{half}") or 0)) for half in _HALVES)
    shape = ",".join(f"{column.name} {column.type}" for column in table.columns if column.name in columns)
    return rows, sha256(f"{shape}|{rows}|{(high << 32) + low}".encode()).hexdigest()[:16]


_KINDS = ("exact", "values")
_HALVES = {"high": "shiftright({}, 32)", "low": "{} & 4294967295L"}
# The sum of two hashes can overflow a bigint, that of 2^31 halves cannot. A decimal takes longer.
_SUMS = (
    "count(1) AS rows",
    *(f"sum({half.format(f'`{kind}_hash`')}) AS {kind}_{name}" for kind in _KINDS for name, half in _HALVES.items()),
)


@cache
def _hash_texts(table: Table) -> tuple[str, ...]:
    """The hashes as SQL: one call to Java each, where columns of Python take hundreds."""
    columns = (table.exact_columns, table.compared_columns)
    return tuple(f"{_row_hash(table, names)} AS {kind}_hash" for kind, names in zip(_KINDS, columns, strict=True))


def _row_hash(table: Table, names: Sequence[str]) -> str:
    # Each column is hashed with its number and its nullness: Spark's hash skips nulls and
    # concatenates arrays.
    hashes = (
        f"xxhash64({number}, `{column.name}` IS NULL, {_hashable(column)})"
        for number, column in enumerate(table.columns)
        if column.name in names
    )
    return f"xxhash64({', '.join(hashes)})"


def _hashable(column: DeclaredColumn) -> str:
    # A map has no order, and Spark cannot hash one.
    return f"array_sort(map_entries(`{column.name}`))" if column.type.startswith("map<") else f"`{column.name}`"
