"""Key, class and script of a query. Only this module computes a `query_key`.

The key has a version. A bundle and a home have one version each, because keys of two versions do
not meet: memory and history of a query would be split.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from ltrr.core.canonical_text import canonical_text
from ltrr.errors import ConfigError

QUERY_KEY_VERSION = 2
"""Version of the query key of new homes."""

QUERY_KEY_VERSIONS = (1, 2)
"""Versions that this ltrr computes."""

MAX_KEY_LENGTH = 256
"""Maximum number of characters of a key, version 2."""

_HASH_LENGTH = 16
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")

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
    """Replacement of a character in version 1, for `str.translate`.

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


def canonical_form(text: str, version: int = QUERY_KEY_VERSION) -> str:
    """The canonical form of a text of any length, such as a title, by a version of the query key.

    >>> canonical_form("C# 3.5"), canonical_form("C# 3.5", version=1)
    ('c# 3.5', 'c 3 5')

    Raises:
        ConfigError: This ltrr does not compute the version.
    """
    if version == QUERY_KEY_VERSION:
        return canonical_text(text)
    check_key_version(version)
    return _first_form(text)


def query_key(query_text: str, version: int = QUERY_KEY_VERSION) -> str:
    """The canonical form of a query. Two texts with the same key are the same query in ltrr.

    The key of a key is the key itself. In version 2, only a text without any visible character has
    the empty key, and a key has at most `MAX_KEY_LENGTH` characters: of a longer form it has the
    beginning, and a hash of the form as its last word. The empty key has no memory and no history.

    Args:
        query_text: Query as typed, of any length.
        version: Version of the key: that of the bundle online, that of the home at night.

    >>> query_key("  The  MATRIX: Reloaded! "), query_key("C#"), query_key("C#", version=1)
    ('the matrix reloaded', 'c#', 'c')
    >>> query_key("Ｂeyoncé’s “Halo”"), query_key("STRASSE"), query_key("straße")
    ('beyoncé s halo', 'strasse', 'strasse')
    >>> len(query_key("word " * 2_000)), query_key("word " * 2_000)[-28:]
    (256, 'd word word jhcpbnnjnnoglfml')

    Raises:
        ConfigError: This ltrr does not compute the version.
    """
    form = canonical_form(query_text, version)
    return form if version == 1 or len(form) <= MAX_KEY_LENGTH else _shorten(form)


def check_key_version(version: int) -> None:
    """Check that this ltrr computes a version of the query key.

    Raises:
        ConfigError: It does not.
    """
    if version not in QUERY_KEY_VERSIONS:
        raise ConfigError(
            "unknown version of the query key",
            which="policy.query_key_version",
            expected=" or ".join(map(str, QUERY_KEY_VERSIONS)),
            got=repr(version),
        )


def _first_form(text: str) -> str:
    """Version 1: punctuation to space, format characters removed, white space collapsed."""
    if text.isascii():
        return " ".join(text.lower().translate(_SEPARATORS).split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold()).casefold()
    spaced = unicodedata.normalize("NFKC", folded).translate(_SEPARATORS)
    return " ".join(unicodedata.normalize("NFKC", spaced).split())


def _shorten(form: str) -> str:
    """The beginning of a long form, and a hash of all of it.

    The hash is written in letters, because a digit would change the class of the query.
    """
    digest = hashlib.sha256(form.encode()).hexdigest()[:_HASH_LENGTH].translate(_LETTERS)
    # The cut can leave a mark that is loose now, so the form of the result is computed again.
    return canonical_text(f"{form[: MAX_KEY_LENGTH - _HASH_LENGTH - 1]} {digest}")


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
