"""Renders the page `docs/reference/tables.md` from the catalog.

`python docs/reference_pages.py` writes the page.
"""

from __future__ import annotations

import sys

from ltrr.tables.catalog import CATALOG
from ltrr.tables.table import Column, Table

_HEAD = """# Tables

Written by `python docs/reference_pages.py`; a test compares this page with the declarations in
`ltrr/tables/`. Each table is a Delta table in a folder of its name below `tables/` of the home.
Values of a column that is not *exact* come from a fit or a clock. Two correct runs may differ in
their last digits, so digests leave the column out and `ltrr tables compare` allows a tolerance.
"""


def render_catalog() -> str:
    """Render the whole page."""
    contents = "\n".join(f"- [{name}](#{name}): {declared.meaning}" for name, declared in CATALOG.items())
    return "\n".join([_HEAD, contents, *(render_table(declared) for declared in CATALOG.values())])


def render_table(declared: Table) -> str:
    """Render one table: meaning, grain, writer, partitions and columns."""
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
