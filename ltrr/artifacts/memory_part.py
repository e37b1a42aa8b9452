"""One part of the query-to-entity memory: the entities that users of a query wanted, best first.

A query belongs to part `core.hashing.bucket(query_key, parts)`, so independent tasks build parts,
and parts grow in number, not in size: 20 million pairs make 64 parts of about 4 MB. A part is an
npz of plain arrays: without pickle, with fixed time stamps, and uncompressed, so equal memories are
equal bytes under any zlib.

Strings are UTF-8, concatenated in one array with offsets: in a fixed-width array, every query would
have the length of the longest one. Queries are found by bisection, so loading builds no dictionary
of a million keys.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from ltrr.arrays import Floats32, Longs, Unsigned32
from ltrr.artifacts.packed_texts import PackedTexts
from ltrr.errors import ArtifactError, UsageError

PREFIX = "memory-"


class MemoryEntry(NamedTuple):
    """Score and evidence of one entity for one query.

    Attributes:
        entity_id: The entity.
        score: Clicks per examination, shrunk to the predicted value.
        clicks: Clicks behind the score, decayed; each user counts once a day.
        examinations: Examinations, likewise; 0 in a part without evidence.
    """

    entity_id: str
    score: float
    clicks: float = 0.0
    examinations: float = 0.0


MemoryRow = tuple[str, Sequence[tuple[str, float] | MemoryEntry]]
"""(query_key, entries of the query)."""


def part_name(part: int) -> str:
    """Name of the file of a part, 0-based.

    >>> part_name(7)
    'memory-007.npz'
    """
    return f"{PREFIX}{part:03d}.npz"


class MemoryPart:
    """A loaded part.

    >>> rows = [("matrix", [("e2", 0.5), ("e1", 0.75)]), ("love", [("e9", 0.25)])]
    >>> part = MemoryPart.of_bytes(memory_part_bytes(rows))
    >>> part.recall("matrix", limit=10), part.recall("matrix", limit=1)
    ([('e1', 0.75), ('e2', 0.5)], [('e1', 0.75)])
    >>> len(part), part.recall("nothing", limit=10), part.evidence("matrix")
    (2, [], {})
    >>> rows = [("matrix", [MemoryEntry("e1", 0.5, 1.5, 3.0)])]
    >>> MemoryPart.of_bytes(memory_part_bytes(rows)).evidence("matrix")
    {'e1': (1.5, 3.0)}
    """

    def __init__(
        self,
        queries: PackedTexts,
        row_ends: Longs,
        entities: PackedTexts,
        codes: Unsigned32,
        scores: Floats32,
        clicks: Floats32,
        examinations: Floats32,
    ) -> None:
        self._queries, self._entities = queries, entities
        self._row_ends, self._codes, self._scores = row_ends, codes, scores
        self._clicks, self._examinations = clicks, examinations

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._queries)

    def recall(self, query_key: str, limit: int) -> list[tuple[str, float]]:
        """The best entities of a query, highest score first, equal scores by entity_id.

        Empty for an unknown query.
        """
        entries = self._entries(query_key)
        entries = slice(entries.start, min(entries.stop, entries.start + limit))
        return [
            (self._entities[code].decode(), score)
            for code, score in zip(self._codes[entries].tolist(), self._scores[entries].tolist(), strict=True)
        ]

    def evidence(self, query_key: str) -> dict[str, tuple[float, float]]:
        """Clicks and examinations of the entities of a query with evidence, by entity_id."""
        entries = self._entries(query_key)
        codes, clicks, examinations = (
            values[entries].tolist() for values in (self._codes, self._clicks, self._examinations)
        )
        return {
            self._entities[code].decode(): (clicked, examined)
            for code, clicked, examined in zip(codes, clicks, examinations, strict=True)
            if examined > 0.0
        }

    def _entries(self, query_key: str) -> slice:
        wanted = query_key.encode("utf-8", "surrogatepass")
        place = bisect_left(self._queries, wanted)
        if place == len(self._queries) or self._queries[place] != wanted:
            return slice(0, 0)
        return slice(int(self._row_ends[place - 1]) if place else 0, int(self._row_ends[place]))

    @staticmethod
    def of_bytes(data: bytes) -> MemoryPart:
        """Read a part.

        Raises:
            ArtifactError: the bytes are not a part.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                scores = arrays["scores"]
                # Old parts have no evidence.
                evidence = [
                    arrays[name] if name in arrays.files else np.zeros_like(scores)
                    for name in ("clicks", "examinations")
                ]
                return MemoryPart(
                    PackedTexts(arrays["query_text"], arrays["query_ends"]),
                    arrays["row_ends"],
                    PackedTexts(arrays["entity_text"], arrays["entity_ends"]),
                    arrays["entities"],
                    scores,
                    *evidence,
                )
        except (ValueError, KeyError, EOFError, OSError, BadZipFile) as fault:
            raise ArtifactError("not a part of a memory", got=str(fault), todo="build the memory again") from fault


def memory_part_bytes(rows: Iterable[MemoryRow]) -> bytes:
    """The file of a part; the same rows in any order give the same bytes.

    Args:
        rows: Rows, each query once. Scores and evidence are stored as 32-bit floats.

    Raises:
        UsageError: a query is repeated, or a number is not finite.
    """
    ordered = sorted(rows, key=lambda row: row[0].encode())
    queries = [query_key for query_key, _ in ordered]
    pairs: list[MemoryEntry] = []
    row_ends: list[int] = []
    for _, entities in ordered:
        # Sorted by the stored score, so that scores that are equal after rounding are in order of
        # entity_id.
        stored = [MemoryEntry(*entry) for entry in entities]
        pairs += sorted(stored, key=lambda entry: (-np.float32(entry.score), entry.entity_id))
        row_ends.append(len(pairs))
    numbers = np.array([entry[1:] for entry in pairs], dtype=np.float32).reshape(len(pairs), 3)
    repeated = {first for first, second in pairwise(queries) if first == second}
    if repeated or not np.isfinite(numbers).all():
        raise UsageError(
            "a memory part cannot be written",
            expected="each query once and finite numbers",
            got=f"repeated: {sorted(repeated)[:3]}" if repeated else "a number that is not finite",
        )
    vocabulary = sorted({entry.entity_id for entry in pairs})
    code = {entity_id: number for number, entity_id in enumerate(vocabulary)}
    query_text, query_ends = PackedTexts.pack(queries)
    entity_text, entity_ends = PackedTexts.pack(vocabulary)
    file = io.BytesIO()
    np.savez(
        file,
        query_text=query_text,
        query_ends=query_ends,
        row_ends=np.array(row_ends, dtype=np.int64),
        entity_text=entity_text,
        entity_ends=entity_ends,
        entities=np.array([code[entry.entity_id] for entry in pairs], dtype=np.uint32),
        scores=np.ascontiguousarray(numbers[:, 0]),
        clicks=np.ascontiguousarray(numbers[:, 1]),
        examinations=np.ascontiguousarray(numbers[:, 2]),
    )
    return file.getvalue()
