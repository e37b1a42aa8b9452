"""Merging exact statistics of many tasks into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pyspark.sql import DataFrame


class Mergeable(Protocol):
    """A statistic: `+` joins disjoint sets of rows, in any order to the same bits."""

    def __add__(self, other: Any) -> Any:
        """Both together."""


Statistic = TypeVar("Statistic", bound=Mergeable)


def merge(parts: DataFrame, of_text: Callable[[str], Statistic]) -> Statistic | None:
    """One statistic from a frame with one text column, a row a task; None where there is no row.

    Merged on executors in a tree: the driver receives a handful of partial results, not one a task.
    """

    def together(left: Statistic | None, right: Statistic | None) -> Statistic | None:
        if left is None or right is None:
            return right if left is None else left
        joined: Statistic = left + right
        return joined

    texts = parts.rdd.map(lambda row: of_text(row[0]))
    return texts.treeAggregate(None, together, together, depth=2)
