r"""Text of other people on a terminal: control characters and changes of direction are escaped.

A logged query may contain escape sequences that move the cursor or set a title, and overrides that
reverse the text after it. Shown text has their escapes instead, as in Python's literals.
"""

from __future__ import annotations

import re

_UNSEEN = r"\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f{_UNSEEN}]")
_IN_A_LINE = re.compile(rf"[\x00-\x1f{_UNSEEN}]")
_IN_JSON = re.compile(rf"[{_UNSEEN}]")


def escape_controls(text: str, *, keeps_lines: bool = False) -> str:
    r"""The text with control characters, marks of direction and lone surrogates as escapes.

    Args:
        text: Text as logged.
        keeps_lines: Whether line feeds and tabs stay.

    >>> print(escape_controls("a\x1b[31mb\u202ec\nd"))
    a\x1b[31mb\u202ec\nd
    >>> escape_controls("two\nlines", keeps_lines=True) == "two\nlines"
    True
    """
    return (_IN_LINES if keeps_lines else _IN_A_LINE).sub(lambda found: ascii(found[0])[1:-1], text)


def escape_json_controls(document: str) -> str:
    r"""The same JSON document, with the characters that JSON leaves raw as its escapes.

    >>> print(escape_json_controls('"a\u202eb"'))
    "a\u202eb"
    """
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
