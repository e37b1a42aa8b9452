"""Recall of one union, the reference for the exact sums of `ltrr.simulation.truth`."""

from collections.abc import Collection
from math import nan


def union_recall(union: Collection[str], relevant: Collection[str], limit: int) -> float:
    """Relevant entities in the union / min(relevant, limit); NaN if no entity is relevant.

    Args:
        union: Drawn entities, each once.
        relevant: Relevant entities.
        limit: block_size x budget, for shorter unions too.

    >>> union_recall({"a", "b", "x"}, {"a", "b", "c", "d"}, limit=8)
    0.5
    >>> union_recall({"a"}, set(), limit=8)
    nan
    """
    wanted = set(relevant)
    return len(wanted.intersection(union)) / min(len(wanted), limit) if wanted else nan
