"""Delta tables among log files: the files that a table consists of now, without removed ones.

A Delta table is a folder of Parquet files and `_delta_log`. An update or a compaction leaves the
old files in place, so a reader of the folder would count their rows twice. The files of the table's
newest version are read like other Parquet files. Tables whose files alone are not their rows are
refused: files whose rows are partly deleted, columns with other names, values in folder names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyspark.sql import SparkSession

from ltrr.errors import LtrrError

LOG = "_delta_log"
_REFUSED = {
    "deletionVectors": "rows that are deleted in a file apart (deletion vectors)",
    "columnMapping": "columns that have other names in the files (column mapping)",
}


def table_roots(paths: Iterable[str]) -> list[str]:
    """Folders of the Delta tables among some paths; empty text for the root itself.

    >>> table_roots(["a/_delta_log/00.json", "a/part-1.parquet", "_delta_log/00.json"])
    ['', 'a']
    """
    parts = (path.split("/") for path in paths)
    return sorted({"/".join(part[: part.index(LOG)]) for part in parts if LOG in part[:-1]})


def without_removed(spark: SparkSession, folder: str, found: Mapping[str, int]) -> dict[str, int]:
    """The files without those that are no longer part of their Delta table.

    Args:
        spark: Session with Delta.
        folder: Path or URL of the folder.
        found: Path within the folder -> size in bytes.

    Raises:
        LtrrError: The rows of a table are not those of its files.
    """
    kept = dict(found)
    for root in table_roots(found):
        address = f"{folder.rstrip('/')}/{root}".rstrip("/")
        current = _current_files(spark, address)
        inside = f"{root}/" if root else ""
        for path in found:
            of_table = path.startswith(inside) and LOG not in path.split("/") and path.endswith(".parquet")
            if of_table and path.removeprefix(inside) not in current:
                del kept[path]
    return kept


def only_current(spark: SparkSession, folders: Iterable[Path], files: Iterable[Path]) -> list[Path]:
    """The files without those that are no longer part of a Delta table below the folders.

    Raises:
        LtrrError: The rows of a table are not those of its files.
    """
    kept = list(files)
    for folder in folders:
        for log in sorted(folder.rglob(LOG)) if folder.is_dir() else ():
            table = log.parent
            current = {table / name for name in _current_files(spark, str(table.resolve()))}
            kept = [file for file in kept if table not in file.parents or file in current]
    return kept


def _current_files(spark: SparkSession, address: str) -> set[str]:
    """Paths, within the table, of the files of its newest version."""
    detail = spark.sql(f"DESCRIBE DETAIL delta.`{address}`").collect()[0]
    faults = [text for feature, text in _REFUSED.items() if feature in (detail["tableFeatures"] or [])]
    if detail["partitionColumns"]:
        faults.append(f"values in the names of folders (partitioned by {', '.join(detail['partitionColumns'])})")
    if faults:
        raise LtrrError(
            "a Delta table cannot be read as log files",
            which=address,
            expected="a table whose Parquet files have all of its rows and columns, and no others",
            got="; ".join(faults),
            todo="write its rows of the date as Parquet, CSV or JSON files into the folder; nothing was taken",
        )
    root = unquote(urlsplit(detail["location"]).path).rstrip("/")
    files = spark.read.format("delta").load(address).inputFiles()
    return {unquote(urlsplit(file).path).removeprefix(f"{root}/") for file in files}
