"""Delta tables under one root: read at a version, replaced by partition, digested in no order."""

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
from ltrr.spark.digests import digest_columns, digest_of, read_digest
from ltrr.spark.faults import explain_fault
from ltrr.spark.retention import OLDEST_READABLE, NightSettings, retention_properties
from ltrr.tables.table import Table

log = logging.getLogger(__name__)

# Delta leaves the version of a session's last commit here; asking the table's history instead costs
# a Spark job.
_VACUUM_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
_LAST_COMMIT = "spark.databricks.delta.lastCommitVersionInSession"


@dataclass(frozen=True)
class Written:
    """What a write left behind.

    Attributes:
        version: the table's new version.
        rows: written.
        digest: of the exact columns of what was written: equal for two correct runs.
        values: of all compared columns, derived numbers bit by bit: it moves when any value moves.
    """

    version: int
    rows: int
    digest: str
    values: str


@dataclass(frozen=True)
class Warehouse:
    """The tables under `root`, a path or URL that Hadoop reads; one folder a table.

    One process writes at a time (the lease sees to it), so the newest commit after a write is that
    write's own.
    """

    spark: SparkSession
    root: str
    readable_days: int = NightSettings().readable_days
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
        return newest_snapshot(self.spark, self.location(table)).version if self.exists(table) else None

    def read(self, table: Table, version: int | None = None, until: date | None = None) -> DataFrame:
        """The table at a version (None: the newest); no rows where it does not exist yet.

        Nullable columns that were declared after the table was written are null.

        Args:
            table: to read.
            version: as a write returned it.
            until: rows of later dates are left out.

        Raises:
            SchemaError: the table on disk has other columns than the catalog.
            LtrrError: the version is gone (vacuumed) or never was.
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
                todo="move it away and run the nights again, or use the version of ltrr that wrote it",
            )
        # Read lazily: how many rows are read is Spark's secret until someone asks for them.
        log.info("table=%s action=read version=%s", table.name, "newest" if version is None else version)
        rows = rows.select(*table.column_names)
        return rows if until is None else rows.where(F.col(table.date_column) <= F.lit(until))

    def rows_between(self, table: Table, column: str, first: date, end: date | None) -> list[Row]:
        """Rows from the first date to the day before `end` (None: no end): for tables with a handful of rows a date."""
        rows = self.read(table).where(F.col(column) >= F.lit(first))
        return (rows if end is None else rows.where(F.col(column) < F.lit(end))).collect()

    def newest_outputs(self, runs: Table) -> dict[str, int]:
        """The newest version of each table among the outputs of all committed runs."""
        outputs = self.read(runs).select(F.explode("outputs").alias("out")).groupBy("out.table")
        return {row["table"]: row["version"] for row in outputs.agg(F.max("out.version").alias("version")).collect()}

    def empty(self, table: Table) -> DataFrame:
        """No rows of the table."""
        return empty(self.spark, table)

    def is_same(self, table: Table, rows: DataFrame, version: int, where: str) -> bool:
        """Whether the rows that `where` selects at a version are these, derived numbers within a tolerance."""
        return is_same(compare_rows(rows, self.read(table, version).where(where), table))

    def kept(self, frame: DataFrame, table: Table) -> DataFrame:
        """The frame in the columns of the table, computed once; the caller drops the session's cache."""
        return conform(frame, table).persist()

    def digest_frame(self, table: Table, frame: DataFrame) -> Written:
        """What a write of the frame would report, without a version."""
        sums = frame.agg(*digest_columns(table)).first()
        return _written(table, -1, sums.asDict() if sums is not None else {})

    def restore(self, table: Table, version: int | None) -> bool:
        """Make the newest version hold what a version held (None: no rows), unless it does; whether it was needed.

        Versions are never removed: the newest one becomes a copy of the old one.
        """
        if not self.has_changed_since(table, version):
            return False
        delta_table = DeltaTable.forPath(self.spark, self.location(table))
        if version is None:
            delta_table.delete()
        else:
            oldest = newest_snapshot(self.spark, self.location(table)).properties.get(OLDEST_READABLE)
            delta_table.restoreToVersion(version)
            # A restore brings back the old properties too.
            if oldest is not None:
                self._set_properties(table, {OLDEST_READABLE: oldest})
        log.warning(
            "table=%s action=restored version=%s: a run that did not commit had written to it", table.name, version
        )
        return True

    def has_changed_since(self, table: Table, version: int | None) -> bool:
        """Whether the newest version has other rows than a version had (None: than no rows)."""
        newest = self.version(table)
        if newest is None or newest == version:
            return False
        if version is None:
            return not self.read(table).isEmpty()
        return not has_rows_of(DeltaTable.forPath(self.spark, self.location(table)), newest, version)

    def delete(self, table: Table, rows: DataFrame) -> tuple[int, int]:
        """Delete these rows, found by their grain; how many they were, and the newest version after it."""
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
        """Remove every file that the newest committed version does not contain; earlier versions are refused.

        Args:
            table: whose newest version has the rows of the committed one.
            committed: stays readable.
        """
        location = self.location(table)
        delta_table = DeltaTable.forPath(self.spark, location)
        if not has_files_of(delta_table, newest_snapshot(self.spark, location).version, committed):
            # Compacted since: the newest version has the same rows in other files.
            delta_table.restoreToVersion(committed)
        # The record comes first: a process killed between the two leaves versions that are refused,
        # never torn ones.
        self._set_properties(table, {OLDEST_READABLE: str(committed)})
        checked = self.spark.conf.get(_VACUUM_CHECK, None)
        self.spark.conf.set(_VACUUM_CHECK, "false")
        try:
            self.spark.sql(f"VACUUM delta.`{location}` RETAIN 0 HOURS")
        finally:
            self.spark.conf.set(_VACUUM_CHECK, checked or "true")
        log.info("table=%s action=forgot versions before %d", table.name, committed)

    def oldest_readable(self, table: Table) -> int:
        """The oldest version that a forgetting has left; 0 where there was none."""
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
                todo="nights up to the newest one at that time cannot be run again; later ones can",
            )

    def keep_promise(self, table: Table) -> bool:
        """Give an existing table the retention that its declaration promises; whether it had another one."""
        wrong = self.wrong_properties(table)
        if wrong:
            self._set_properties(table, wrong)
        return bool(wrong)

    def wrong_properties(self, table: Table) -> dict[str, str]:
        """Retention properties that the table on disk should have and does not, with the value that is promised."""
        promised = retention_properties(table, self.readable_days)
        if not promised or not self.exists(table):
            return {}
        there = newest_snapshot(self.spark, self.location(table)).properties
        return {name: value for name, value in promised.items() if there.get(name) != value}

    def replace(self, table: Table, frame: DataFrame, where: str) -> Written:
        """Put `frame` in the place of the rows that `where` selects; the table is created when there is none.

        All rows of the frame must lie within `where`: the same call twice leaves the same table.
        With `where` on partition columns nothing outside these partitions is read or rewritten,
        however large the table has become.

        Raises:
            SchemaError: the frame does not fit the table, or holds rows outside `where`.
        """
        return self._save(table, conform(frame, table), mode="overwrite", where=where)

    def append(self, table: Table, frame: DataFrame) -> Written:
        """Add rows whose grain the caller knows to be new (an attempt number that only grows)."""
        return self._save(table, conform(frame, table), mode="append", where="")

    def append_rows(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        """Add a handful of rows, as tuples in the order of the columns, whose grain the caller knows to be new."""
        self.append(table, self.spark.createDataFrame(rows, schema_of(table)).coalesce(1))

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
        # The digest is taken in the pass that writes: reading everything back would cost another
        # one. A task that is tried again counts once as long as nothing is shuffled after it, hence
        # no optimized write.
        seen = Observation()
        writer = rows.observe(seen, *digest_columns(table)).write.format("delta").mode(mode)
        writer = writer.option("optimizeWrite", "false")
        if table.partition_by:
            writer = writer.partitionBy(*table.partition_by)
        if where:
            writer = writer.option("replaceWhere", where)
        if not self.exists(table):
            writer = writer.options(**retention_properties(table, self.readable_days))
        elif set(table.column_names) - newest_snapshot(self.spark, self.location(table)).columns:
            # Columns that the catalog declared after the table was written: they are null in its
            # older rows.
            writer = writer.option("mergeSchema", "true")
        self.spark.conf.unset(_LAST_COMMIT)
        try:
            writer.save(self.location(table))
        except (PySparkException, Py4JJavaError) as fault:
            raise _write_fault(table, where, fault) from fault
        committed = self.spark.conf.get(_LAST_COMMIT, None)
        # Adding no rows makes no commit.
        version = newest_snapshot(self.spark, self.location(table)).version if committed is None else int(committed)
        written = _written(table, version, seen.get)
        log.info(
            "table=%s action=%s rows=%d version=%d seconds=%.2f digest=%s",
            *(table.name, mode, written.rows, version, time.monotonic() - started, written.digest),
        )
        return written


def _written(table: Table, version: int, sums: dict[str, Any]) -> Written:
    rows, digest = read_digest(table, table.exact_columns, sums, "exact")
    return Written(version, rows, digest, read_digest(table, table.compared_columns, sums, "values")[1])


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

    Not where rows are deleted by vectors, columns have other names in the files, or values stand in
    folders' names.
    """
    detail = DeltaTable.forPath(spark, path).detail().select("partitionColumns", "tableFeatures").collect()[0]
    return not detail.partitionColumns and not {"deletionVectors", "columnMapping"} & set(detail.tableFeatures or ())
