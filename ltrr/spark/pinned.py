"""Spark properties on which results depend: ltrr sets them on every session, whatever the cluster's defaults say.

`spark-defaults.conf`, `--properties-file` and `--conf` may choose memory, executors and shuffle
partitions. They must not choose which date an event has or whether a damaged file is skipped.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from ltrr.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pinned:
    """The value of a property, and why results depend on it."""

    value: str
    reason: str


# Properties of the session: Spark lets them change at any time.
PINNED: Mapping[str, Pinned] = {
    "spark.sql.session.timeZone": Pinned("UTC", "a date is a UTC date: another zone moves events to other dates"),
    "spark.sql.timestampType": Pinned("TIMESTAMP_LTZ", "timestamps are instants, not the time on a wall"),
    "spark.sql.ansi.enabled": Pinned("true", "an overflow or a bad cast is an error, not a wrong or missing value"),
    "spark.sql.storeAssignmentPolicy": Pinned("ANSI", "a value that does not fit its column is an error"),
    "spark.sql.ansi.doubleQuotedIdentifiers": Pinned("false", "conditions hold strings in double quotes"),
    "spark.sql.caseSensitive": Pinned("false", "column names are compared as the catalog of tables was tested"),
    "spark.sql.legacy.timeParserPolicy": Pinned("CORRECTED", "timestamps are read and printed in one way"),
    "spark.sql.mapKeyDedupPolicy": Pinned("EXCEPTION", "a map with one key twice is an error, not the last value"),
    "spark.sql.decimalOperations.allowPrecisionLoss": Pinned("true", "sums in fixed point have the declared types"),
    "spark.sql.sources.partitionOverwriteMode": Pinned(
        "STATIC", "a rewritten folder holds nothing of the last attempt"
    ),
    "spark.sql.sources.partitionColumnTypeInference.enabled": Pinned("true", "dates in folder names are dates"),
    "spark.sql.files.ignoreCorruptFiles": Pinned("false", "a damaged log file stops the night"),
    "spark.sql.files.ignoreMissingFiles": Pinned("false", "a missing file of a table stops the night"),
    "spark.sql.execution.arrow.pyspark.enabled": Pinned("true", "rows reach Python with the types of their columns"),
    "spark.databricks.delta.schema.autoMerge.enabled": Pinned("false", "a table changes only as the catalog declares"),
    "spark.databricks.delta.replaceWhere.constraintCheck.enabled": Pinned(
        "true", "rows outside the partition that is replaced are an error"
    ),
    # VACUUM still keeps what the retention of a table promises, counted from when a file was
    # replaced.
    "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration": Pinned(
        "false", "a version is readable as long as its files are there, so a home may rest for any time"
    ),
}

# Properties that Spark takes only when it starts.
PINNED_AT_START: Mapping[str, Pinned] = {
    "spark.sql.catalog.spark_catalog": Pinned(
        "org.apache.spark.sql.delta.catalog.DeltaCatalog", "tables are Delta tables"
    ),
}
# Only new files have it, so a session that runs already takes it too.
UMASK = "spark.hadoop.fs.permissions.umask-mode"
PRIVATE = Pinned("077", "tables and quarantine are for the user that runs ltrr")
EXTENSIONS = "spark.sql.extensions"
DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
EXECUTOR_OPTIONS = "spark.executor.extraJavaOptions"


def with_pinned(wanted: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The properties with which a session starts: what spark-submit was given wins, except where results depend on it.

    Args:
        wanted: of the settings.
        given: of spark-submit, its properties file and spark-defaults.conf.

    >>> chosen = with_pinned({"spark.sql.shuffle.partitions": "2"},
    ...                      {"spark.sql.shuffle.partitions": "300", "spark.sql.session.timeZone": "America/New_York"})
    >>> chosen["spark.sql.shuffle.partitions"], chosen["spark.sql.session.timeZone"]
    ('300', 'UTC')
    """
    chosen = {**wanted, **given}
    for name, pinned in {**PINNED, **PINNED_AT_START, UMASK: PRIVATE}.items():
        if name in given and not _is_same(given[name], pinned.value):
            log.warning(
                "spark-submit was given %s=%s; ltrr uses %s: %s", name, given[name], pinned.value, pinned.reason
            )
        chosen[name] = pinned.value
    others = [name for name in chosen.get(EXTENSIONS, "").split(",") if name and name != DELTA_EXTENSION]
    chosen[EXTENSIONS] = ",".join([*others, DELTA_EXTENSION])
    options = re.sub(r"-Duser\.timezone=\S+", "", chosen.get(EXECUTOR_OPTIONS, ""))
    chosen[EXECUTOR_OPTIONS] = " ".join(f"{options} -Duser.timezone=UTC".split())
    return chosen


def check_conf(conf: Mapping[str, str]) -> None:
    """Nothing where the setting `spark.conf` leaves the pinned properties alone.

    >>> check_conf({"spark.sql.ansi.enabled": "false"})
    Traceback (most recent call last):
    ltrr.errors.ConfigError: results depend on this Spark property: spark.conf: spark.sql.ansi.enabled: expected true, \
got false; remove it: an overflow or a bad cast is an error, not a wrong or missing value

    Raises:
        ConfigError: it gives one another value.
    """
    for name, pinned in {**PINNED, **PINNED_AT_START, UMASK: PRIVATE}.items():
        if name in conf and not _is_same(conf[name], pinned.value):
            raise ConfigError(
                "results depend on this Spark property",
                which=f"spark.conf: {name}",
                expected=pinned.value,
                got=str(conf[name]),
                todo=f"remove it: {pinned.reason}",
            )


def pin_session(session: SparkSession) -> None:
    """Set the pinned properties on a session that runs, and check those that only a new session can take.

    Raises:
        ConfigError: a property that results depend on has another value and cannot be changed.
    """
    for name, pinned in PINNED.items():
        found = session.conf.get(name, None)
        if found is None or not _is_same(found, pinned.value):
            if found is not None:
                log.warning("session had %s=%s; ltrr uses %s: %s", name, found, pinned.value, pinned.reason)
            # Where Spark refuses, the check says so.
            with suppress(AnalysisException):
                session.conf.set(name, pinned.value)
            _check(name, session.conf.get(name, None), pinned)
    for name, pinned in PINNED_AT_START.items():
        _check(name, session.conf.get(name, None), pinned)
    context = session.sparkContext
    context._jsc.hadoopConfiguration().set(UMASK.removeprefix("spark.hadoop."), PRIVATE.value)  # noqa: SLF001
    extensions = session.conf.get(EXTENSIONS, None) or ""
    if DELTA_EXTENSION not in extensions.split(","):
        _check(EXTENSIONS, extensions, Pinned(DELTA_EXTENSION, "tables are Delta tables"))


def _check(name: str, found: str | None, pinned: Pinned) -> None:
    if found is None or not _is_same(found, pinned.value):
        raise ConfigError(
            "results depend on this Spark property, and the running session has another value",
            which=name,
            expected=pinned.value,
            got=found or "none",
            todo=f"give it this value where the session is started ({pinned.reason}), or let ltrr start the session",
        )


def _is_same(found: str, value: str) -> bool:
    return str(found).strip().lower() == value.lower()
