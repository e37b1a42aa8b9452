"""Evaluation of orders on logged pages: DCG with clicks weighted by 1 / examination.

The estimate for an order is a ratio of weighted sums over all pages,

    sum over clicked entities of gain x discount(place in this order)
    / sum over clicked entities of gain,

with gain = clicks / examination of the position at which the entity was shown. It is
self-normalised: in expectation, whatever order was served, it is the mean discount of relevant
entities in this order, where 1 is the best possible value (Agarwal et al., "A General Framework for
Counterfactual Learning-to-Rank", SIGIR 2019; Swaminathan & Joachims, 2015). The ratio is not taken
page by page: on a page with one click the weight would cancel, and the served order would look
best.

All orders, including that of the served ranker, are deterministic scores of the same logged rows,
so they have no propensities. Only a canary can show whether an order earns more `page_reward`.

The difference of two orders is paired. Its standard error is the larger of two: clustered by query
(an order is wrong on all pages of a query) and by user (clicks of one user are dependent).
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

CANDIDATE, FUSION, SERVED, SHOWN = "candidate", "fusion", "served", "shown"
"""Names of orders: that of the booster, reciprocal rank fusion, the champion, the logged pages."""

QUERY, USER = "query", "user"
_KEYS = ("query_key", "user_key")
_IMPRESSIONS, _WEIGHT, _SQUARED = "impressions", "weight", "weight_squared"
_PLAIN = "plain_score"
_KEPT = (*PAGE, "entity_id", "query_key", "user_key", "gain")
_SCORED = (
    "log_date date, impression_id string, entity_id string, query_key string, user_key string, gain double, "
    "scores array<double>"
)


@dataclass(frozen=True)
class OrderQuality:
    """Estimates for several orders on the same pages; they are NaN if no impression has a click.

    Attributes:
        orders: Names of the orders.
        sums: Sums of the weighted DCG of each order, of weights, squared weights and impressions;
            clustered by query and by user.
    """

    orders: tuple[str, ...]
    sums: Mapping[str, ClusteredSums]

    @property
    def impressions(self) -> int:
        """Number of impressions with a click."""
        return round(self.sums[QUERY].total(_IMPRESSIONS))

    @property
    def queries(self) -> int:
        """Number of queries, the clusters by query."""
        return self.sums[QUERY].clusters

    @property
    def users(self) -> int:
        """Number of users, the clusters by user."""
        return self.sums[USER].clusters

    def value(self, order: str) -> Estimate:
        """Estimate of an order: weighted DCG / weights, in 0..1."""
        return _widest([estimate_ratio(sums, order, _WEIGHT) for sums in self.sums.values()])

    def difference(self, order: str, other: str) -> Estimate:
        """Value of one order minus that of another, paired."""
        ratios = (order, _WEIGHT), (other, _WEIGHT)
        return _widest([estimate_difference(sums, *ratios) for sums in self.sums.values()])

    def evidence(self, order: str) -> float:
        """Evidence R of an order, the lower one of both clusterings; NaN without clicks.

        R = (sum of weighted DCG)^2 / sum over clusters of (the cluster's weighted DCG)^2.
        """
        found = [(sums.total(order), sums.product(order, order)) for sums in self.sums.values()]
        return min(total**2 / squares if squares else nan for total, squares in found)

    @property
    def effective_sample_size(self) -> float:
        """Effective number of clicked impressions, (sum w)^2 / sum w^2; NaN without clicks."""
        squares = self.sums[QUERY].total(_SQUARED)
        return self.sums[QUERY].total(_WEIGHT) ** 2 / squares if squares else nan

    def figures(self, confidence: float = 0.95) -> dict[str, float]:
        """Figures by name: counts, values, and the candidate's differences with intervals."""
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


def fusion_order(feature_names: Sequence[str]) -> Column:
    """Score of reciprocal rank fusion, for pages with logged features."""
    return F.col("features")[feature_names.index("fusion")]


def shown_order() -> Column:
    """Score of the order in which the page was shown, whatever system made it."""
    return -F.col("position").cast("double")


def judge_orders(
    rows: DataFrame, models: Mapping[str, bytes | None], plain_score: Column, positions: int
) -> OrderQuality:
    """Evaluate boosters on rows that none of them was trained on.

    Spark scores the rows in one pass and orders each page in a window over its impression. The
    driver collects two rows of whole-number sums, which do not depend on the order of addition.

    Args:
        rows: Evaluation rows of the table `ranking_rows`.
        models: Name of an order -> `ubj` bytes of its booster; None stands for the order of
            `plain_score`.
        plain_score: Score of the orders without a booster: `fusion_order` or `shown_order`.
        positions: Number of positions that count.
    """
    orders = tuple(models)
    scorable = rows.select(*_KEPT, "features", plain_score.alias(_PLAIN))
    scored = scorable.mapInArrow(_score_task(models), _SCORED)
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
    # Each anonymous search is a cluster of its own.
    alone = F.concat(F.col("log_date").cast("string"), "impression_id")
    return F.when(F.col("user_key") != "", F.col("user_key")).otherwise(alone)


def _place(impression: WindowSpec, number: int) -> Column:
    # Equal scores in order of entity_id, as in serving.
    return F.row_number().over(impression.orderBy(F.desc(F.col("scores")[number]), "entity_id"))


def _discounted(place: str, positions: int) -> Column:
    worth = F.col("gain") / F.log2(F.col(place) + F.lit(1.0))
    return F.sum(F.when(F.col(place) <= positions, worth).otherwise(0.0))


def _fixed(value: Column) -> Column:
    return F.rint(value * F.lit(float(1 << TERM_BITS))).cast("bigint")


def _sums(by_cluster: DataFrame, terms: Sequence[str]) -> dict[str, ClusteredSums]:
    """Totals and products of the terms for each kind of cluster, the statistic behind intervals."""
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
    """The estimate with the largest standard error; an undefined one counts as the largest."""
    return max(estimates, key=lambda one: inf if isnan(one.standard_error) else one.standard_error)


def _score_task(
    models: Mapping[str, bytes | None],
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
                    scores[:, place] = batch.column(_PLAIN).to_numpy(zero_copy_only=False)
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
    # Spark already runs one task per core.
    booster.set_param({"nthread": 1})
    return booster
