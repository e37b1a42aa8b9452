"""Lone surrogates: halves of characters that a client cut off."""

from __future__ import annotations

REPLACEMENT = "\ufffd"
"""U+FFFD REPLACEMENT CHARACTER."""


def replace_surrogates(text: str) -> str:
    r"""The text as UTF-8 can encode it: pairs of surrogates joined, lone ones replaced by U+FFFD.

    A client that cuts a text after a 16-bit unit sends half an emoji, and `json.loads` returns it.

    >>> ascii(replace_surrogates("party \ud83d")), ascii(replace_surrogates("\ud83c\udf89!"))
    ("'party \\ufffd'", "'\\U0001f389!'")
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
