r"""Canonical form of a text, version 2: Unicode's toNFKC_Casefold, then separators and symbols.

1. Lone surrogates become U+FFFD. Default-ignorable code points are removed. Normal form NFKC and
   full case folding follow (UAX 31, toNFKC_Casefold). U+0307 after i is removed, so that the
   Turkish İ is i.
2. White space, control characters and punctuation become one space. Symbols (category S) stay.
3. The punctuation marks of `_LOOSE` stay where they are glued to a letter or digit and carry
   meaning, and `"` stays after a digit.
4. A text of punctuation alone keeps it. Only a text without any visible character is empty.

The docs page `concepts/query-keys.md` gives the reasons. The form is a fixed point.
"""

from __future__ import annotations

import re
import unicodedata

from ltrr.core.default_ignorable import is_default_ignorable
from ltrr.core.surrogates import replace_surrogates

_INCH = '"'
_GLUED = '#%@.&,/*"'
_MARK = re.compile(r"[#%@.&,/*]")
_LOOSE = re.compile(
    r"\#(?<!\w\#)(?![\w\u20E3])"  # C#, #hashtag, the emoji of the key #; not "# 1".
    r"|%(?<!\w%)"  # 100%
    r"|@(?!\w)"  # @user, user@host
    r"|\.(?:(?<=\.\.)|(?!\w))"  # .NET, 3.5, a.b.c; not "...", not the end of a sentence.
    r"|&(?:(?<!\w&)|(?!\w))"  # AT&T; not "Simon & Garfunkel".
    r"|,(?:(?<!\d,)|(?!\d))"  # 1,5
    r"|/(?:(?<!\d/)|(?!\d))"  # 24/7
    r"|\*(?!\u20E3)",  # The emoji of the key *.
)
"""Occurrences of the marks in `_GLUED` that separate words and carry no meaning."""

_DOT_OF_I = re.compile(r"(i[\u0316-\u0319\u031C-\u0320\u0321-\u0333\u0339-\u033C\u0347-\u0349\u034D\u034E]*)\u0307+")
"""U+0307 after i, with marks that Unicode orders between the two."""

_OTHER_SHAPES = {
    0x2033: _INCH,
    0x201C: _INCH,
    0x201D: _INCH,
    0x201E: _INCH,
    0x201F: _INCH,
    0x02BB: "'",
}
"""Characters with the meaning of another one that NFKC keeps apart."""

_AFTER_FOLDING = {"\u2044": "/", "\u2212": "-", "\u02bc": "'"}
"""The same for characters that NFKC or case folding may make."""


class _Removals(dict[int, str | None]):
    """What step 1 does with a code point before it folds, filled on demand."""

    def __missing__(self, point: int) -> str | None:
        becomes: str | None = chr(point)
        if is_default_ignorable(point):
            becomes = None
        elif point in _OTHER_SHAPES:
            becomes = _OTHER_SHAPES[point]
        elif unicodedata.decomposition(chr(point)).startswith("<compat> 0020 03"):
            becomes = "'"  # An accent on nothing, typed as an apostrophe.
        self[point] = becomes
        return becomes


class _Spaces(dict[int, str | None]):
    """What step 2 does with a code point, filled on demand.

    Args:
        keeps_punctuation: Whether punctuation stays, as in step 4.
    """

    def __init__(self, *, keeps_punctuation: bool) -> None:
        self._spaces = "Z" if keeps_punctuation else "PZ"
        self._kept = "" if keeps_punctuation else _GLUED

    def __missing__(self, point: int) -> str:
        shape = _AFTER_FOLDING.get(chr(point), chr(point))
        category = unicodedata.category(shape)
        is_backtick = shape == "`" and "P" in self._spaces  # Typed as an apostrophe.
        is_space = (category[0] in self._spaces and shape not in self._kept) or category == "Cc" or is_backtick
        self[point] = becomes = " " if is_space else shape
        return becomes


_REMOVALS = _Removals()
_SPACES = _Spaces(keeps_punctuation=False)
_BLANKS = _Spaces(keeps_punctuation=True)


def canonical_text(text: str) -> str:
    """The canonical form of a text of any length.

    >>> canonical_text("C# in 7 Days: .NET 3.5, at 100%!")
    'c# in 7 days .net 3.5 at 100%'
    >>> canonical_text("Rock’n’Roll & R&B"), canonical_text('7" single'), canonical_text('"the 7"')
    ('rock n roll r&b', '7" single', 'the 7')
    >>> [canonical_text(text) for text in ("İstanbul", "Straße", "!!!", " ")]
    ['istanbul', 'strasse', '!!!', '']
    """
    if text.isascii():
        folded = text.lower()
        if folded.replace(" ", "").isalnum():
            return " ".join(folded.split())
    else:
        folded = fold_text(text)
    words = " ".join(_without_loose_marks(folded.translate(_SPACES)).split())
    return words or " ".join(folded.translate(_BLANKS).split())


def fold_text(text: str) -> str:
    r"""toNFKC_Casefold of a text, without U+0307 after i: the same for all its normal forms.

    >>> fold_text("ＡＢＣ ﬁn"), fold_text("Ⅷ"), ascii(fold_text("❤️"))
    ('abc fin', 'viii', "'\\u2764'")
    """
    visible = unicodedata.normalize("NFD", replace_surrogates(text)).translate(_REMOVALS)
    # Case folding can break the normal form, and a normal form can be folded again: both are done
    # twice.
    folded = unicodedata.normalize("NFKC", visible.casefold()).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    if "\u0307" in folded:
        folded = _DOT_OF_I.sub(r"\1", unicodedata.normalize("NFD", folded))
        folded = unicodedata.normalize("NFKC", folded)
    return folded


def _without_loose_marks(spaced: str) -> str:
    kept = _LOOSE.sub(" ", spaced) if _MARK.search(spaced) else spaced
    return _only_inches(kept) if _INCH in kept else kept


def _only_inches(text: str) -> str:
    """The text without quotation marks, except those after a digit that close no quotation.

    >>> _only_inches('"top 40" 7"')
    ' top 40  7"'
    """
    first, *rest = text.split(_INCH)
    parts, is_open = [first], False
    before = first
    for part in rest:
        is_inch = not is_open and before[-1:].isdecimal()
        parts.append((_INCH if is_inch else " ") + part)
        is_open = not is_open and not is_inch
        before = part
    return "".join(parts)
