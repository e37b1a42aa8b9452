"""Canonical text, class and script of a query. Only this module computes a `query_key`."""

from __future__ import annotations

import re
import unicodedata

QUERY_CLASSES = ("digits", "one_word", "two_words", "three_words", "long")
"""Results of `query_class`, in the order of their one-hot features."""

SCRIPTS = ("latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "han", "kana", "hangul", "other")
"""Results of `query_script`, in the order of their one-hot features."""

_SCRIPT_NAMES = {
    "LATIN": "latin",
    "CYRILLIC": "cyrillic",
    "GREEK": "greek",
    "ARABIC": "arabic",
    "HEBREW": "hebrew",
    "DEVANAGARI": "devanagari",
    "CJK": "han",
    "HIRAGANA": "kana",
    "KATAKANA": "kana",
    "HANGUL": "hangul",
}
_YEAR = re.compile(r"(?<!\S)(19|20)[0-9]{2}(?!\S)")


class _Separators(dict[int, str | None]):
    """Replacement of a character, for `str.translate`.

    Punctuation, separators, control characters and lone surrogates become a space; format
    characters are removed. The table is filled on demand: one of all of Unicode would take 200 ms
    at import.
    """

    def __missing__(self, point: int) -> str | None:
        category = unicodedata.category(chr(point))
        becomes: str | None
        if category == "Cf":
            becomes = None
        elif category[0] in "PZ" or category in ("Cc", "Cs"):
            becomes = " "
        else:
            becomes = chr(point)
        self[point] = becomes
        return becomes


_SEPARATORS = _Separators()


def query_key(query_text: str) -> str:
    """The canonical form of a query: NFKC, casefold, punctuation to space, white space collapsed.

    Two texts with the same key are the same query everywhere in ltrr. The key of a key is the key
    itself. A key may be empty.

    >>> query_key("  The  MATRIX: Reloaded! ")
    'the matrix reloaded'
    >>> query_key("Ｂeyoncé’s “Halo”"), query_key("STRASSE"), query_key("straße")
    ('beyoncé s halo', 'strasse', 'strasse')
    """
    if query_text.isascii():
        return " ".join(query_text.lower().translate(_SEPARATORS).split())
    # Unicode's toNFKC_Casefold (UAX 31): casefolding can break the normal form, so both are done
    # twice.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", query_text).casefold()).casefold()
    spaced = unicodedata.normalize("NFKC", folded).translate(_SEPARATORS)
    return " ".join(unicodedata.normalize("NFKC", spaced).split())


def query_class(key: str) -> str:
    """A coarse class of query, for the history of queries that are too rare to have their own.

    `digits` if any character is a digit (years, sequels, "1999"); otherwise by the number of
    words: `one_word` (or none), `two_words`, `three_words`, `long`.

    >>> [query_class(key) for key in ("blade runner 2049", "love", "bad guy")]
    ['digits', 'one_word', 'two_words']
    """
    if any(character.isdigit() for character in key):
        return "digits"
    words = len(key.split())
    return QUERY_CLASSES[min(max(words, 1), 4)]


def query_script(key: str) -> str:
    """The script of most letters of a query_key; `other` if it has no letter.

    The script of a letter is the first word of its Unicode name. It is only a hint of the language:
    English and Vietnamese are both `latin`. Among scripts with equally many letters, the one whose
    letter comes first is returned.

    >>> [query_script(key) for key in ("beyoncé halo", "война и мир", "ラーメン", "1999")]
    ['latin', 'cyrillic', 'kana', 'other']
    >>> query_script("москва live")
    'cyrillic'
    """
    if key.isascii():
        return "latin" if any(character.isalpha() for character in key) else "other"
    counts: dict[str, int] = {}
    for character in key:
        if character.isalpha():
            script = _SCRIPT_NAMES.get(unicodedata.name(character, "").partition(" ")[0], "other")
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=lambda script: counts[script]) if counts else "other"


def names_year(key: str) -> bool:
    """Whether a word of a query_key is a year, 1900 to 2099.

    >>> names_year("blade runner 2049"), names_year("route 66"), names_year("r2049")
    (True, False, False)
    """
    return _YEAR.search(key) is not None
