"""The catalog holds together, and the page about it is current."""

import re
from pathlib import Path

import pytest

from ltrr.errors import UsageError
from ltrr.pipelines.jobs import JOBS
from ltrr.tables.catalog import CATALOG, table
from ltrr.tables.markdown import render_catalog

TABLES = pytest.mark.parametrize("declared", CATALOG.values(), ids=CATALOG)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tables.md"


def test_the_page_about_the_tables_is_current():
    assert PAGE.read_text(encoding="utf-8") == render_catalog() + "\n", "run `python docs/reference_pages.py`"


@TABLES
def test_names_hold_together(declared):
    names = declared.column_names
    assert len(set(names)) == len(names)
    assert set(declared.grain) <= set(names)
    assert set(declared.partition_by) <= set(names)
    assert set(declared.grain) <= set(declared.exact_columns), "a grain that is not exact identifies nothing"
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


@TABLES
def test_one_job_or_the_runner_or_the_command_line_writes_a_table(declared):
    assert declared.written_by in (*JOBS, "runner", "cli")


@TABLES
def test_what_a_night_replaces_is_a_partition(declared):
    """Else replacing a date would rewrite the table."""
    if declared.date_column:
        assert declared.date_column in declared.partition_by
        assert declared.column(declared.date_column).type == "date"
        assert not declared.column(declared.date_column).nullable


@TABLES
def test_a_partition_column_is_never_null(declared):
    assert not any(declared.column(name).nullable for name in declared.partition_by)


def test_one_word_has_one_type_everywhere():
    kinds = {}
    for declared in CATALOG.values():
        for column in declared.columns:
            if column.name.endswith(("_id", "_key", "_date", "_at")) or column.name in (
                "position",
                "depth",
                "strategy",
            ):
                assert kinds.setdefault(column.name, column.type) == column.type, f"{declared.name}.{column.name}"


def test_an_unknown_table_is_named_with_those_there_are():
    with pytest.raises(UsageError, match=r"impressions.*got impresions"):
        table("impresions")
