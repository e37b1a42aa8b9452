"""One part of the strategy history of single queries: the rates of the queries drawn most.

A query belongs to part `core.hashing.bucket(query_key, parts)`. A part is an npz of plain arrays,
without pickle and uncompressed, so equal rates give equal bytes. Its number of queries is limited
by a setting, so what a service loads does not grow with the log: 2,000 queries of 6 strategies and
4 blocks are 0.4 MB.

Rates are whole millionths in 32 bits: exactly what `core.features.PLACES` rounds to, in half the
bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from ltrr.arrays import Floats32, Unsigned32
from ltrr.artifacts.packed_texts import PackedTexts
from ltrr.core.features import PLACES
from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.errors import ArtifactError, UsageError

PREFIX = "history-"
_STEPS = 10**PLACES
_MOST = np.iinfo(np.uint32).max


def part_name(part: int) -> str:
    """Name of the file of a part, 0-based.

    >>> part_name(7)
    'history-007.npz'
    """
    return f"{PREFIX}{part:03d}.npz"


@dataclass(frozen=True, eq=False)
class QueryHistory:
    """Rates of one query for every block of the plan space.

    Args:
        query_key: The query.
        history: Shrunk rates; those of its class for a block that was never drawn.
        draws: Decayed draws of all its blocks together.
    """

    query_key: str
    history: History
    draws: float


class HistoryPart:
    """A loaded part.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> history = History(np.array([[0.5], [0.1]]), np.array([[0.2], [0.1]]))
    >>> data = history_part_bytes([QueryHistory("love", history, draws=40.0)], space)
    >>> part = HistoryPart.of_bytes(data, space)
    >>> part.of("love").hit_rate.tolist(), part.draws("love"), len(part)
    ([[0.5], [0.1]], 40.0, 1)
    >>> part.of("hate"), part.draws("hate")
    (None, 0.0)
    """

    def __init__(self, queries: PackedTexts, rates: Unsigned32, draws: Floats32) -> None:
        self._queries, self._rates, self._draws = queries, rates, draws

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._queries)

    def of(self, query_key: str) -> History | None:
        """The rates of a query; None if it has none of its own."""
        place = self._queries.place(query_key)
        if place is None:
            return None
        hit_rate, marginal_hit_rate = np.round(self._rates[place] / _STEPS, PLACES)
        return History(hit_rate, marginal_hit_rate)

    def draws(self, query_key: str) -> float:
        """Decayed draws of a query; 0 if it has no rates of its own."""
        place = self._queries.place(query_key)
        return 0.0 if place is None else float(self._draws[place])

    @staticmethod
    def of_bytes(data: bytes, space: PlanSpace) -> HistoryPart:
        """Read a part.

        Raises:
            ArtifactError: the bytes are not a part, or are of another plan space.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                queries = PackedTexts(arrays["query_text"], arrays["query_ends"])
                rates, draws = arrays["rates"], arrays["draws"]
        except (ValueError, KeyError, EOFError, OSError, BadZipFile) as fault:
            raise ArtifactError("not a part of a history", got=str(fault), todo="publish again") from fault
        shape = (len(queries), 2, len(space.strategies), space.budget)
        if rates.shape != shape or rates.dtype != np.uint32 or draws.shape != shape[:1]:
            raise ArtifactError(
                "a history of other strategies",
                expected=f"rates {shape}, uint32",
                got=f"rates {rates.shape}, {rates.dtype}; draws {draws.shape}",
                todo="publish with a history of the same strategies",
            )
        return HistoryPart(queries, rates, draws)


def history_part_bytes(queries: Sequence[QueryHistory], space: PlanSpace) -> bytes:
    """The file of a part; the same queries in any order give the same bytes.

    Raises:
        UsageError: a query is repeated, a rate is negative, not finite or above 4,294, or a shape
            is wrong.
    """
    ordered = sorted(queries, key=lambda query: query.query_key.encode())
    for query in ordered:
        query.history.check(space)
    shape = (len(ordered), 2, len(space.strategies), space.budget)
    steps = np.rint(
        np.array([(query.history.hit_rate, query.history.marginal_hit_rate) for query in ordered]).reshape(shape)
        * _STEPS
    )
    keys = [query.query_key for query in ordered]
    if len(set(keys)) < len(keys) or (steps > _MOST).any():
        raise UsageError(
            "a history part cannot be written",
            expected="each query once and rates that fit",
            got="a rate above 4,294" if len(set(keys)) == len(keys) else "a repeated query",
        )
    query_text, query_ends = PackedTexts.pack(keys)
    file = io.BytesIO()
    np.savez(
        file,
        query_text=query_text,
        query_ends=query_ends,
        rates=steps.astype(np.uint32),
        draws=np.array([query.draws for query in ordered], dtype=np.float32),
    )
    return file.getvalue()
