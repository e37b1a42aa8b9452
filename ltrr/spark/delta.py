"""Delta tables under one root: read at a version, replaced by partition, digested in no order."""

import logging
import time
from dataclasses import dataclass, field
from hashlib import sha256

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from ltrr.errors import LtrrError, SchemaError
from ltrr.spark.columns import NULL_FAULT, conform, empty, schema_faults
from ltrr.spark.faults import explain_fault
from ltrr.tables.table import Table

log = logging.getLogger(__name__)

# Delta leaves the version of a session's last commit here; asking the table's history instead costs a Spark job.
_LAST_COMMIT = "spark.databricks.delta.lastCommitVersionInSession"


@dataclass(frozen=True)
class Written:
    """What a write left behind: the table's new version, and rows and digest of what was written."""

    version: int
    rows: int
    digest: str


@dataclass(frozen=True)
class Warehouse:
    """The tables under `root`, a path or URL that Hadoop reads; one folder a table.

    One process writes at a time (the lease sees to it), so the newest commit after a write is that write's own.
    """

    spark: SparkSession
    root: str
    _known: set[str] = field(default_factory=set, repr=False, compare=False)

    def location(self, table: Table) -> str:
        """Folder of the table."""
        return f"{self.root.rstrip('/')}/{table.name}"

    def exists(self, table: Table) -> bool:
        """Whether anything was ever written to the table."""
        if table.name not in self._known and DeltaTable.isDeltaTable(self.spark, self.location(table)):
            self._known.add(table.name)
        return table.name in self._known

    def version(self, table: Table) -> int | None:
        """Newest version; None where the table does not exist yet."""
        return self._newest_version(table) if self.exists(table) else None

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """The table at a version (None: the newest); no rows where it does not exist yet.

        Raises:
            SchemaError: the table on disk has other columns than the catalog.
            LtrrError: the version is gone (vacuumed) or never was.
        """
        if not self.exists(table):
            return empty(self.spark, table)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        try:
            rows = reader.load(self.location(table))
        except PySparkException as fault:
            which = f"{self.location(table)} at version {'newest' if version is None else version}"
            raise explain_fault(fault, "the table cannot be read", which) from fault
        faults = schema_faults(rows.schema, table)
        if faults:
            raise SchemaError(
                "the table on disk is not the one that the catalog declares",
                which=self.location(table),
                got="; ".join(faults),
                todo="move it away and run the nights again, or use the version of ltrr that wrote it",
            )
        # Read lazily: how many rows are read is Spark's secret until someone asks for them.
        log.info("table=%s action=read version=%s", table.name, "newest" if version is None else version)
        return rows.select(*table.column_names)

    def replace(self, table: Table, frame: DataFrame, where: str) -> Written:
        """Put `frame` in the place of the rows that `where` selects; the table is created when there is none.

        All rows of the frame must lie within `where`: the same call twice leaves the same table. With `where` on
        partition columns nothing outside these partitions is read or rewritten, however large the table has become.

        Raises:
            SchemaError: the frame does not fit the table, or holds rows outside `where`.
        """
        return self._save(table, conform(frame, table), mode="overwrite", where=where)

    def append(self, table: Table, frame: DataFrame) -> Written:
        """Add rows whose grain the caller knows to be new (an attempt number that only grows)."""
        return self._save(table, conform(frame, table), mode="append", where="")

    def append_new(self, table: Table, frame: DataFrame) -> Written:
        """Add the rows whose grain is not in the table yet: for small append-only tables, safe to repeat."""
        rows = conform(frame, table)
        there = self.read(table).select(*(F.col(name).alias(f"there_{name}") for name in table.grain))
        same = [F.col(name).eqNullSafe(F.col(f"there_{name}")) for name in table.grain]
        return self._save(table, rows.join(there, same, how="left_anti"), mode="append", where="")

    def digest(self, table: Table, version: int | None = None, where: str = "") -> tuple[int, str]:
        """Rows and digest of the exact columns of a version, in no order."""
        rows = self.read(table, version)
        return digest_of(rows.where(where) if where else rows, table)

    def _save(self, table: Table, rows: DataFrame, *, mode: str, where: str) -> Written:
        started = time.monotonic()
        # The digest is taken in the pass that writes: reading everything back would cost another one. A task that is
        # tried again counts once as long as nothing is shuffled after it, hence no optimized write.
        seen = Observation()
        writer = rows.observe(seen, *_digest_columns(table)).write.format("delta").mode(mode)
        writer = writer.option("optimizeWrite", "false")
        if table.partition_by:
            writer = writer.partitionBy(*table.partition_by)
        if where:
            writer = writer.option("replaceWhere", where)
        self.spark.conf.unset(_LAST_COMMIT)
        try:
            writer.save(self.location(table))
        except (PySparkException, Py4JJavaError) as fault:
            raise _write_fault(table, where, fault) from fault
        committed = self.spark.conf.get(_LAST_COMMIT, None)
        # Adding no rows makes no commit.
        version = self._newest_version(table) if committed is None else int(committed)
        count, digest = _digest_text(table, seen.get)
        log.info(
            "table=%s action=%s rows=%d version=%d seconds=%.2f digest=%s",
            *(table.name, mode, count, version, time.monotonic() - started, digest),
        )
        return Written(version, count, digest)

    def _newest_version(self, table: Table) -> int:
        commit = DeltaTable.forPath(self.spark, self.location(table)).history(1).first()
        if commit is None:
            raise LtrrError("the table has no commit", which=self.location(table))
        return int(commit["version"])


def digest_of(rows: DataFrame, table: Table) -> tuple[int, str]:
    """Number of rows and digest over the exact columns: the same in any order, layout and number of partitions.

    A sum of 64-bit row hashes: equal tables have equal digests; different ones have different digests but for chance
    (about 1 in 2^64). It detects accidents, not an adversary.
    """
    sums = rows.agg(*_digest_columns(table)).first()
    return _digest_text(table, sums.asDict() if sums is not None else {})


def _digest_columns(table: Table) -> list[Column]:
    # A decimal, because hashes overflow a bigint at the second row.
    total = F.sum(_row_hash(table).cast("decimal(20,0)")).alias("hashes")
    return [F.count(F.lit(1)).alias("rows"), total]


def _row_hash(table: Table) -> Column:
    # Each column is hashed with its number and whether it is null: Spark's hash skips nulls and runs arrays together.
    hashes = [
        F.xxhash64(F.lit(number), F.col(column.name).isNull(), _hashable(column.name, column.type))
        for number, column in enumerate(table.columns)
        if column.exact
    ]
    return F.xxhash64(*hashes)


def _hashable(name: str, kind: str) -> Column:
    # A map has no order of its own, and Spark refuses to hash one.
    return F.array_sort(F.map_entries(F.col(name))) if kind.startswith("map<") else F.col(name)


def _digest_text(table: Table, sums: dict[str, object]) -> tuple[int, str]:
    rows = int(str(sums.get("rows") or 0))
    shape = ",".join(f"{column.name} {column.type}" for column in table.columns if column.exact)
    return rows, sha256(f"{shape}|{rows}|{sums.get('hashes') or 0}".encode()).hexdigest()[:16]


def _write_fault(table: Table, where: str, fault: Exception) -> LtrrError:
    said = str(fault)
    if NULL_FAULT in said:
        sentence = said[said.index(NULL_FAULT) :].splitlines()[0].split("SQLSTATE")[0]
        return SchemaError(sentence.rstrip(" .'\""), todo="fill or drop the rows before they are written")
    if "DELTA_REPLACE_WHERE_MISMATCH" in said:
        return SchemaError(
            "rows lie outside the partition that is replaced", which=table.name, expected=where, got=_first_line(fault)
        )
    if "DELTA_METADATA_MISMATCH" in said or "DELTA_FAILED_TO_MERGE_FIELDS" in said:
        return SchemaError("the table on disk has another schema", which=table.name, got=_first_line(fault))
    return explain_fault(fault, "the table could not be written", table.name)


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(fault).__name__


def is_as_in_files(spark: SparkSession, path: str) -> bool:
    """Whether a table's Parquet files hold its rows and columns as they are, to be read without Delta.

    Not where rows are deleted by vectors, columns have other names in the files, or values stand in folders' names.
    """
    detail = DeltaTable.forPath(spark, path).detail().select("partitionColumns", "tableFeatures").collect()[0]
    return not detail.partitionColumns and not {"deletionVectors", "columnMapping"} & set(detail.tableFeatures or ())
