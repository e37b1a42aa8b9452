"""The generated pages are current."""

from __future__ import annotations

import runpy

import pytest

from tests.docs.recipes import ROOT

GENERATOR = ROOT / "docs" / "reference_pages.py"
PAGES = runpy.run_path(str(GENERATOR))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert page == PAGES[name](), "run `python docs/reference_pages.py`"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_has_full_tables(name: str) -> None:
    """All lines of a table have the same number of cells; a `|` in a text would split its cell."""
    columns = 0
    for line in PAGES[name]().splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "").count("|") - 1
            assert columns in (0, cells), line
            columns = cells
        else:
            columns = 0
