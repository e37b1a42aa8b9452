"""Pages, settings, messages, comments and names contain no house word of words.txt."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("words.txt")

TEXTS = ("*.md", "mkdocs.yml", "docs/**/*.md", "docs/*.svg", "conf/*.yaml")
# Files whose strings, comments and docstrings are checked.
CODE = ("docs/*.py", "jobs/*.py", "airflow_dags/*.py", "examples/*.py", "ltrr/**/*.py")

# A link's target, a path and a file's name are names, not prose.
_NAMES = re.compile(r"\]\([^)\s]*\)|[\w./-]*/[\w./-]+|[\w-]+\.(?:md|py|yaml|json|svg)\b")


@dataclass(frozen=True)
class Word:
    """One house word, and where it is allowed."""

    word: str
    allowed: list[str] = field(default_factory=list)

    def found_in(self, text: str) -> bool:
        return re.search(rf"(?<![\w-]){re.escape(self.word)}(?![\w-])", text, re.IGNORECASE) is not None

    def is_allowed_in(self, path: str) -> bool:
        return any(fnmatch(path, pattern) for pattern in self.allowed)


def read_words(lines: list[str]) -> list[Word]:
    """The list: a word a line, and its exceptions indented below it."""
    words: list[Word] = []
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            pattern, colon, reason = line.strip().partition(": ")
            assert colon, f"an exception without a reason: {line}"
            assert reason.strip(), f"an exception without a reason: {line}"
            words[-1].allowed.append(pattern)
        else:
            words.append(Word(line.partition(" (")[0].strip()))
    return words


def lines_of_text(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs of a page with the number of their first line: a phrase may be on two lines."""
    start, lines = 1, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip() and not line.startswith("|"):
            lines.append(line)
            continue
        if lines:
            yield start, " ".join(" ".join(lines).split())
        if line.strip():
            yield number, line
        start, lines = number + 1, []


def prose_of_code(source: str) -> Iterator[tuple[int, str]]:
    """Strings, docstrings and comments of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def hits(path: Path, words: list[Word]) -> Iterator[str]:
    """`path:line: word: text` for each house word."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    for line, prose in prose_of_code(text) if path.suffix == ".py" else lines_of_text(text):
        plain = _NAMES.sub(" ", prose)
        for word in words:
            if word.found_in(plain) and not word.is_allowed_in(name):
                yield f"{name}:{line}: {word.word}: {plain[:160]}"


WORDS = read_words(LIST.read_text(encoding="utf-8").splitlines())


def files(patterns: tuple[str, ...]) -> list[Path]:
    return sorted({file for pattern in patterns for file in ROOT.glob(pattern)})


@pytest.mark.parametrize("path", files(TEXTS), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_uses_no_house_word(path: Path) -> None:
    assert list(hits(path, WORDS)) == []


@pytest.mark.parametrize("path", files(CODE), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_strings_and_comments_use_no_house_word(path: Path) -> None:
    assert list(hits(path, WORDS)) == []


def test_every_pattern_names_a_file() -> None:
    for pattern in (*TEXTS, *CODE, *(allowed for word in WORDS for allowed in word.allowed)):
        assert list(ROOT.glob(pattern)), pattern


def test_the_list_is_read_and_words_are_found() -> None:
    [beside, told] = read_words(["# note", "beside (next to)", "    pages/*: a file name", "told"])
    assert beside.is_allowed_in("pages/1")
    assert not told.is_allowed_in("pages/1")
    assert beside.found_in("Beside the point")
    assert not beside.found_in("besides; set_beside; jars-beside-spark")
