"""The examples of docs/concepts/query-keys.md are what the code computes."""

from __future__ import annotations

import json
import re

import pytest

from ltrr.core.default_ignorable import UNICODE_VERSION
from ltrr.core.queries import MAX_KEY_LENGTH, QUERY_KEY_VERSION, query_key
from tests.docs.recipes import ROOT

TEXT = (ROOT / "docs" / "concepts" / "query-keys.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\".*\")` \| `(\".*\")` \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("texts", "key"), ROWS)
def test_an_example_has_the_key_that_the_page_shows(texts: str, key: str) -> None:
    for text in texts.split("`, `"):
        assert query_key(json.loads(text)) == json.loads(key)


def test_the_page_has_examples_and_names_the_versions() -> None:
    assert len(ROWS) > 20
    assert f"Unicode {UNICODE_VERSION}" in TEXT
    assert f"version {QUERY_KEY_VERSION}" in TEXT
    assert f"{MAX_KEY_LENGTH} characters" in TEXT
