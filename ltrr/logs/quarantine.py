"""Rejected lines as they came, kept aside for a while: the tables show no more than their shape."""

from __future__ import annotations

import logging
import re
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.logs.folder import child_folders, delete_folder, folder_name

log = logging.getLogger(__name__)

BROADCAST_LINES = 100_000
"""Up to so many rejected lines, their hashes go to every task: 10 MB. More are joined by a shuffle."""

_EXPIRES = re.compile(r"expires=(\d{4}-\d\d-\d\d)", re.ASCII)


def quarantine_folder(root: str, night: date, days: int) -> str:
    """Where a night's rejected lines lie: what may be deleted, and from when, stands in the path.

    >>> quarantine_folder("/data/quarantine", date(2026, 3, 2), 30)
    '/data/quarantine/expires=2026-04-01/dt=2026-03-02'
    """
    return f"{root.rstrip('/')}/expires={night + timedelta(days=days)}/{folder_name(night)}"


def expired_folders(names: list[str], night: date) -> list[str]:
    """Those of the folders' names whose date has come; anything else is not ours to delete.

    >>> expired_folders(["expires=2026-03-31", "expires=2026-04-01", "expires=2026-04-02", "kept"], date(2026, 4, 1))
    ['expires=2026-03-31', 'expires=2026-04-01']
    """
    dated = ((name, _expiry(name)) for name in names)
    return [name for name, expiry in dated if expiry is not None and expiry <= night]


def _expiry(name: str) -> date | None:
    """The date in a folder's name; None where ltrr did not name it."""
    found = _EXPIRES.fullmatch(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        # Digits that are no date.
        return None


def clear_quarantine(spark: SparkSession, root: str, night: date) -> list[str]:
    """Delete what has expired, and what an earlier attempt of the night left; the folders that were deleted.

    An attempt with other settings, or other logs, has written lines below another date of expiry, or lines that are
    good now. The driver sees a name a date of expiry.
    """
    root = root.rstrip("/")
    names = child_folders(spark, root)
    expired = expired_folders(names, night)
    dated = [f"{root}/{name}" for name in names if _expiry(name) and name not in expired]
    own = [f"{folder}/{folder_name(night)}" for folder in dated if folder_name(night) in child_folders(spark, folder)]
    deleted = [*(f"{root}/{name}" for name in expired), *own]
    for folder in deleted:
        delete_folder(spark, folder)
        log.info("quarantine=%s deleted", folder)
    return deleted


def only_rejected(lines: DataFrame, rejected_rows: DataFrame, rejected: int) -> DataFrame:
    """Raw lines whose hash was rejected, without those of forgotten users; a line is found again by its sha256.

    The files are read a second time, by the engine alone: to carry every raw line along with what was parsed, in case
    that it is rejected, would double what a night holds in memory. On a bad night the hashes are no longer small, and
    both sides are shuffled: no task holds more than its part.

    Args:
        lines: the night's lines, as bytes.
        rejected_rows: of the same night.
        rejected: number of these rows.
    """
    hashes = rejected_rows.where("reason <> 'forgotten'").select("line_hash").distinct()
    hashes = F.broadcast(hashes) if rejected <= BROADCAST_LINES else hashes.hint("merge")
    hashed = lines.withColumn("line_hash", F.sha2("line", 256))
    return hashed.join(hashes, on="line_hash", how="left_semi").select("line")


def write_quarantine(lines: DataFrame, rejected_rows: DataFrame, folder: str, rejected: int) -> None:
    """Write the lines of `only_rejected` byte for byte; the folder is replaced as a whole, a rerun leaves one copy."""
    kept = only_rejected(lines, rejected_rows, rejected)
    kept.select(F.col("line").cast("string").alias("value")).write.mode("overwrite").text(folder, compression="gzip")
