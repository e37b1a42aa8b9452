"""One part of the query-to-entity memory: which entities a query's users wanted, best first.

A query belongs to part `core.hashing.bucket(query_key, parts)`, so that parts are built by independent tasks and grow
in number, not in size: 20 million pairs make 64 parts of about 4 MB. An npz of plain arrays: no pickle, fixed
time stamps, stored and not compressed, so that the same memory is the same bytes under any zlib.

Strings are UTF-8 end to end in one array with offsets; a fixed-width string array would give every query the length
of the longest one. Queries are found by bisection, so that loading builds no dictionary of a million keys.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ltrr.artifacts.packed_texts import PackedTexts as _Texts
from ltrr.errors import ArtifactError, UsageError

PREFIX = "memory-"

MemoryRow = tuple[str, Sequence[tuple[str, float]]]
"""(query_key, [(entity_id, score), ...])."""


def part_name(part: int) -> str:
    """The file of a part, 0-based.

    >>> part_name(7)
    'memory-007.npz'
    """
    return f"{PREFIX}{part:03d}.npz"


class MemoryPart:
    """A loaded part.

    >>> rows = [("matrix", [("e2", 0.5), ("e1", 0.75)]), ("love", [("e9", 0.25)])]
    >>> part = MemoryPart.of_bytes(memory_part_bytes(rows))
    >>> part.recall("matrix", limit=10), part.recall("matrix", limit=1), part.recall("nothing", limit=10)
    ([('e1', 0.75), ('e2', 0.5)], [('e1', 0.75)], [])
    >>> len(part)
    2
    """

    def __init__(
        self,
        queries: _Texts,
        row_ends: NDArray[np.int64],
        entities: _Texts,
        codes: NDArray[np.uint32],
        scores: NDArray[np.float32],
    ) -> None:
        self._queries, self._entities = queries, entities
        self._row_ends, self._codes, self._scores = row_ends, codes, scores

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._queries)

    def recall(self, query_key: str, limit: int) -> list[tuple[str, float]]:
        """The best entities of a query, highest score first, equals by entity_id; empty for an unknown query."""
        wanted = query_key.encode()
        place = bisect_left(self._queries, wanted)
        if place == len(self._queries) or self._queries[place] != wanted:
            return []
        start = int(self._row_ends[place - 1]) if place else 0
        end = min(int(self._row_ends[place]), start + limit)
        return [
            (self._entities[code].decode(), score)
            for code, score in zip(self._codes[start:end].tolist(), self._scores[start:end].tolist(), strict=True)
        ]

    @staticmethod
    def of_bytes(data: bytes) -> MemoryPart:
        """Read a part.

        Raises:
            ArtifactError: it is none.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return MemoryPart(
                    _Texts(arrays["query_text"], arrays["query_ends"]),
                    arrays["row_ends"],
                    _Texts(arrays["entity_text"], arrays["entity_ends"]),
                    arrays["entities"],
                    arrays["scores"],
                )
        except (ValueError, KeyError, EOFError, OSError, BadZipFile) as fault:
            raise ArtifactError("not a part of a memory", got=str(fault), todo="build the memory again") from fault


def memory_part_bytes(rows: Iterable[MemoryRow]) -> bytes:
    """A part of the memory as a file; the same rows in any order give the same bytes.

    Args:
        rows: each query once; scores are kept as 32-bit floats.

    Raises:
        UsageError: a query comes twice, or a score is not finite.
    """
    ordered = sorted(rows, key=lambda row: row[0].encode())
    queries = [query_key for query_key, _ in ordered]
    pairs: list[tuple[str, np.float32]] = []
    row_ends: list[int] = []
    for _, entities in ordered:
        # Sorted by the score that is stored, so that equals after rounding are in order of entity_id too.
        stored = [(entity_id, np.float32(score)) for entity_id, score in entities]
        pairs += sorted(stored, key=lambda pair: (-pair[1], pair[0]))
        row_ends.append(len(pairs))
    scores = np.array([score for _, score in pairs], dtype=np.float32)
    repeated = {first for first, second in pairwise(queries) if first == second}
    if repeated or not np.isfinite(scores).all():
        raise UsageError(
            "a memory part cannot be written",
            expected="each query once and finite scores",
            got=f"repeated: {sorted(repeated)[:3]}" if repeated else "a score that is not finite",
        )
    vocabulary = sorted({entity_id for entity_id, _ in pairs})
    code = {entity_id: number for number, entity_id in enumerate(vocabulary)}
    query_text, query_ends = _Texts.pack(queries)
    entity_text, entity_ends = _Texts.pack(vocabulary)
    file = io.BytesIO()
    np.savez(
        file,
        query_text=query_text,
        query_ends=query_ends,
        row_ends=np.array(row_ends, dtype=np.int64),
        entity_text=entity_text,
        entity_ends=entity_ends,
        entities=np.array([code[entity_id] for entity_id, _ in pairs], dtype=np.uint32),
        scores=scores,
    )
    return file.getvalue()
