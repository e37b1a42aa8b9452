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
CODE = (
    *("docs/*.py", "jobs/*.py", "airflow_dags/*.py", "examples/*.py", "conftest.py"),
    *("ltrr/**/*.py", "benchmarks/**/*.py", "tests/**/*.py"),
)
# Files whose names of modules, functions, classes, arguments, variables and attributes are checked.
NAMING = ("ltrr/**/*.py", "benchmarks/**/*.py")

# Targets of links, paths and names of files are not prose.
_PATHS = re.compile(r"\]\([^)\s]*\)|[\w./-]*/[\w./-]+|[\w-]+\.(?:md|py|yaml|json|svg)\b")
_PARTS_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True)
class Word:
    """One house word or phrase.

    Attributes:
        word: The word, in lower case.
        allowed: Patterns of the paths in which it is allowed.
    """

    word: str
    allowed: list[str] = field(default_factory=list)

    def found_in(self, text: str) -> bool:
        return re.search(rf"(?<![\w-]){re.escape(self.word)}(?![\w-])", text, re.IGNORECASE) is not None

    def is_allowed_in(self, path: str) -> bool:
        return any(fnmatch(path, pattern) for pattern in self.allowed)


def read_words(lines: list[str]) -> list[Word]:
    """Words of the list: one on each line, with its exceptions indented below it."""
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
    """(first line, text) of each paragraph; a phrase may continue on the next line."""
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
    """(line, text) of each string, docstring and comment of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def declared_names(source: str) -> Iterator[tuple[int, str]]:
    """(line, name) of each function, class, argument, variable and attribute that a module sets."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name


def parts_of_name(name: str) -> list[str]:
    """Words of a name, in lower case, split at `_` and at changes of case."""
    return [part.lower() for part in _PARTS_OF_NAME.findall(name)]


def find_in_prose(path: Path, words: list[Word]) -> Iterator[str]:
    """`path:line: word: text` for each house word in the prose of a file."""
    file = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    for line, prose in prose_of_code(text) if path.suffix == ".py" else lines_of_text(text):
        plain = _PATHS.sub(" ", prose)
        for word in words:
            if word.found_in(plain) and not word.is_allowed_in(file):
                yield f"{file}:{line}: {word.word}: {plain[:160]}"


def find_in_names(path: Path, words: list[Word]) -> Iterator[str]:
    """`path:line: word: name` for each house word in a name; the module's own name has line 0."""
    file = path.relative_to(ROOT).as_posix()
    module = path.parent.name if path.stem == "__init__" else path.stem
    for line, name in [(0, module), *declared_names(path.read_text(encoding="utf-8"))]:
        parts = parts_of_name(name)
        for word in words:
            if word.word in parts and not word.is_allowed_in(file):
                yield f"{file}:{line}: {word.word}: {name}"


WORDS = read_words(LIST.read_text(encoding="utf-8").splitlines())


def files(patterns: tuple[str, ...]) -> list[Path]:
    return sorted({file for pattern in patterns for file in ROOT.glob(pattern)})


@pytest.mark.parametrize("path", files(TEXTS), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_uses_no_house_word(path: Path) -> None:
    assert list(find_in_prose(path, WORDS)) == []


@pytest.mark.parametrize("path", files(CODE), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_strings_and_comments_use_no_house_word(path: Path) -> None:
    assert list(find_in_prose(path, WORDS)) == []


@pytest.mark.parametrize("path", files(NAMING), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_use_no_house_word(path: Path) -> None:
    assert list(find_in_names(path, WORDS)) == []


def test_every_pattern_names_a_file() -> None:
    for pattern in (*TEXTS, *CODE, *NAMING, *(allowed for word in WORDS for allowed in word.allowed)):
        assert list(ROOT.glob(pattern)), pattern


def test_the_list_is_read_and_words_are_found() -> None:
    [beside, told] = read_words(["# note", "beside (next to)", "    pages/*: a file name", "told"])
    assert beside.is_allowed_in("pages/1")
    assert not told.is_allowed_in("pages/1")
    assert beside.found_in("Beside the point")
    assert not beside.found_in("besides; set_beside; jars-beside-spark")


def test_names_are_found_and_split() -> None:
    source = (
        "import re as r\nclass HTTPTell:\n    def tell(self, *, who_told=1):\n        self.told = beside = who_told\n"
    )
    found = dict(map(reversed, declared_names(source)))
    assert found == {"r": 1, "HTTPTell": 2, "tell": 3, "self": 3, "who_told": 3, "told": 4, "beside": 4}
    assert parts_of_name("HTTPTell_who2told") == ["http", "tell", "who", "told"]
    assert parts_of_name("_LAST_WORD") == ["last", "word"]
