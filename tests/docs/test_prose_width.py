"""Prose of pages wraps at 100 columns; tables, code, headings and pictures may be wider."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_links import PAGES, ROOT

WIDTH = 100
GENERATED = {"tables.md", "settings.md", "cli.md", "record-schema.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_prose_wraps(page: Path) -> None:
    if page.name in GENERATED:
        return
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    wide = [line for line in text.splitlines() if len(line) > WIDTH and not line.startswith(("|", "#", "!", "    "))]
    assert wide == []
