"""The imported judgments in the table `judgments`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import functions as F

from ltrr.errors import UsageError
from ltrr.judgments.judgment import Judgment
from ltrr.judgments.measures import Grades
from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

_SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")


def check_source(source: str) -> str:
    """The name of a source, checked.

    Raises:
        UsageError: It has other characters than those of a file name in lower case.
    """
    if not _SOURCE.match(source):
        raise UsageError(
            "not a name of a source",
            which="--source",
            expected="lower-case letters, digits, point, _ and -, such as quepid-2026-03",
            got=repr(source),
        )
    return source


def store_judgments(
    warehouse: Warehouse, source: str, judgments: Mapping[tuple[str, str], Judgment], imported_at: datetime
) -> int:
    """Replace the judgments of a source by these; returns the number of rows that it had before.

    One commit of Delta writes all rows, so an import is complete or absent, and the same file
    imported again leaves the same rows.

    Args:
        warehouse: Tables of the home, whose lease the caller holds.
        source: Name of the source.
        judgments: (query_key, entity_id) -> judgment.
        imported_at: Time of the import, UTC.
    """
    declared, where = table("judgments"), f"source = '{check_source(source)}'"
    before = warehouse.read(declared).where(where).count()
    rows = [
        (source, key, entity_id, one.query_text, one.grade, imported_at)
        for (key, entity_id), one in sorted(judgments.items())
    ]
    warehouse.replace(declared, warehouse.spark.createDataFrame(rows, schema_of(declared)).coalesce(1), where)
    return before


def read_judgments(warehouse: Warehouse, source: str | None) -> dict[str, dict[str, Grades]]:
    """Source -> query_key -> grades of all sources, or of one.

    People judge thousands of pairs, not millions, so the driver collects them.

    Raises:
        UsageError: There are no judgments, or none of this source.
    """
    rows = warehouse.read(table("judgments"))
    known = sorted(row["source"] for row in rows.select("source").distinct().collect())
    if not known or (source is not None and source not in known):
        raise UsageError(
            "there are no judgments",
            which=source or "judgments",
            expected=f"one of {', '.join(known)}" if known else "an imported source",
            got="none",
            todo="import a file with `ltrr judgments import FILE --source NAME`",
        )
    wanted = rows if source is None else rows.where(F.col("source") == F.lit(source))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in wanted.select("source", "query_key", "entity_id", "grade").collect():
        found.setdefault(row["source"], {}).setdefault(row["query_key"], {})[row["entity_id"]] = row["grade"]
    return {name: dict(queries) for name, queries in sorted(found.items())}
