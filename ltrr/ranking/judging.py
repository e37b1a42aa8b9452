"""How good an order of the logged unions would have been: counterfactual nDCG, corrected for examination.

Within an impression, gains are clicks / examination, so that the order which was served has no advantage. The order of
a candidate is put beside that of reciprocal rank fusion and the one that was served, on the same rows. Impressions
without a click order nothing and are left out of all of them alike. Clusters are queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from ltrr.core.fixed_point import UNIT_BITS
from ltrr.core.intervals import Estimate, estimate_difference, estimate_ratio
from ltrr.core.moments import ClusteredSums

CANDIDATE, FUSION, SERVED = "candidate", "fusion", "served"
_TERMS = ("impressions", CANDIDATE, FUSION, SERVED)
_KEPT = ("log_date", "impression_id", "entity_id", "query_key", "position", "gain")
_SCORED = (
    "log_date date, impression_id string, entity_id string, query_key string, position int, gain double, "
    f"{CANDIDATE} double, {FUSION} double"
)


@dataclass(frozen=True)
class OrderQuality:
    """nDCG of the candidate's order and of those beside it, on held-out queries; NaN where no impression had a click.

    Attributes:
        queries: clusters.
        impressions: with a click.
        candidate, fusion, served: mean nDCG over impressions.
        over_fusion, over_served: candidate minus the other, paired by query.
    """

    queries: int
    impressions: int
    candidate: Estimate
    fusion: Estimate
    served: Estimate
    over_fusion: Estimate
    over_served: Estimate

    @classmethod
    def of(cls, sums: ClusteredSums) -> OrderQuality:
        """From sums over impressions, clustered by query."""
        means = {name: (name, "impressions") for name in (CANDIDATE, FUSION, SERVED)}
        return cls(
            queries=sums.clusters,
            impressions=round(sums.total("impressions")),
            candidate=estimate_ratio(sums, *means[CANDIDATE]),
            fusion=estimate_ratio(sums, *means[FUSION]),
            served=estimate_ratio(sums, *means[SERVED]),
            over_fusion=estimate_difference(sums, means[CANDIDATE], means[FUSION]),
            over_served=estimate_difference(sums, means[CANDIDATE], means[SERVED]),
        )

    def figures(self, confidence: float = 0.95) -> dict[str, float]:
        """By name, with two-sided intervals of the differences."""
        upper = 0.5 + confidence / 2.0
        figures: dict[str, float] = {"judged_queries": self.queries, "judged_impressions": self.impressions}
        for name in (CANDIDATE, FUSION, SERVED):
            figures[f"ndcg_{name}"] = getattr(self, name).value
        for name in (FUSION, SERVED):
            difference = getattr(self, f"over_{name}")
            figures[f"ndcg_over_{name}"] = difference.value
            figures[f"ndcg_over_{name}_low"] = difference.low(upper)
            figures[f"ndcg_over_{name}_high"] = difference.high(upper)
        return figures


def judge_order(rows: DataFrame, model: bytes, fusion_feature: int, positions: int) -> OrderQuality:
    """Judge a booster on rows that it was not trained on.

    Scoring is a pass over the rows in Spark; the orders are windows over one impression, a page each; what comes back
    is one row of sums, whole numbers, so that the order of adding up does not show.

    Args:
        rows: of the table `ranking_rows`, judging rows only.
        model: `ubj` bytes.
        fusion_feature: place of the feature `fusion`, which is reciprocal rank fusion's score.
        positions: that count.
    """
    scored = rows.select(*_KEPT, "features").mapInArrow(_scoring(model, fusion_feature), _SCORED)
    impression = Window.partitionBy("log_date", "impression_id")
    placed = scored.select(
        "log_date",
        "impression_id",
        "query_key",
        "gain",
        _place(impression, CANDIDATE).alias(CANDIDATE),
        _place(impression, FUSION).alias(FUSION),
        F.row_number().over(impression.orderBy("position", "entity_id")).alias(SERVED),
        F.row_number().over(impression.orderBy(F.desc("gain"), "entity_id")).alias("ideal"),
    )
    totals = placed.groupBy("query_key", "log_date", "impression_id").agg(
        *(_discounted(name, positions).alias(name) for name in (CANDIDATE, FUSION, SERVED, "ideal"))
    )
    clicked = totals.where("ideal > 0")
    by_query = clicked.groupBy("query_key").agg(
        *(F.sum(_fixed(_ndcg_term(name))).cast("decimal(38,0)").alias(name) for name in _TERMS)
    )
    return OrderQuality.of(_sums(by_query))


def _place(impression: WindowSpec, score: str) -> Column:
    # Equals in order of entity_id, as serving puts them.
    return F.row_number().over(impression.orderBy(F.desc(score), "entity_id"))


def _discounted(place: str, positions: int) -> Column:
    worth = F.col("gain") / F.log2(F.col(place) + F.lit(1.0))
    return F.sum(F.when(F.col(place) <= positions, worth).otherwise(0.0))


def _ndcg_term(name: str) -> Column:
    return F.lit(1.0) if name == "impressions" else F.col(name) / F.col("ideal")


def _fixed(value: Column) -> Column:
    return F.rint(value * F.lit(float(1 << UNIT_BITS))).cast("bigint")


def _sums(by_query: DataFrame) -> ClusteredSums:
    """One row of totals and products over queries, as the statistic that intervals are made from."""
    pairs = [(one, other) for place, one in enumerate(_TERMS) for other in _TERMS[place:]]
    row = by_query.agg(
        F.count(F.lit(1)).alias("clusters"),
        *(F.sum(name).alias(name) for name in _TERMS),
        *(F.sum(F.col(one) * F.col(other)).alias(f"{one} {other}") for one, other in pairs),
    ).collect()[0]
    products = {frozenset(pair): int(row[" ".join(pair)] or 0) for pair in pairs}
    return ClusteredSums(
        _TERMS,
        int(row["clusters"]),
        tuple(int(row[name] or 0) for name in _TERMS),
        tuple(tuple(products[frozenset((one, other))] for other in _TERMS) for one in _TERMS),
    )


def _scoring(model: bytes, fusion_feature: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def score_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(model))
        # Tasks are as many as cores already.
        booster.set_param({"nthread": 1})
        for batch in batches:
            values = batch.column("features").flatten().to_numpy(zero_copy_only=False)
            matrix = values.reshape(batch.num_rows, -1).astype(np.float64)
            scores = booster.inplace_predict(matrix) if batch.num_rows else np.empty(0)
            columns = [batch.column(name) for name in _KEPT]
            columns += [pa.array(scores, pa.float64()), pa.array(matrix[:, fusion_feature], pa.float64())]
            yield pa.RecordBatch.from_arrays(columns, names=[*_KEPT, CANDIDATE, FUSION])

    return score_batches
