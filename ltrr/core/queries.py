"""Canonical query text. Only this module makes a `query_key`, in batch and online alike."""

from __future__ import annotations

import unicodedata

QUERY_CLASSES = ("digits", "one_word", "two_words", "three_words", "long")
"""The classes that `query_class` can give, in the order of their one-hot features."""


class _Separators(dict[int, str | None]):
    """What becomes of a character: punctuation, separators, controls and lone surrogates -> space; format marks vanish.

    Filled on demand: a table of all of Unicode would cost every import 200 ms.
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

    Two texts with one key are one query everywhere in ltrr. Applying it twice changes nothing. The key may be empty.

    >>> query_key("  The  MATRIX: Reloaded! ")
    'the matrix reloaded'
    >>> query_key("Ｂeyoncé’s “Halo”"), query_key("STRASSE"), query_key("straße")
    ('beyoncé s halo', 'strasse', 'strasse')
    """
    if query_text.isascii():
        return " ".join(query_text.lower().translate(_SEPARATORS).split())
    # Unicode's toNFKC_Casefold (UAX 31): casefolding can undo the normal form, so both are done twice.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", query_text).casefold()).casefold()
    spaced = unicodedata.normalize("NFKC", folded).translate(_SEPARATORS)
    return " ".join(unicodedata.normalize("NFKC", spaced).split())


def query_class(key: str) -> str:
    """A coarse class of query, for histories that single queries are too rare for.

    `digits` when any character is a digit (years, sequels, "1999"); otherwise by the number of words: `one_word`
    (or none), `two_words`, `three_words`, `long`.

    >>> [query_class(key) for key in ("blade runner 2049", "love", "bad guy", "lord of rings", "songs to sleep to")]
    ['digits', 'one_word', 'two_words', 'three_words', 'long']
    """
    if any(character.isdigit() for character in key):
        return "digits"
    words = len(key.split())
    return QUERY_CLASSES[min(max(words, 1), 4)]
