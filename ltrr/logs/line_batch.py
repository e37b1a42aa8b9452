"""Lines that are read together, and searches in all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ltrr.arrays import Longs


class LineBatch(list[bytes]):
    r"""Lines of a file without the line feed.

    A search in their joined text takes one pass, and each text is searched once for all formats.

    >>> batch = LineBatch([b'{"a": 1}', b"{}"])
    >>> batch.together, batch.holds(b'"a"'), batch.are_objects
    (b'{"a": 1}\n{}', True, True)
    """

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> LineBatch:
        """The batch of these lines; a batch stays itself."""
        return lines if isinstance(lines, cls) else cls(lines)

    @cached_property
    def together(self) -> bytes:
        """All lines, joined by line feeds."""
        return b"\n".join(self)

    def pick(self, places: Longs) -> LineBatch:
        """The lines at these ascending places."""
        return self if len(places) == len(self) else LineBatch([self[n] for n in places.tolist()])

    def holds(self, text: bytes) -> bool:
        """Whether a line contains a text."""
        if text not in self._known:
            # A single byte is found many times faster than a longer text.
            can_be = len(text) == 1 or b"\\" not in text or self.holds(b"\\")
            self._known[text] = can_be and text in self.together
        return self._known[text]

    @cached_property
    def _known(self) -> dict[bytes, bool]:
        return {}

    def counts(self, *texts: bytes) -> Longs:
        """Number of occurrences of some texts in each line, [N]."""
        return np.array([sum(map(line.count, texts)) for line in self], dtype=np.int64)

    def total(self, *texts: bytes) -> int:
        """Number of occurrences of some texts in all lines."""
        return sum(map(self.together.count, texts))

    @cached_property
    def are_objects(self) -> bool:
        r"""Whether each line begins with `{` and ends with `}`.

        False also if a line has a line feed of its own, or white space around it.

        >>> LineBatch([b"{}", b"", b"{}\n{}"]).are_objects
        False
        """
        feeds = len(self) - 1
        is_framed = self.together.startswith(b"{") and self.together.endswith(b"}")
        return is_framed and self.total(b"}\n{") == feeds == self.total(b"\n")
