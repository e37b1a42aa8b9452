"""Rankings of every strategy for every query, as arrays, and their cache."""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Floats, Longs

logger = logging.getLogger(__name__)

NO_ENTITY = -1
"""Entity number of the places beyond the end of a list."""

SCORE_PLACES = 4
"""Number of decimals of scores: enough to order entities, and short in a log."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Answers of one strategy: entity numbers and scores, best first, [Q, L].

    Places beyond the last entity have `NO_ENTITY` and score 0.
    """

    entities: NDArray[np.int32]
    scores: Floats


@dataclass(frozen=True, eq=False)
class Rankings:
    """Answers of several strategies, [Q, S, L]."""

    strategies: tuple[str, ...]
    entities: NDArray[np.int32]
    scores: Floats

    @staticmethod
    def of(rankings: Mapping[str, Ranking]) -> Rankings:
        """Stack rankings in the given order."""
        return Rankings(
            tuple(rankings),
            np.stack([ranking.entities for ranking in rankings.values()], axis=1),
            np.stack([ranking.scores for ranking in rankings.values()], axis=1),
        )


def best_first(scores: NDArray[np.floating], limit: int) -> Longs:
    """Indices of the highest scores above zero, at most `limit`; equal ones in catalogue order.

    >>> best_first(np.array([0.5, 2.0, 0.0, 0.5, 1.0]), 3).tolist()
    [1, 4, 0]
    """
    found = np.flatnonzero(scores > 0.0)
    if len(found) > limit:
        least = np.partition(scores[found], len(found) - limit)[len(found) - limit]
        found = found[scores[found] >= least]
    return found[np.argsort(-scores[found], kind="stable")[:limit]]


def ranking_of(
    lists: Iterable[tuple[Sequence[int] | Longs, Sequence[float] | NDArray[np.floating]]], limit: int
) -> Ranking:
    """Pad the answers, (entity numbers, scores) for each query, to arrays."""
    answers = list(lists)
    entities = np.full((len(answers), limit), NO_ENTITY, dtype=np.int32)
    scores = np.zeros((len(answers), limit))
    for row, (numbers, values) in enumerate(answers):
        entities[row, : len(numbers)] = numbers[:limit]
        scores[row, : len(numbers)] = values[:limit]
    return Ranking(entities, np.round(scores, SCORE_PLACES))


def default_cache() -> Path:
    """Default cache folder of rankings and vectors: `ltrr/worlds` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ltrr" / "worlds"


def load_or_compute(
    folder: Path | None, name: str, made_from: Iterable[str], make: Callable[[], dict[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Load arrays from the cache, or compute and store them; they depend on `made_from` alone.

    Args:
        folder: Cache folder; None stores nothing.
        name: Name of the arrays; part of the file name and of its hash.
        made_from: Every text that they depend on, with the name and parameters of the method.
        make: Function that computes them.
    """
    if folder is None:
        return make()
    digest = hashlib.sha256(name.encode())
    for text in made_from:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    path = folder / f"{name}-{digest.hexdigest()[:24]}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    arrays = make()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{path.name}.{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    logger.info("kept=%s bytes=%d", path, path.stat().st_size)
    return arrays
