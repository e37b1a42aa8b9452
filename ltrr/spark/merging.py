"""Merging exact statistics of many tasks into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pyspark.sql import DataFrame


class Mergeable(Protocol):
    """A statistic; `+` joins those of disjoint sets of rows, with the same bits in any order."""

    def __add__(self, other: Any) -> Any:
        """Statistic of both sets of rows."""


Statistic = TypeVar("Statistic", bound=Mergeable)


def merge(parts: DataFrame, of_text: Callable[[str], Statistic]) -> Statistic | None:
    """Merge a frame with one text column and one row per task; None without rows.

    Executors merge in a tree, so the driver receives a few partial results, not one per task.
    """

    def join_two(left: Statistic | None, right: Statistic | None) -> Statistic | None:
        if left is None or right is None:
            return right if left is None else left
        joined: Statistic = left + right
        return joined

    texts = parts.rdd.map(lambda row: of_text(row[0]))
    return texts.treeAggregate(None, join_two, join_two, depth=2)
