"""Daily counts to the strategy history: decayed, self-normalised, shrunk to the coarser level.

    rate = sum of w x / sum of w,  w = decay / P(block drawn)
    n_eff = (sum of w)^2 / sum of w^2
    shrunk = (n_eff rate + k parent) / (n_eff + k)

The parent of a query class is the rate of all queries, and that one's is the reciprocal-rank prior of the planner. The
ratio of weighted sums (Hajek) stays between the smallest and the largest reward seen, whatever the weights; n_eff says
how many equally weighted draws it is worth, so a block that only exploration draws keeps leaning on its parent.

What is known as of D is served from D + 1 on. All users count, held-out ones too: a candidate is judged with the
history that was logged with each decision, which was made before that decision, never with this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.spark.fixed_point import UNITS_PER_ONE, decay_weight
from ltrr.strategies.daily import ALL_QUERIES, BY_CLASS
from ltrr.strategies.settings import HistorySettings

Floats = npt.NDArray[np.float64]

# Column of strategy_daily -> power of the decay that weighs it.
_SUMS = {
    "impressions": 1,
    "draws": 1,
    "results": 1,
    "weights": 1,
    "weights_squared": 2,
    "hits": 1,
    "marginal_hits": 1,
}


@dataclass(frozen=True, eq=False)
class LevelHistory:
    """The history of one key, arrays [S, D]: decayed draw rate, shrunk rates, entities a draw, effective draws."""

    draw_rate: Floats
    rates: History
    mean_results: Floats
    support: Floats


def to_decayed_counts(strategy_days: DataFrame, as_of: date, settings: HistorySettings) -> DataFrame:
    """(log_date, level, key, strategy, depth) -> (level, key, strategy, depth), decayed to `as_of`, nothing later.

    Whole numbers: a day's sums are rounded once after they are weighed, so the order of days does not matter.
    """
    weight = decay_weight(F.date_diff(F.lit(as_of), F.col("log_date")), settings.half_life_days)
    first = as_of - timedelta(days=settings.window_days - 1)
    counted = strategy_days.where(F.col("log_date").between(F.lit(first), F.lit(as_of)))
    # Counts are turned into the unit of the other sums, so that a decayed draw keeps its fraction.
    unit = {name: float(UNITS_PER_ONE) for name in ("impressions", "draws", "results")}
    return counted.groupBy("level", "key", "strategy", "depth").agg(
        *(
            F.sum(
                F.rint(F.col(name) * F.lit(unit.get(name, 1.0)) * (weight if power == 1 else weight * weight)).cast(
                    "bigint"
                )
            ).alias(name)
            for name, power in _SUMS.items()
        )
    )


def fit_history(
    counts: Mapping[tuple[str, str], Mapping[str, Floats]], space: PlanSpace, settings: HistorySettings
) -> dict[tuple[str, str], LevelHistory]:
    """Decayed counts to the history of every (level, key), `("all", "all")` always among them.

    Args:
        counts: (level, key) -> column of `to_decayed_counts` -> [S, D] in plain numbers, zero where nothing was drawn.
        space: the plan space.
        settings: how strongly to shrink.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> one = {name: np.array([[50.0], [0.0]]) for name in _SUMS} | {"impressions": np.array([[100.0], [100.0]])}
    >>> history = fit_history({("all", "all"): one}, space, HistorySettings(prior_draws=50.0))["all", "all"]
    >>> history.rates.hit_rate.round(3).tolist(), history.support.tolist()
    ([[0.725], [0.45]], [[50.0], [0.0]])
    """
    nothing = {name: np.zeros((len(space.strategies), space.budget)) for name in _SUMS}
    every = (ALL_QUERIES, ALL_QUERIES)
    histories = {
        every: _shrink(counts.get(every, nothing), History.prior(space), settings.prior_draws),
    }
    for level, key in sorted(counts):
        if level == BY_CLASS:
            parent = histories[every].rates
            histories[level, key] = _shrink(counts[level, key], parent, settings.class_prior_draws)
    return histories


def _shrink(counts: Mapping[str, Floats], parent: History, parent_draws: float) -> LevelHistory:
    weights = counts["weights"]
    support = _ratio(weights**2, counts["weights_squared"])
    own = support / (support + parent_draws)
    hit_rate = own * _ratio(counts["hits"], weights) + (1.0 - own) * parent.hit_rate
    marginal = own * _ratio(counts["marginal_hits"], weights) + (1.0 - own) * parent.marginal_hit_rate
    return LevelHistory(
        draw_rate=_ratio(counts["draws"], counts["impressions"]),
        rates=History(hit_rate, marginal),
        mean_results=np.where(counts["draws"] > 0, _ratio(counts["results"], counts["draws"]), np.nan),
        support=support,
    )


def _ratio(over: Floats, under: Floats) -> Floats:
    """Over / under, 0 where nothing is under (nothing was drawn: the parent decides alone)."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def collect_counts(decayed: DataFrame, space: PlanSpace) -> dict[tuple[str, str], dict[str, Floats]]:
    """Decayed counts as arrays [S, D], in plain numbers.

    Collected: classes x strategies x depths rows, a size that settings bound and data do not.
    """
    counts: dict[tuple[str, str], dict[str, Floats]] = {}
    for row in decayed.collect():
        if row["strategy"] not in space.strategy_index or row["depth"] > space.budget:
            continue
        shape = (len(space.strategies), space.budget)
        of_key = counts.setdefault((row["level"], row["key"]), {name: np.zeros(shape) for name in _SUMS})
        for name in _SUMS:
            of_key[name][space.strategy_index[row["strategy"]], row["depth"] - 1] = row[name] / UNITS_PER_ONE
    return counts
