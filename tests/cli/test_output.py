"""Logged text is shown as it is: no markup, no emoji codes, no control characters."""

from __future__ import annotations

import ast
import json
import logging
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltrr
from ltrr.cli import output
from ltrr.cli.app import report
from ltrr.demo.shown_text import escape_controls, escape_json_controls
from ltrr.errors import UsageError

SOURCES = Path(ltrr.__file__).parent
TEXTS = (
    "a [/b] c",
    "[deluxe] abbey road",
    "[link=file:///x]click[/link]",
    "[red]alarm",
    ":heart: songs",
    "\\[escaped]",
)
ESCAPES = {
    "a\x1b[31mred\x1b]0;title\x07": r"a\x1b[31mred\x1b]0;title\x07",
    "c1 \x9b31m": r"c1 \x9b31m",
    "abc\u202edcba": r"abc\u202edcba",
    "two\nlines\r\tof": r"two\nlines\r\tof",
    "party \ud83d": r"party \ud83d",
    "nul \x00": r"nul \x00",
}


@pytest.mark.parametrize("text", TEXTS)
def test_markup_in_a_cell_a_title_and_a_column_is_text(capsys: pytest.CaptureFixture[str], text: str) -> None:
    output.show_rows([{text: text, "n": 1}], f"query={text}", as_json=False)
    output.show(f"reason: {text}")
    output.show_rows([], text, as_json=False)
    out = capsys.readouterr().out
    assert f"query={text}" in out
    assert f"reason: {text}" in out
    assert f"{text}: nothing" in out
    assert out.count(text) == 5


@pytest.mark.parametrize(("text", "shown"), ESCAPES.items())
def test_control_characters_are_shown_as_escapes(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    output.show_rows([{"query": text, "more": {text: [text]}}], text, as_json=False)
    out = capsys.readouterr().out
    assert out.count(shown) == 4
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in out.replace("\n", ""))


@pytest.mark.parametrize("text", [*TEXTS, *ESCAPES])
def test_an_error_is_one_line_without_control_characters(
    capsys: pytest.CaptureFixture[str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LTRR_DEBUG", raising=False)
    assert report(UsageError("a query cannot be read", which=text)) == 2
    err = capsys.readouterr().err
    assert err.startswith("ltrr: a query cannot be read")
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_a_log_line_has_no_control_characters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The handlers of other tests stay as they are.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    output.set_up_logging(is_verbose=True)
    logging.getLogger("ltrr.test").info("reason=%s", "\x1b[2J[/b]")
    assert r"reason=\x1b[2J[/b]" in capsys.readouterr().err


@given(st.text(st.characters(exclude_categories=())))
def test_json_keeps_the_text_and_can_be_encoded(text: str) -> None:
    document = escape_json_controls(json.dumps({"query": text}, ensure_ascii=False))
    document.encode()
    assert json.loads(document) == json.loads(json.dumps({"query": text}))
    assert "\u202e" not in document


@given(st.text(st.characters(exclude_categories=())))
def test_shown_text_has_no_control_characters(text: str) -> None:
    shown = escape_controls(text)
    shown.encode()
    assert all(unicodedata.category(character) not in ("Cc", "Cs") for character in shown)


def test_every_console_is_plain() -> None:
    """No module makes a console of rich of its own, so none can print with markup on."""
    makers, printers = [], []
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in ("Console", "get_console"):
                    makers.append(f"{file.name}:{node.lineno}")
                if any(
                    word.arg in ("markup", "emoji") and ast.unparse(word.value) != "False" for word in node.keywords
                ):
                    printers.append(f"{file.name}:{node.lineno}")
            is_import = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich")
            if is_import and {"print", "inspect", "markup"} & {alias.name for alias in node.names}:
                printers.append(f"{file.name}:{node.lineno}")
    assert makers == printers == []


def test_only_the_door_writes_to_the_terminal() -> None:
    """In the command line, only `output.py` writes text without a console."""
    allowed = {"output.py": {"stdout", "stderr"}, "__init__.py": {"stderr"}, "app.py": {"stderr"}}
    found = [
        f"{file.name}:{node.lineno}"
        for file in (SOURCES / "cli").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("stdout", "stderr")
        and ast.unparse(node.value) == "sys"
        and node.attr not in allowed.get(file.name, set())
    ]
    assert found == []
