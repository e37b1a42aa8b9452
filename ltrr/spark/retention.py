"""Time for which versions of a table stay readable: the commit protocol reads earlier versions.

Delta keeps replaced files for `deletedFileRetentionDuration` (7 days by default), and the log of a
version for `logRetentionDuration` (30 days by default). The nights need longer times, so every
table that is read by version has its own values.

The log of a table also has statistics: the smallest and largest values of the columns of each file,
user keys among them. They would stay after a user was forgotten, and nights skip files by
partitions alone, so these tables have no statistics of columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltrr.errors import check_ranges
from ltrr.tables.table import Table

FILES = "delta.deletedFileRetentionDuration"
LOG = "delta.logRetentionDuration"
STATISTICS = "delta.dataSkippingNumIndexedCols"
"""Table property: number of columns with statistics of files."""
OLDEST_READABLE = "ltrr.oldestReadableVersion"
"""Table property: oldest version that is still readable after a user was forgotten."""

# The newest commit must stay readable while the next night writes, however long the home was idle.
# The log costs a few kilobytes per commit, so it is kept for ten years.
LOG_DAYS = 3650


@dataclass(frozen=True)
class NightSettings:
    """Order of the nights: range of repairs, and retention of the table versions that they read.

    Attributes:
        repair_days: Number of nights before the current one that are checked for stale jobs, and
            repaired.
        repair_first: Whether the first job of a night reruns stale jobs of earlier dates. If false,
            a night after a stale date is refused.
        readable_days: Number of days for which replaced files are kept, so that older versions of a
            table can be read.

    Raises:
        ConfigError: A number is out of its range.
    """

    repair_days: int = 60
    repair_first: bool = False
    readable_days: int = 90

    def __post_init__(self) -> None:
        rules = (
            ("repair_days", self.repair_days >= 1, ">= 1"),
            ("readable_days", self.readable_days > self.repair_days, f"more than repair_days, {self.repair_days}"),
            ("readable_days", self.readable_days <= LOG_DAYS, f"at most {LOG_DAYS}"),
        )
        check_ranges("nights", self, rules)


def retention_properties(table: Table, readable_days: int) -> Mapping[str, str]:
    """Properties of a table on disk; none for a table that is only read in its current state.

    >>> from ltrr.tables.catalog import table
    >>> retention_properties(table("impressions"), 90)[FILES]
    'interval 90 days'
    >>> dict(retention_properties(table("job_runs"), 90))
    {}
    """
    if not table.is_read_by_version:
        return {}
    return {FILES: f"interval {readable_days} days", LOG: f"interval {LOG_DAYS} days", STATISTICS: "0"}
