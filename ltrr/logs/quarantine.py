"""Quarantine: rejected lines as they arrived, kept for some days.

The tables show only the shape of these lines.
"""

from __future__ import annotations

import logging
import re
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.logs.folder import child_folders, delete_folder, folder_name
from ltrr.logs.named_users import naming_lines
from ltrr.logs.reasons import NO_FAULTS
from ltrr.logs.record_rows import Pseudonyms

log = logging.getLogger(__name__)

BROADCAST_LINES = 100_000
"""Maximum number of rejected lines whose hashes go to every task (10 MB).

More lines are joined by a shuffle.
"""

_EXPIRES = re.compile(r"expires=(\d{4}-\d\d-\d\d)", re.ASCII)


def quarantine_folder(root: str, night: date, days: int) -> str:
    """Folder of a night's rejected lines. The path has the date from which they may be deleted.

    >>> quarantine_folder("/data/quarantine", date(2026, 3, 2), 30)
    '/data/quarantine/expires=2026-04-01/dt=2026-03-02'
    """
    return f"{root.rstrip('/')}/expires={night + timedelta(days=days)}/{folder_name(night)}"


def expired_folders(names: list[str], night: date) -> list[str]:
    """Names of the folders that have expired. Folders with other names are never deleted.

    >>> names = ["expires=2026-03-31", "expires=2026-04-01", "expires=2026-04-02", "kept"]
    >>> expired_folders(names, date(2026, 4, 1))
    ['expires=2026-03-31', 'expires=2026-04-01']
    """
    dated = ((name, _parse_expiry(name)) for name in names)
    return [name for name, expiry in dated if expiry is not None and expiry <= night]


def _parse_expiry(name: str) -> date | None:
    """Date in a folder's name; None if ltrr did not name the folder."""
    found = _EXPIRES.fullmatch(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        # The digits are no date.
        return None


def clear_quarantine(spark: SparkSession, root: str, night: date) -> list[str]:
    """Delete expired folders and those of an earlier attempt; return the deleted folders.

    An attempt with other settings or other logs may have written lines below another date of
    expiry, or lines that are well-formed now. The driver reads one name per date of expiry.
    """
    root = root.rstrip("/")
    names = child_folders(spark, root)
    expired = expired_folders(names, night)
    dated = [f"{root}/{name}" for name in names if _parse_expiry(name) and name not in expired]
    own = [f"{folder}/{folder_name(night)}" for folder in dated if folder_name(night) in child_folders(spark, folder)]
    deleted = [*(f"{root}/{name}" for name in expired), *own]
    for folder in deleted:
        delete_folder(spark, folder)
        log.info("quarantine=%s deleted", folder)
    return deleted


def only_rejected(lines: DataFrame, rejected_rows: DataFrame, rejected: int) -> DataFrame:
    """Raw lines whose SHA-256 is that of a faulty line; reasons that are no fault have none.

    Spark reads the files a second time. To carry every raw line along with its parsed row would
    double the memory of a night. On a night with many rejected lines the hashes are large, so Spark
    shuffles both sides and no task has more than its part.

    Args:
        lines: Lines of the night, as bytes.
        rejected_rows: Rows of `rejected_rows` of the same night.
        rejected: Number of these rows.
    """
    hashes = rejected_rows.where(~F.col("reason").isin(sorted(NO_FAULTS))).select("line_hash").distinct()
    hashes = F.broadcast(hashes) if rejected <= BROADCAST_LINES else hashes.hint("merge")
    hashed = lines.withColumn("line_hash", F.sha2("line", 256))
    return hashed.join(hashes, on="line_hash", how="left_semi").select("line")


def without_named(lines: DataFrame, forgotten: DataFrame, pseudonyms: Pseudonyms) -> DataFrame:
    """Faulty lines without those that name a user who asked to be forgotten.

    Args:
        lines: Lines of `only_rejected`.
        forgotten: `user_key` of each forgotten user.
        pseudonyms: Conversion of ids to keys.
    """
    hashed = lines.withColumn("line_hash", F.sha2("line", 256))
    named = naming_lines(hashed, forgotten, pseudonyms)
    return hashed.join(named, on="line_hash", how="left_anti").select("line")


def write_quarantine(lines: DataFrame, folder: str) -> None:
    """Write lines byte for byte. They replace the folder, so a rerun leaves one copy."""
    lines.select(F.col("line").cast("string").alias("value")).write.mode("overwrite").text(folder, compression="gzip")
