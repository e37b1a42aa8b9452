"""Strings concatenated in one array and found by bisection.

A million keys load without building a dictionary. In a fixed-width string array, every string
would have the length of the longest one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from ltrr.arrays import Bytes, Longs


class PackedTexts:
    """UTF-8 strings, read one at a time.

    >>> texts = PackedTexts(*PackedTexts.pack(["love", "matrix"]))
    >>> len(texts), texts[1], texts.place("matrix"), texts.place("nothing")
    (2, b'matrix', 1, None)
    """

    def __init__(self, text: Bytes, ends: Longs) -> None:
        self._text = text.tobytes()
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: int) -> bytes:
        start = int(self._ends[place - 1]) if place else 0
        return self._text[start : int(self._ends[place])]

    def place(self, text: str) -> int | None:
        """Index of a text, if the texts are in the order of their bytes; None if it is missing."""
        wanted = text.encode("utf-8", "surrogatepass")
        place = bisect_left(self, wanted)
        return place if place < len(self) and self[place] == wanted else None

    @staticmethod
    def pack(texts: Sequence[str]) -> tuple[Bytes, Longs]:
        """The bytes of all strings, and the end of each string, for a file."""
        encoded = [text.encode() for text in texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        return np.frombuffer(b"".join(encoded), dtype=np.uint8), ends
