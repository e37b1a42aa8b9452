"""How long the versions of a table stay readable: the commit protocol reads tables as earlier commits left them.

Delta keeps the files that a version lost for `deletedFileRetentionDuration` (7 days by default),
and the log that describes a version for `logRetentionDuration` (30 days by default). Both defaults
are shorter than what the nights need, so every table that is read by version carries its own
values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltrr.errors import check_ranges
from ltrr.tables.table import Table

FILES = "delta.deletedFileRetentionDuration"
LOG = "delta.logRetentionDuration"
OLDEST_READABLE = "ltrr.oldestReadableVersion"
"""Table property: versions before it were removed when a user was forgotten."""

# The newest commit of a home that rested has to stay readable while the next night writes, however
# long the rest was. The log costs a few kilobytes a commit, so it is kept for ten years.
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
        ConfigError: a number is out of its range.
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
    """Table properties that keep the declared promise; none for a table that is only read as it is.

    >>> from ltrr.tables.catalog import table
    >>> retention_properties(table("impressions"), 90)[FILES]
    'interval 90 days'
    >>> dict(retention_properties(table("job_runs"), 90))
    {}
    """
    if not table.is_read_by_version:
        return {}
    return {FILES: f"interval {readable_days} days", LOG: f"interval {LOG_DAYS} days"}
