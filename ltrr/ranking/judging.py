"""How good orders of the logged unions would have been: DCG with clicks weighted by 1 / examination, on the same rows.

The estimate of one order is a ratio of weighted sums over all pages,

    sum over clicked entities of gain x discount(place in this order)  /  sum over clicked entities of gain,

with gain = clicks / examination of where the entity was shown. It is self-normalised: in
expectation the share of the best possible discount, 1, at which this order puts a wanted entity,
whatever order was served (Agarwal et al., "A General Framework for Counterfactual
Learning-to-Rank", SIGIR 2019; Swaminathan & Joachims, 2015). It is never divided page by page: on a
page with one click that would cancel the weight, and judge the served order as the best.

All orders are deterministic scores of the same logged rows, the served ranker among them, so they
have no propensities of their own: whether an order earns more `page_reward` only a canary can show.

The difference of two orders is paired. Its standard error is the larger of two, clustered by query
(an order is wrong for all pages of a query at once) and by user (a user's clicks hang together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from ltrr.estimation.fixed_point import TERM_BITS
from ltrr.estimation.intervals import Estimate, estimate_difference, estimate_ratio
from ltrr.estimation.moments import ClusteredSums
from ltrr.ranking.rows import PAGE

CANDIDATE, FUSION, SERVED = "candidate", "fusion", "served"
QUERY, USER = "query", "user"
_KEYS = ("query_key", "user_key")
_IMPRESSIONS, _WEIGHT, _SQUARED = "impressions", "weight", "weight_squared"
_KEPT = (*PAGE, "entity_id", "query_key", "user_key", "gain")
_SCORED = (
    "log_date date, impression_id string, entity_id string, query_key string, user_key string, gain double, "
    "scores array<double>"
)


@dataclass(frozen=True)
class OrderQuality:
    """What the judged pages say of some orders; estimates are NaN where no impression had a click.

    Attributes:
        orders: their names.
        sums: of weighted DCG of each order, of weights, their squares and impressions; clustered by
            query and by user.
    """

    orders: tuple[str, ...]
    sums: Mapping[str, ClusteredSums]

    @property
    def impressions(self) -> int:
        """With a click."""
        return round(self.sums[QUERY].total(_IMPRESSIONS))

    @property
    def queries(self) -> int:
        """Clusters by query."""
        return self.sums[QUERY].clusters

    @property
    def users(self) -> int:
        """Clusters by user."""
        return self.sums[USER].clusters

    def value(self, order: str) -> Estimate:
        """Weighted DCG over weights, between 0 and 1."""
        return _widest([estimate_ratio(sums, order, _WEIGHT) for sums in self.sums.values()])

    def difference(self, order: str, other: str) -> Estimate:
        """Value of one order minus that of another, paired."""
        ratios = (order, _WEIGHT), (other, _WEIGHT)
        return _widest([estimate_difference(sums, *ratios) for sums in self.sums.values()])

    def evidence(self, order: str) -> float:
        """R of the weaker clustering: (sum of weighted DCG)^2 / sum over clusters of its square; NaN without any."""
        found = [(sums.total(order), sums.product(order, order)) for sums in self.sums.values()]
        return min(total**2 / squares if squares else nan for total, squares in found)

    @property
    def effective_sample_size(self) -> float:
        """Clicked impressions that the weights are worth; NaN without any."""
        squares = self.sums[QUERY].total(_SQUARED)
        return self.sums[QUERY].total(_WEIGHT) ** 2 / squares if squares else nan

    def figures(self, confidence: float = 0.95) -> dict[str, float]:
        """By name, with two-sided intervals of the candidate's differences."""
        upper = 0.5 + confidence / 2.0
        figures: dict[str, float] = {
            "judged_queries": self.queries,
            "judged_users": self.users,
            "judged_impressions": self.impressions,
        }
        for name in self.orders:
            figures[f"dcg_{name}"] = self.value(name).value
        for name in self.orders:
            if name != CANDIDATE:
                difference = self.difference(CANDIDATE, name)
                figures[f"dcg_over_{name}"] = difference.value
                figures[f"dcg_over_{name}_low"] = difference.low(upper)
                figures[f"dcg_over_{name}_high"] = difference.high(upper)
        return figures


def judge_orders(
    rows: DataFrame, models: Mapping[str, bytes | None], fusion_feature: int, positions: int
) -> OrderQuality:
    """Judge boosters on rows that none of them was trained on.

    Scoring is a pass over the rows in Spark; the orders are windows over one impression, a page
    each; what comes back is two rows of sums, whole numbers, so that the order of adding up does
    not show.

    Args:
        rows: of the table `ranking_rows`, judging rows only.
        models: name of an order -> `ubj` bytes of its booster; None: the order of reciprocal rank
            fusion.
        fusion_feature: place of the feature `fusion`, which is reciprocal rank fusion's score.
        positions: that count.
    """
    orders = tuple(models)
    scored = rows.select(*_KEPT, "features").mapInArrow(_scoring(models, fusion_feature), _SCORED)
    impression = Window.partitionBy(*PAGE)
    placed = scored.select(
        *PAGE,
        *_KEYS,
        "gain",
        *(_place(impression, number).alias(name) for number, name in enumerate(orders)),
    )
    pages = placed.groupBy(*PAGE, *_KEYS).agg(
        *(_discounted(name, positions).alias(name) for name in orders), F.sum("gain").alias(_WEIGHT)
    )
    clicked = pages.where(F.col(_WEIGHT) > 0).select(
        F.explode(F.array(_cluster(QUERY, F.col("query_key")), _cluster(USER, _user()))).alias("cluster"),
        *orders,
        _WEIGHT,
        F.pow(_WEIGHT, F.lit(2.0)).alias(_SQUARED),
        F.lit(1.0).alias(_IMPRESSIONS),
    )
    terms = (*orders, _WEIGHT, _SQUARED, _IMPRESSIONS)
    by_cluster = clicked.groupBy("cluster.kind", "cluster.key").agg(
        *(F.sum(_fixed(F.col(name))).cast("decimal(38,0)").alias(name) for name in terms)
    )
    return OrderQuality(orders, _sums(by_cluster, terms))


def _cluster(kind: str, key: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), key.alias("key"))


def _user() -> Column:
    # An anonymous search is a cluster of its own: nothing ties it to another.
    alone = F.concat(F.col("log_date").cast("string"), "impression_id")
    return F.when(F.col("user_key") != "", F.col("user_key")).otherwise(alone)


def _place(impression: WindowSpec, number: int) -> Column:
    # Equals in order of entity_id, as serving puts them.
    return F.row_number().over(impression.orderBy(F.desc(F.col("scores")[number]), "entity_id"))


def _discounted(place: str, positions: int) -> Column:
    worth = F.col("gain") / F.log2(F.col(place) + F.lit(1.0))
    return F.sum(F.when(F.col(place) <= positions, worth).otherwise(0.0))


def _fixed(value: Column) -> Column:
    return F.rint(value * F.lit(float(1 << TERM_BITS))).cast("bigint")


def _sums(by_cluster: DataFrame, terms: Sequence[str]) -> dict[str, ClusteredSums]:
    """A row of totals and products for each kind of cluster, as the statistic that intervals are made from."""
    pairs = [(one, other) for place, one in enumerate(terms) for other in terms[place:]]
    rows = by_cluster.groupBy("kind").agg(
        F.count(F.lit(1)).alias("clusters"),
        *(F.sum(name).alias(name) for name in terms),
        *(F.sum(F.col(one) * F.col(other)).alias(f"{one} {other}") for one, other in pairs),
    )
    found = {row["kind"]: row for row in rows.collect()}
    empty = ClusteredSums(tuple(terms), 0, (0,) * len(terms), ((0,) * len(terms),) * len(terms))
    sums = dict.fromkeys((QUERY, USER), empty)
    for kind, row in found.items():
        products = {frozenset(pair): int(row[" ".join(pair)]) for pair in pairs}
        sums[kind] = ClusteredSums(
            tuple(terms),
            int(row["clusters"]),
            tuple(int(row[name]) for name in terms),
            tuple(tuple(products[frozenset((one, other))] for other in terms) for one in terms),
        )
    return sums


def _widest(estimates: Sequence[Estimate]) -> Estimate:
    """The one with the largest standard error; an undefined one goes first."""
    return max(estimates, key=lambda one: inf if isnan(one.standard_error) else one.standard_error)


def _scoring(
    models: Mapping[str, bytes | None], fusion_feature: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    payloads = list(models.values())

    def score_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        boosters = [None if payload is None else _booster(payload) for payload in payloads]
        for batch in batches:
            values = batch.column("features").flatten().to_numpy(zero_copy_only=False)
            matrix = values.reshape(batch.num_rows, -1).astype(np.float64)
            scores = np.empty((batch.num_rows, len(boosters)))
            for place, booster in enumerate(boosters):
                if booster is None:
                    scores[:, place] = matrix[:, fusion_feature]
                elif batch.num_rows:
                    scores[:, place] = booster.inplace_predict(matrix)
            columns = [batch.column(name) for name in _KEPT]
            ends = pa.array(np.arange(batch.num_rows + 1) * len(boosters), pa.int32())
            columns.append(pa.ListArray.from_arrays(ends, pa.array(scores.ravel(), pa.float64())))
            yield pa.RecordBatch.from_arrays(columns, names=[*_KEPT, "scores"])

    return score_batches


def _booster(model: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    # Tasks are as many as cores already.
    booster.set_param({"nthread": 1})
    return booster
