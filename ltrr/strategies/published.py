"""The history of all queries and of classes, as rows of its table and as a file of a bundle."""

from __future__ import annotations

import numpy as np

from ltrr.artifacts.history import QueryHistories
from ltrr.core.plans import PlanSpace
from ltrr.strategies.daily import ALL_QUERIES, BY_CLASS
from ltrr.strategies.history import CoarseHistory, LevelHistory

HISTORY_COLUMNS = (
    "level string, key string, strategy string, depth int, draw_rate double, hit_rate double, "
    "marginal_hit_rate double, reciprocal_rank double, mean_results double, support double"
)
HistoryRow = tuple[str, str, str, int, float, float, float, float, float | None, float]


def history_rows(coarse: CoarseHistory, space: PlanSpace) -> list[HistoryRow]:
    """One row per level, key, strategy and depth, drawn or not; columns are `HISTORY_COLUMNS`."""
    rows = _rows_of(ALL_QUERIES, ALL_QUERIES, coarse.every, space)
    for key, of_class in sorted(coarse.classes.items()):
        rows += _rows_of(BY_CLASS, key, of_class, space)
    return rows


def _rows_of(level: str, key: str, history: LevelHistory, space: PlanSpace) -> list[HistoryRow]:
    return [
        (
            level,
            key,
            strategy,
            d + 1,
            float(history.draw_rate[s, d]),
            float(history.rates.hit_rate[s, d]),
            float(history.rates.marginal_hit_rate[s, d]),
            float(history.reciprocal_rank[s, d]),
            None if np.isnan(history.mean_results[s, d]) else float(history.mean_results[s, d]),
            float(history.support[s, d]),
        )
        for s, strategy in enumerate(space.strategies)
        for d in range(space.budget)
    ]


def history_book(coarse: CoarseHistory, space: PlanSpace) -> QueryHistories:
    """Rates that services plan with: by query class, and of all queries for any other class."""
    return QueryHistories(space, coarse.every.rates, {key: history.rates for key, history in coarse.classes.items()})
