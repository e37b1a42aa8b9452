"""Rejected lines as they came, kept aside for a while: the tables show no more than their shape."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.logs.folder import folder_name


def quarantine_folder(root: str, night: date, days: int) -> str:
    """Where a night's rejected lines lie: what may be deleted, and from when, stands in the path.

    >>> quarantine_folder("/data/quarantine", date(2026, 3, 2), 30)
    '/data/quarantine/expires=2026-04-01/dt=2026-03-02'
    """
    return f"{root.rstrip('/')}/expires={night + timedelta(days=days)}/{folder_name(night)}"


def write_quarantine(lines: DataFrame, rejected_rows: DataFrame, folder: str) -> None:
    """Write the raw lines whose hash was rejected, byte for byte; a line is found again by its sha256.

    The files are read a second time, by the engine alone: to carry every raw line along with what was parsed, in case
    that it is rejected, would double what a night holds in memory. Lines of forgotten users are left out.

    Args:
        lines: the night's lines, as bytes.
        rejected_rows: of the same night.
        folder: replaced as a whole, so a rerun leaves one copy.
    """
    hashes = rejected_rows.where("reason <> 'forgotten'").select("line_hash").distinct()
    hashed = lines.withColumn("line_hash", F.sha2("line", 256))
    kept = hashed.join(F.broadcast(hashes), on="line_hash", how="left_semi")
    kept.select(F.col("line").cast("string").alias("value")).write.mode("overwrite").text(folder, compression="gzip")
