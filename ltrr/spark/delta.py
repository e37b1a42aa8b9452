"""Delta tables under one root: reads at a version, writes by partition, digests."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import Any

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Observation, Row, SparkSession
from pyspark.sql import functions as F

from ltrr.errors import CommitError, LtrrError, SchemaError
from ltrr.spark.columns import NULL_FAULT, conform, empty, schema_faults, schema_of, with_added_columns
from ltrr.spark.comparing import compare_rows, is_same
from ltrr.spark.delta_log import has_files_of, has_rows_of, newest_snapshot
from ltrr.spark.digests import digest_columns, digest_of, read_digest, with_row_hashes
from ltrr.spark.faults import explain_fault
from ltrr.spark.retention import OLDEST_READABLE, NightSettings, retention_properties
from ltrr.tables.table import Table

log = logging.getLogger(__name__)

_VACUUM_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"


@dataclass(frozen=True)
class WriteResult:
    """The result of a write.

    Attributes:
        version: New version of the table.
        rows: Number of written rows.
        digest: Digest of the exact columns of the written rows, equal for two correct runs.
        values: Digest of all compared columns, with derived numbers bit by bit. It changes with any
            value.
    """

    version: int
    rows: int
    digest: str
    values: str


@dataclass(frozen=True)
class Warehouse:
    """The tables under `root`, a path or URL that Hadoop reads; one folder per table.

    The lease allows one writer at a time, so the newest commit after a write is that of the write.
    """

    spark: SparkSession
    root: str
    readable_days: int = NightSettings().readable_days
    _known: set[str] = field(default_factory=set, repr=False, compare=False)

    def location(self, table: Table) -> str:
        """Folder of the table."""
        return f"{self.root.rstrip('/')}/{table.name}"

    def exists(self, table: Table) -> bool:
        """Whether the table has been written at least once."""
        if table.name not in self._known and DeltaTable.isDeltaTable(self.spark, self.location(table)):
            self._known.add(table.name)
        return table.name in self._known

    def version(self, table: Table) -> int | None:
        """Newest version; None if the table does not exist yet."""
        return newest_snapshot(self.spark, self.location(table)).version if self.exists(table) else None

    def read(self, table: Table, version: int | None = None, until: date | None = None) -> DataFrame:
        """The table at a version; no rows if it does not exist yet.

        Nullable columns that were declared after the table was written are null.

        Args:
            table: Declaration of the table.
            version: Version that a write returned; by default the newest.
            until: Newest date to read; by default all dates.

        Raises:
            SchemaError: The table on disk has other columns than the catalog.
            LtrrError: The version does not exist, or its files were removed.
        """
        if not self.exists(table):
            return empty(self.spark, table)
        reader = self.spark.read.format("delta")
        if version is not None:
            self._check_readable(table, version)
            reader = reader.option("versionAsOf", version)
        try:
            rows = reader.load(self.location(table))
        except PySparkException as fault:
            which = f"{self.location(table)} at version {'newest' if version is None else version}"
            raise explain_fault(fault, "the table cannot be read", which) from fault
        rows = with_added_columns(rows, table)
        faults = schema_faults(rows.schema, table)
        if faults:
            raise SchemaError(
                "the table on disk does not match the catalog",
                which=self.location(table),
                got="; ".join(faults),
                todo="move the table away and run the nights again, or use the version of ltrr that wrote it",
            )
        # The read is lazy, so the number of rows is not known here.
        log.info("table=%s action=read version=%s", table.name, "newest" if version is None else version)
        rows = rows.select(*table.column_names)
        return rows if until is None else rows.where(F.col(table.date_column) <= F.lit(until))

    def rows_between(self, table: Table, column: str, first: date, end: date | None) -> list[Row]:
        """Rows from the first date to the day before `end`, for tables with few rows per date.

        Without `end`, all later rows.
        """
        rows = self.read(table).where(F.col(column) >= F.lit(first))
        return (rows if end is None else rows.where(F.col(column) < F.lit(end))).collect()

    def newest_outputs(self, runs: Table) -> dict[str, int]:
        """Newest version of each table among the outputs of all committed runs."""
        # A few thousand short rows in years: one task without a shuffle takes half the time.
        outputs = self.read(runs).coalesce(1).select(F.explode("outputs").alias("out")).groupBy("out.table")
        return {row["table"]: row["version"] for row in outputs.agg(F.max("out.version").alias("version")).collect()}

    def empty(self, table: Table) -> DataFrame:
        """A frame with the columns of the table and no rows."""
        return empty(self.spark, table)

    def is_same(self, table: Table, rows: DataFrame, version: int, where: str) -> bool:
        """Whether `rows` equal those that `where` selects at a version.

        Derived numbers are compared with a tolerance.
        """
        return is_same(compare_rows(rows, self.read(table, version).where(where), table))

    def cache_rows(self, frame: DataFrame, table: Table) -> DataFrame:
        """The frame in the columns of the table, cached; the caller drops the session's cache."""
        return conform(frame, table).persist()

    def digest_frame(self, table: Table, frame: DataFrame) -> WriteResult:
        """The result of a write of the frame, without the write; the version is -1."""
        sums = with_row_hashes(frame, table).agg(*digest_columns()).first()
        return _to_result(table, -1, sums.asDict() if sums is not None else {})

    def restore(self, table: Table, version: int | None) -> bool:
        """Give the newest version the rows of an earlier one, or no rows without `version`.

        No version is removed: the newest one becomes a copy of the earlier one.

        Returns whether the rows differed.
        """
        if not self.has_changed_since(table, version):
            return False
        delta_table = DeltaTable.forPath(self.spark, self.location(table))
        if version is None:
            delta_table.delete()
        else:
            oldest = newest_snapshot(self.spark, self.location(table)).properties.get(OLDEST_READABLE)
            delta_table.restoreToVersion(version)
            # A restore also restores the earlier properties.
            if oldest is not None:
                self._set_properties(table, {OLDEST_READABLE: oldest})
        log.warning(
            "table=%s action=restored version=%s: a run that did not commit had written to it", table.name, version
        )
        return True

    def has_changed_since(self, table: Table, version: int | None) -> bool:
        """Whether the newest version has other rows than `version`, or any rows if that is None."""
        newest = self.version(table)
        if newest is None or newest == version:
            return False
        if version is None:
            return not self.read(table).isEmpty()
        return not has_rows_of(DeltaTable.forPath(self.spark, self.location(table)), newest, version)

    def delete(self, table: Table, rows: DataFrame) -> tuple[int, int]:
        """Delete these rows by their grain; returns their number and the newest version."""
        keys = rows.select(*table.grain).distinct().persist()
        count = keys.count()
        if count:
            matches = reduce(
                Column.__and__, (F.col(f"t.{name}").eqNullSafe(F.col(f"k.{name}")) for name in table.grain)
            )
            merge = DeltaTable.forPath(self.spark, self.location(table)).alias("t").merge(keys.alias("k"), matches)
            merge.whenMatchedDelete().execute()
        keys.unpersist()
        return count, newest_snapshot(self.spark, self.location(table)).version

    def remove_earlier_versions(self, table: Table, committed: int) -> None:
        """Remove every file that the newest committed version does not contain.

        Reads of earlier versions are refused from then on.

        Args:
            table: Table whose newest version has the rows of the committed one.
            committed: Newest committed version, which stays readable.
        """
        location = self.location(table)
        delta_table = DeltaTable.forPath(self.spark, location)
        if not has_files_of(delta_table, newest_snapshot(self.spark, location).version, committed):
            # The table was compacted since: the newest version has the same rows in other files.
            delta_table.restoreToVersion(committed)
        # The property is set first: if the process is killed before the files are removed, reads of
        # earlier versions are refused and never find half a version.
        self._set_properties(table, {OLDEST_READABLE: str(committed)})
        checked = self.spark.conf.get(_VACUUM_CHECK, None)
        self.spark.conf.set(_VACUUM_CHECK, "false")
        try:
            self.spark.sql(f"VACUUM delta.`{location}` RETAIN 0 HOURS")
        finally:
            self.spark.conf.set(_VACUUM_CHECK, checked or "true")
        log.info("table=%s action=forgot versions before %d", table.name, committed)

    def oldest_readable(self, table: Table) -> int:
        """The oldest version that is readable after users were forgotten; 0 if none were."""
        if not self.exists(table):
            return 0
        return int(newest_snapshot(self.spark, self.location(table)).properties.get(OLDEST_READABLE, 0))

    def _set_properties(self, table: Table, properties: Mapping[str, str]) -> None:
        listed = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
        self.spark.sql(f"ALTER TABLE delta.`{self.location(table)}` SET TBLPROPERTIES ({listed})")
        log.info("table=%s action=set %s", table.name, listed)

    def _check_readable(self, table: Table, version: int) -> None:
        oldest = self.oldest_readable(table)
        if version < oldest:
            raise CommitError(
                "the version was removed because a user was forgotten",
                which=f"{table.name} at version {version}",
                expected=f"version {oldest} or later",
                todo="run later nights instead: nights up to the newest one at that time cannot be run again",
            )

    def set_retention(self, table: Table) -> bool:
        """Give an existing table its declared retention; returns whether it had another one."""
        wrong = self.find_wrong_properties(table)
        if wrong:
            self._set_properties(table, wrong)
        return bool(wrong)

    def find_wrong_properties(self, table: Table) -> dict[str, str]:
        """Declared retention properties that the table on disk lacks or has with another value."""
        promised = retention_properties(table, self.readable_days)
        if not promised or not self.exists(table):
            return {}
        there = newest_snapshot(self.spark, self.location(table)).properties
        return {name: value for name, value in promised.items() if there.get(name) != value}

    def replace(self, table: Table, frame: DataFrame, where: str) -> WriteResult:
        """Replace the rows that `where` selects by `frame`; a missing table is created.

        All rows of the frame must be within `where`, so a repeated call leaves the same table. With
        `where` on partition columns, only these partitions are read and rewritten, whatever the
        size of the table.

        Raises:
            SchemaError: The frame does not fit the table, or has rows outside `where`.
        """
        return self._save(table, conform(frame, table), mode="overwrite", where=where)

    def append(self, table: Table, frame: DataFrame) -> WriteResult:
        """Add rows whose grain is new, which the caller guarantees."""
        return self._save(table, conform(frame, table), mode="append", where="")

    def append_rows(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        """Add a few rows whose grain is new, as tuples in the order of the columns."""
        self.append(table, self.spark.createDataFrame(rows, schema_of(table)).coalesce(1))

    def append_new(self, table: Table, frame: DataFrame) -> WriteResult:
        """Add the rows whose grain is not in the table yet.

        It is for small append-only tables, and can be repeated.
        """
        rows = conform(frame, table)
        there = self.read(table).select(*(F.col(name).alias(f"there_{name}") for name in table.grain))
        same = [F.col(name).eqNullSafe(F.col(f"there_{name}")) for name in table.grain]
        return self._save(table, rows.join(there, same, how="left_anti"), mode="append", where="")

    def digest(self, table: Table, version: int | None = None, where: str = "") -> tuple[int, str]:
        """Number of rows, and digest of the exact columns, of a version."""
        rows = self.read(table, version)
        return digest_of(rows.where(where) if where else rows, table)

    def _save(self, table: Table, rows: DataFrame, *, mode: str, where: str) -> WriteResult:
        started = time.monotonic()
        # The pass that writes also computes the digest: to read everything back would cost another
        # pass. A repeated task counts once only if no shuffle follows it, hence no optimized write.
        seen = Observation()
        observed = with_row_hashes(rows, table).observe(seen, *digest_columns()).select(*table.column_names)
        writer = observed.write.format("delta").mode(mode)
        writer = writer.option("optimizeWrite", "false")
        if table.partition_by:
            writer = writer.partitionBy(*table.partition_by)
        if where:
            writer = writer.option("replaceWhere", where)
        if not self.exists(table):
            writer = writer.options(**retention_properties(table, self.readable_days))
        elif set(table.column_names) - newest_snapshot(self.spark, self.location(table)).columns:
            # The catalog has columns that were declared after the table was written. They are null
            # in its older rows.
            writer = writer.option("mergeSchema", "true")
        try:
            writer.save(self.location(table))
        except (PySparkException, Py4JJavaError) as fault:
            raise _write_fault(table, where, fault) from fault
        # Other writes of the session may run at the same time, but none of this table.
        version = newest_snapshot(self.spark, self.location(table)).version
        written = _to_result(table, version, seen.get)
        log.info(
            "table=%s action=%s rows=%d version=%d seconds=%.2f digest=%s",
            *(table.name, mode, written.rows, version, time.monotonic() - started, written.digest),
        )
        return written


def _to_result(table: Table, version: int, sums: dict[str, Any]) -> WriteResult:
    rows, digest = read_digest(table, table.exact_columns, sums, "exact")
    return WriteResult(version, rows, digest, read_digest(table, table.compared_columns, sums, "values")[1])


def _write_fault(table: Table, where: str, fault: Exception) -> LtrrError:
    text = str(fault)
    if NULL_FAULT in text:
        sentence = text[text.index(NULL_FAULT) :].splitlines()[0].split("SQLSTATE")[0]
        return SchemaError(sentence.rstrip(" .'\""), todo="fill or drop the rows before they are written")
    if "DELTA_REPLACE_WHERE_MISMATCH" in text:
        return SchemaError(
            "rows lie outside the partition that is replaced", which=table.name, expected=where, got=_first_line(fault)
        )
    if "DELTA_METADATA_MISMATCH" in text or "DELTA_FAILED_TO_MERGE_FIELDS" in text:
        return SchemaError("the table on disk has another schema", which=table.name, got=_first_line(fault))
    return explain_fault(fault, "the table could not be written", table.name)


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(fault).__name__


def is_readable_as_parquet(spark: SparkSession, path: str) -> bool:
    """Whether the rows of a table can be read from its Parquet files without Delta.

    They cannot if rows are deleted by deletion vectors, if columns have other names in the files,
    or if the table is partitioned: partition values are in the names of folders.
    """
    detail = DeltaTable.forPath(spark, path).detail().select("partitionColumns", "tableFeatures").collect()[0]
    return not detail.partitionColumns and not {"deletionVectors", "columnMapping"} & set(detail.tableFeatures or ())
