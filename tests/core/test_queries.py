"""Query key: one key for the spellings of one query, other keys for queries of other meaning."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ltrr.core.default_ignorable import DEFAULT_IGNORABLE, is_default_ignorable
from ltrr.core.queries import (
    MAX_KEY_LENGTH,
    QUERY_CLASSES,
    QUERY_KEY_VERSIONS,
    canonical_form,
    query_class,
    query_key,
)
from ltrr.core.surrogates import replace_surrogates
from ltrr.errors import ConfigError

_IGNORABLE = [point for first, last in DEFAULT_IGNORABLE for point in range(first, last + 1)]
_MARKS = (
    "aAiIİ\u01311½\"#%@.&,/*!'`\u00b4ß\u0307\u0323\u0301\u0345\u20e3\ufe0f\u200d\u3164\u207b\u02bc\u2044\ud83d\udca9 "
)
ANY_TEXT = st.text(st.one_of(st.sampled_from(_MARKS), st.characters(exclude_categories=())), max_size=40)


@given(ANY_TEXT)
@example("\u0130N\u015e")
@example('7" "40"')
@example("...a.#b")
@example("\u207ba")
def test_a_key_is_its_own_key(text: str) -> None:
    for version in QUERY_KEY_VERSIONS:
        assert query_key(query_key(text, version), version) == query_key(text, version)


@given(ANY_TEXT, st.sampled_from(["NFC", "NFD"]))
def test_normal_forms_of_a_text_have_one_key(text: str, form: str) -> None:
    assert query_key(unicodedata.normalize(form, text)) == query_key(text)


@given(st.text(alphabet=st.characters(max_codepoint=0x24F, exclude_characters="İ"), max_size=20))
def test_case_and_outer_space_do_not_matter(text: str) -> None:
    for version in QUERY_KEY_VERSIONS:
        assert query_key(f"  {text.upper()}\t", version) == query_key(text.upper().lower(), version)


@given(ANY_TEXT)
def test_a_key_can_always_be_stored(text: str) -> None:
    key = query_key(text)
    assert key.encode("utf-8").decode("utf-8") == key
    assert query_class(key) in QUERY_CLASSES
    assert query_key(replace_surrogates(text)) == key


@given(ANY_TEXT)
def test_only_a_text_without_visible_characters_has_the_empty_key(text: str) -> None:
    visible = [
        character
        for character in text
        if not is_default_ignorable(ord(character)) and unicodedata.category(character) not in ("Zs", "Zl", "Zp", "Cc")
    ]
    assert bool(query_key(text)) == bool(visible)


@pytest.mark.parametrize("text", ["", "a", "7", "c#", "i\u0307"])
def test_ignorable_code_points_do_not_matter(text: str) -> None:
    key = query_key(text)
    for point in _IGNORABLE:
        assert query_key(f"{chr(point)}{text}{chr(point)}") == key
        assert query_key(chr(point).join(text)) == key


def test_the_ranges_are_those_of_unicode() -> None:
    """DerivedCoreProperties.txt 14.0.0 to 16.0.0: "Total code points: 4174"."""
    assert len(_IGNORABLE) == len(set(_IGNORABLE)) == 4174
    assert list(DEFAULT_IGNORABLE) == sorted(DEFAULT_IGNORABLE)
    visible = [point for point in _IGNORABLE if unicodedata.category(chr(point)) not in ("Cf", "Cn", "Mn", "Lo")]
    assert visible == []


@given(st.text(max_size=30), st.integers(60, 3_000))
def test_a_long_text_has_a_short_key_of_its_own(text: str, times: int) -> None:
    long = "drop table songs, " * times + text
    key, other = query_key(long), query_key(f"{long} b")
    assert len(key) <= MAX_KEY_LENGTH
    assert query_key(key) == key != other
    assert key[:200] == canonical_form(long)[:200]


def test_ten_thousand_marks_have_a_key() -> None:
    for text in ("!" * 10_000, "#" * 10_000, '7"' * 5_000, "a." * 5_000, "\ud83d" * 10_000, "x" * 10_000):
        key = query_key(text)
        assert 0 < len(key) <= MAX_KEY_LENGTH
        assert query_key(key) == key


def test_marks_of_other_scripts_stay() -> None:
    assert query_key("हिन्दी गाने") == "हिन्दी गाने"
    assert query_key("zero​width and\ud800surrogate") == "zerowidth and\ufffdsurrogate"


def test_version_1_is_unchanged() -> None:
    """Keys of homes that began with version 1."""
    keys = {
        "": "",
        " ?!… ": "",
        "C# 3.5": "c 3 5",
        "C++": "c++",
        "zero​width and\ud800surrogate": "zerowidth and surrogate",
        "İstanbul": "i̇stanbul",
        "❤️ songs": "❤️ songs",
        "Don\u2019t stop": "don t stop",
    }
    assert {text: query_key(text, 1) for text in keys} == keys


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown version of the query key"):
        query_key("love", 3)


def test_the_empty_key_has_a_class() -> None:
    assert query_class("") == "one_word"
