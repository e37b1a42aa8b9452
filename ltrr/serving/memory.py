"""The memory that is served: entities that earlier users of a query wanted."""

from __future__ import annotations

from collections.abc import Mapping

from ltrr.artifacts.memory_part import PREFIX, MemoryPart, part_name
from ltrr.core.features import PLACES
from ltrr.core.hashing import bucket
from ltrr.errors import ArtifactError


class Memory:
    """All parts of a bundle's memory; empty if the bundle has none.

    Raises:
        ArtifactError: a part is missing or cannot be read.

    >>> from ltrr.artifacts.memory_part import memory_part_bytes
    >>> data = memory_part_bytes([("matrix", [("e1", 0.5)])])
    >>> memory = Memory.of_files({"memory-000.npz": data})
    >>> memory.recall("matrix", 5), memory.recall("love", 5)
    ([('e1', 0.5)], [])
    >>> Memory.of_files({}).recall("matrix", 5)
    []
    """

    def __init__(self, parts: tuple[MemoryPart, ...]) -> None:
        self._parts = parts

    @staticmethod
    def of_files(files: Mapping[str, bytes]) -> Memory:
        """The memory in a bundle's files; other files are ignored."""
        names = sorted(name for name in files if name.startswith(PREFIX))
        expected = [part_name(part) for part in range(len(names))]
        if names != expected:
            raise ArtifactError(
                "a file of the query-to-entity memory is missing",
                which="the bundle",
                expected=", ".join(expected),
                got=", ".join(names),
            )
        return Memory(tuple(MemoryPart.of_bytes(files[name]) for name in names))

    def __len__(self) -> int:
        """The number of queries."""
        return sum(len(part) for part in self._parts)

    def recall(self, key: str, limit: int) -> list[tuple[str, float]]:
        """The best entities of a query_key with scores, best first.

        Empty for an unknown query, and for the empty key: it is of people who browse.
        """
        if not key or not self._parts:
            return []
        return self._parts[bucket(key, len(self._parts))].recall(key, limit)

    def evidence(self, key: str) -> dict[str, tuple[float, float]]:
        """Clicks and examinations of the entities of a query_key, rounded as features are.

        Empty for the empty key.
        """
        if not key or not self._parts:
            return {}
        found = self._parts[bucket(key, len(self._parts))].evidence(key)
        rounded = {name: (round(clicks, PLACES), round(seen, PLACES)) for name, (clicks, seen) in found.items()}
        return {name: evidence for name, evidence in rounded.items() if evidence[1] > 0.0}
