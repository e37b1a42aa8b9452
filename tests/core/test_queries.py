"""Canonical text: equal queries have equal keys."""

from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.queries import QUERY_CLASSES, query_class, query_key


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(text: str) -> None:
    assert query_key(query_key(text)) == query_key(text)


@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=20))
def test_case_and_outer_space_do_not_matter(text: str) -> None:
    assert query_key(f"  {text.upper()}\t") == query_key(text.upper().lower())


@given(st.text(max_size=40))
def test_a_key_can_always_be_stored(text: str) -> None:
    assert query_key(text).encode("utf-8").decode("utf-8") == query_key(text)
    assert query_class(query_key(text)) in QUERY_CLASSES


def test_marks_of_other_scripts_stay() -> None:
    assert query_key("हिन्दी गाने") == "हिन्दी गाने"
    assert query_key("zero​width and\ud800surrogate") == "zerowidth and surrogate"


def test_empty_and_punctuation_only() -> None:
    assert query_key("") == query_key(" ?!… ") == ""
    assert query_class("") == "one_word"
