"""Spark properties on which results depend: ltrr sets them on every session.

They take precedence over the defaults of the cluster.

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
class PinnedProperty:
    """The value of a property, and the reason why results depend on it."""

    value: str
    reason: str


# Properties of the session, which can change at any time.
PINNED: Mapping[str, PinnedProperty] = {
    "spark.sql.session.timeZone": PinnedProperty(
        "UTC", "a date is a UTC date: another zone moves events to other dates"
    ),
    "spark.sql.timestampType": PinnedProperty("TIMESTAMP_LTZ", "timestamps are instants, not local times"),
    "spark.sql.ansi.enabled": PinnedProperty(
        "true", "an overflow or a bad cast is an error, not a wrong or missing value"
    ),
    "spark.sql.storeAssignmentPolicy": PinnedProperty("ANSI", "a value that does not fit its column is an error"),
    "spark.sql.ansi.doubleQuotedIdentifiers": PinnedProperty("false", "conditions hold strings in double quotes"),
    "spark.sql.caseSensitive": PinnedProperty("false", "column names are compared as the catalog of tables was tested"),
    "spark.sql.legacy.timeParserPolicy": PinnedProperty("CORRECTED", "timestamps are read and printed in one way"),
    "spark.sql.mapKeyDedupPolicy": PinnedProperty(
        "EXCEPTION", "a map with one key twice is an error, not the last value"
    ),
    "spark.sql.decimalOperations.allowPrecisionLoss": PinnedProperty(
        "true", "sums in fixed point have the declared types"
    ),
    "spark.sql.sources.partitionOverwriteMode": PinnedProperty(
        "STATIC", "a rewritten folder contains no rows of the last attempt"
    ),
    "spark.sql.sources.partitionColumnTypeInference.enabled": PinnedProperty("true", "dates in folder names are dates"),
    "spark.sql.files.ignoreCorruptFiles": PinnedProperty("false", "a damaged log file stops the night"),
    "spark.sql.files.ignoreMissingFiles": PinnedProperty("false", "a missing file of a table stops the night"),
    "spark.sql.execution.arrow.pyspark.enabled": PinnedProperty(
        "true", "rows reach Python with the types of their columns"
    ),
    "spark.databricks.delta.schema.autoMerge.enabled": PinnedProperty(
        "false", "a table changes only as the catalog declares"
    ),
    "spark.databricks.delta.replaceWhere.constraintCheck.enabled": PinnedProperty(
        "true", "rows outside the partition that is replaced are an error"
    ),
    # VACUUM still keeps replaced files for the retention time of the table.
    "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration": PinnedProperty(
        "false", "a version is readable as long as its files exist, so a home may be idle for any time"
    ),
}

# Properties that Spark reads only when it starts.
PINNED_AT_START: Mapping[str, PinnedProperty] = {
    "spark.sql.catalog.spark_catalog": PinnedProperty(
        "org.apache.spark.sql.delta.catalog.DeltaCatalog", "tables are Delta tables"
    ),
}
# It affects only new files, so a running session can take it too.
UMASK = "spark.hadoop.fs.permissions.umask-mode"
PRIVATE = PinnedProperty("077", "only the user that runs ltrr may read tables and quarantine")
EXTENSIONS = "spark.sql.extensions"
DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
EXECUTOR_OPTIONS = "spark.executor.extraJavaOptions"


def with_pinned(wanted: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The properties with which a session starts.

    Those of spark-submit take precedence over the settings, and pinned properties over both.

    Args:
        wanted: Properties of the settings.
        given: Properties of spark-submit, its properties file and spark-defaults.conf.

    >>> wanted = {"spark.sql.shuffle.partitions": "2"}
    >>> given = {"spark.sql.shuffle.partitions": "300", "spark.sql.session.timeZone": "CET"}
    >>> chosen = with_pinned(wanted, given)
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
    """Check that the setting `spark.conf` does not change a pinned property.

    >>> check_conf({"spark.sql.ansi.enabled": "false"})
    Traceback (most recent call last):
    ltrr.errors.ConfigError: results depend on this Spark property: spark.conf: \
spark.sql.ansi.enabled: expected true, got false; \
remove it: an overflow or a bad cast is an error, not a wrong or missing value

    Raises:
        ConfigError: The setting gives a pinned property another value.
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
    """Set the pinned properties on a running session, and check those that cannot change.

    Raises:
        ConfigError: A property on which results depend has another value and cannot be changed.
    """
    for name, pinned in PINNED.items():
        found = session.conf.get(name, None)
        if found is None or not _is_same(found, pinned.value):
            if found is not None:
                log.warning("session had %s=%s; ltrr uses %s: %s", name, found, pinned.value, pinned.reason)
            # If Spark refuses the change, the check below raises an error.
            with suppress(AnalysisException):
                session.conf.set(name, pinned.value)
            _check(name, session.conf.get(name, None), pinned)
    for name, pinned in PINNED_AT_START.items():
        _check(name, session.conf.get(name, None), pinned)
    context = session.sparkContext
    context._jsc.hadoopConfiguration().set(UMASK.removeprefix("spark.hadoop."), PRIVATE.value)  # noqa: SLF001
    extensions = session.conf.get(EXTENSIONS, None) or ""
    if DELTA_EXTENSION not in extensions.split(","):
        _check(EXTENSIONS, extensions, PinnedProperty(DELTA_EXTENSION, "tables are Delta tables"))


def _check(name: str, found: str | None, pinned: PinnedProperty) -> None:
    if found is None or not _is_same(found, pinned.value):
        raise ConfigError(
            "results depend on this Spark property, and the running session has another value",
            which=name,
            expected=pinned.value,
            got=found or "none",
            todo=f"start the session with this value ({pinned.reason}), or let ltrr start the session",
        )


def _is_same(found: str, value: str) -> bool:
    return str(found).strip().lower() == value.lower()
