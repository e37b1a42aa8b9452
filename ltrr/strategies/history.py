"""Strategy history from daily sums: rates that are decayed, self-normalised and shrunk.

    rate = sum of w x / sum of w,  w = decay / P(block drawn)
    n_eff = (sum of w)^2 / sum of w^2
    shrunk = (n_eff rate + k parent) / (n_eff + k)

Each rate is shrunk to its parent, the rate of the next coarser level. The parent of a query is its
class (`strategies.queries`), the parent of a class is all queries, and the parent of all queries is
the planner's prior by reciprocal rank. `strategies.shrinkage` fits each k. The ratio of weighted
sums (Hajek) is within the range of observed rewards, whatever the weights. n_eff is the number of
equally weighted draws with the same variance, so a block that only exploration draws stays close to
its parent.

Services use the history as of date D from D + 1 on. All users count, including held-out ones. This
is correct because evaluation uses the history that was logged with each decision, which is older
than the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Floats
from ltrr.core.planning import PRIOR_HIT_AT_RANK_ONE, History
from ltrr.core.plans import PlanSpace
from ltrr.spark.fixed_point import UNITS_PER_ONE, decay_weight
from ltrr.strategies.daily import ALL_QUERIES, BY_CLASS
from ltrr.strategies.settings import HistorySettings
from ltrr.strategies.shrinkage import array_strength

Counts = Mapping[str, Floats]

# Column of strategy_daily -> power of the decay weight in its sum.
_SUMS = {
    "impressions": 1,
    "draws": 1,
    "results": 1,
    "weights": 1,
    "weights_squared": 2,
    "hits": 1,
    "hits_squared": 2,
    "weights_hits": 2,
    "marginal_hits": 1,
    "reciprocal_ranks": 1,
}


@dataclass(frozen=True, eq=False)
class LevelHistory:
    """The history of one key of a level, in arrays [S, D] by strategy and depth.

    Attributes:
        counts: Decayed sums by the columns of `to_decayed_counts`, as plain numbers.
        draw_rate: Decayed share of impressions in which the block was drawn.
        rates: Shrunk hit rates.
        reciprocal_rank: Shrunk mean reciprocal rank of a draw's first clicked entity.
        mean_results: Mean number of entities per draw; NaN if the block was never drawn.
        support: Effective number of draws.
    """

    counts: Counts
    draw_rate: Floats
    rates: History
    reciprocal_rank: Floats
    mean_results: Floats
    support: Floats


@dataclass(frozen=True)
class CoarseHistory:
    """History of the two coarse levels, whose number of keys does not grow with the log.

    Attributes:
        every: History of all queries together.
        classes: Query class -> its history.
        prior_draws: Fitted weight k, in draws, of the planner's prior in the rates of all queries.
        class_prior_draws: Fitted weight k, in draws, of the rates of all queries in those of a
            class.
    """

    every: LevelHistory
    classes: Mapping[str, LevelHistory]
    prior_draws: float
    class_prior_draws: float


def to_decayed_counts(strategy_days: DataFrame, as_of: date, settings: HistorySettings) -> DataFrame:
    """(log_date, level, key, strategy, depth) -> (level, key, strategy, depth), decayed to `as_of`.

    Later dates do not count. Each day's sums are rounded to whole numbers after weighting, so the
    result does not depend on the order of days.
    """
    weight = decay_weight(F.date_diff(F.lit(as_of), F.col("log_date")), settings.half_life_days)
    first = as_of - timedelta(days=settings.window_days - 1)
    counted = strategy_days.where(F.col("log_date").between(F.lit(first), F.lit(as_of)))
    # Counts get the fixed-point unit of the other sums, so that decayed draws keep fractions.
    unit = {name: float(UNITS_PER_ONE) for name in ("impressions", "draws", "results")}
    return counted.groupBy("level", "key", "strategy", "depth").agg(
        *(
            F.sum(
                F.rint(F.col(name) * F.lit(unit.get(name, 1.0)) * (weight if power == 1 else weight * weight)).cast(
                    "bigint"
                )
            ).alias(name)
            for name, power in _SUMS.items()
        ),
    )


def fit_history(counts: Mapping[tuple[str, str], Counts], space: PlanSpace, settings: HistorySettings) -> CoarseHistory:
    """Fit the history of all queries and of each class.

    Args:
        counts: (level, key) -> column of `to_decayed_counts` -> [S, D] plain numbers, 0 for blocks
            without draws.
        space: Plan space.
        settings: Bounds of the weights k.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> one = {name: np.array([[50.0], [0.0]]) for name in _SUMS}
    >>> one["impressions"] = np.array([[100.0], [100.0]])
    >>> settings = HistorySettings(fewest_prior_draws=50.0, most_prior_draws=50.0)
    >>> every = fit_history({("all", "all"): one}, space, settings).every
    >>> every.rates.hit_rate.round(3).tolist(), every.support.tolist()
    ([[0.725], [0.45]], [[50.0], [0.0]])
    """
    nothing = {name: np.zeros((len(space.strategies), space.budget)) for name in _SUMS}
    whole = counts.get((ALL_QUERIES, ALL_QUERIES), nothing)
    prior = History.prior(space)
    prior_draws = array_strength(whole, prior.hit_rate, settings)
    every = _shrink(whole, prior, _prior_reciprocal_rank(space), prior_draws)
    by_class = {key: counts[level, key] for level, key in sorted(counts) if level == BY_CLASS}
    class_prior_draws = _class_strength(by_class, whole, settings)
    classes = {
        key: _shrink(own, every.rates, every.reciprocal_rank, class_prior_draws) for key, own in by_class.items()
    }
    return CoarseHistory(every, classes, prior_draws, class_prior_draws)


def _class_strength(by_class: Mapping[str, Counts], whole: Counts, settings: HistorySettings) -> float:
    if len(by_class) < 2:
        return settings.most_prior_draws
    stacked = {name: np.stack([own[name] for own in by_class.values()]) for name in _SUMS}
    others = whole["weights"] - stacked["weights"]
    # A weight below one draw is a remainder of rounding: the block has no expectation and is left
    # out.
    expected = np.where(others >= 1.0, _ratio(whole["hits"] - stacked["hits"], others), 0.0)
    return array_strength(stacked, expected, settings)


def _shrink(counts: Counts, parent: History, parent_reciprocal_rank: Floats, parent_draws: float) -> LevelHistory:
    weights = counts["weights"]
    support = _ratio(weights**2, counts["weights_squared"])
    own = support / (support + parent_draws)

    def shrunk(name: str, parent_rate: Floats) -> Floats:
        return own * _ratio(counts[name], weights) + (1.0 - own) * parent_rate

    return LevelHistory(
        counts=counts,
        draw_rate=_ratio(counts["draws"], counts["impressions"]),
        rates=History(shrunk("hits", parent.hit_rate), shrunk("marginal_hits", parent.marginal_hit_rate)),
        reciprocal_rank=shrunk("reciprocal_ranks", parent_reciprocal_rank),
        mean_results=np.where(counts["draws"] > 0, _ratio(counts["results"], counts["draws"]), np.nan),
        support=support,
    )


def _prior_reciprocal_rank(space: PlanSpace) -> Floats:
    """Expected 1 / rank of a draw's first hit under the planner's prior, [S, D].

    Hits of different entities are independent under the prior.
    """
    ranks = np.arange(1, space.budget * space.block_size + 1).reshape(space.budget, space.block_size)
    wanted = PRIOR_HIT_AT_RANK_ONE / ranks
    not_before = np.cumprod(np.hstack((np.ones((space.budget, 1)), 1.0 - wanted[:, :-1])), axis=1)
    return np.tile((not_before * wanted / ranks).sum(axis=1), (len(space.strategies), 1))


def _ratio(over: Floats, under: Floats) -> Floats:
    """`over / under`; 0 where `under` is 0: without draws, the rate is that of the parent."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def collect_counts(decayed: DataFrame, space: PlanSpace) -> dict[tuple[str, str], dict[str, Floats]]:
    """Collect the decayed counts of all queries and of classes as arrays [S, D], plain numbers.

    The driver collects classes x strategies x depths rows, whatever the size of the log. Counts of
    single queries are not collected.
    """
    counts: dict[tuple[str, str], dict[str, Floats]] = {}
    for row in decayed.where(F.col("level").isin(ALL_QUERIES, BY_CLASS)).collect():
        if row["strategy"] not in space.strategy_index or row["depth"] > space.budget:
            continue
        shape = (len(space.strategies), space.budget)
        of_key = counts.setdefault((row["level"], row["key"]), {name: np.zeros(shape) for name in _SUMS})
        for name in _SUMS:
            of_key[name][space.strategy_index[row["strategy"]], row["depth"] - 1] = row[name] / UNITS_PER_ONE
    return counts
