"""The page `docs/reference/tables.md`, rendered from the catalog.

Written by `python -m ltrr.tables.markdown > docs/reference/tables.md`.
"""

from __future__ import annotations

import sys

from ltrr.tables.catalog import CATALOG
from ltrr.tables.table import Column, Table

_HEAD = """# Tables

Written by `python -m ltrr.tables.markdown`; a test holds it to the catalog (`ltrr/tables/`). Delta, one folder a table
below `tables/` of the home. A column that is not *exact* comes out of a fit or a clock: two right runs may differ in
its last digits, so digests leave it out and `ltrr tables compare` allows it a tolerance.
"""


def render_catalog() -> str:
    """The whole page."""
    contents = "\n".join(f"- [{name}](#{name}): {declared.meaning}" for name, declared in CATALOG.items())
    return "\n".join([_HEAD, contents, *(render_table(declared) for declared in CATALOG.values())])


def render_table(declared: Table) -> str:
    """One table: what it holds, its grain, partitions, writer, and its columns."""
    replaced = f"; a night replaces its `{declared.date_column}`" if declared.date_column else "; rows are only added"
    partitions = f"Partitioned by {_names(declared.partition_by)}." if declared.partition_by else "Not partitioned."
    lines = [
        f"\n## {declared.name}\n",
        f"{declared.meaning} One row for each {_names(declared.grain)}.",
        f"Written by `{declared.written_by}`{replaced}. {partitions}\n",
        "| column | type | meaning | unit | null | exact |",
        "|---|---|---|---|---|---|",
        *(_row(column) for column in declared.columns),
    ]
    return "\n".join(lines)


def _row(column: Column) -> str:
    cells = (
        f"`{column.name}`",
        f"`{column.type}`",
        column.meaning,
        column.unit,
        column.null or "never",
        "" if column.exact else "no",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.stdout.write(render_catalog() + "\n")
