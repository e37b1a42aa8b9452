"""The strategy history as rows of its table and as the file that a bundle carries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ltrr.artifacts.history import HistoryBook
from ltrr.core.plans import PlanSpace
from ltrr.strategies.daily import ALL_QUERIES, BY_CLASS
from ltrr.strategies.history import LevelHistory

HISTORY_COLUMNS = (
    "level string, key string, strategy string, depth int, draw_rate double, hit_rate double, "
    "marginal_hit_rate double, mean_results double, support double"
)
HistoryRow = tuple[str, str, str, int, float, float, float, float | None, float]


def history_rows(histories: Mapping[tuple[str, str], LevelHistory], space: PlanSpace) -> list[HistoryRow]:
    """One row for each level, key, strategy and depth, in the order of `HISTORY_COLUMNS`; drawn or not."""
    return [
        (
            level,
            key,
            strategy,
            d + 1,
            float(history.draw_rate[s, d]),
            float(history.rates.hit_rate[s, d]),
            float(history.rates.marginal_hit_rate[s, d]),
            None if np.isnan(history.mean_results[s, d]) else float(history.mean_results[s, d]),
            float(history.support[s, d]),
        )
        for (level, key), history in sorted(histories.items())
        for s, strategy in enumerate(space.strategies)
        for d in range(space.budget)
    ]


def history_book(histories: Mapping[tuple[str, str], LevelHistory], space: PlanSpace) -> HistoryBook:
    """The rates that serving plans with: by query class, and those of all queries for a class without its own."""
    classes = {key: history.rates for (level, key), history in histories.items() if level == BY_CLASS}
    return HistoryBook(space, histories[ALL_QUERIES, ALL_QUERIES].rates, classes)
