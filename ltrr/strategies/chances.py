"""Probability of drawing each block, from the logged propensities of plans.

Block (s, d) is drawn by the plans that take at least d blocks of strategy s. So

    P(block (s, d) drawn)
        = sum over such plans of propensity
        = floor * number of such plans
        + sum over such plans in the shortlist of (propensity - floor)

The shortlist and the floor are enough to compute it. The work per decision is shortlist x blocks,
whatever the number of plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Bools, Floats, Longs
from ltrr.core.plans import PlanSpace

_COLUMNS = (
    "impression_id string, log_date date, query_class string, query_key string, strategy string, depth int, "
    "impressions bigint, chance double"
)


def draw_chances(
    space: PlanSpace,
    floors: Floats,
    shortlist_sizes: Longs,
    plans: Longs,
    propensities: Floats,
) -> Floats:
    """P(block drawn) of every block under every decision: [N, S * D], columns of `PlanSpace.draws`.

    Args:
        space: Plans that could be chosen.
        floors: [N] propensity of each plan outside the shortlist.
        shortlist_sizes: [N] number of plans in each shortlist; 0 if all plans have the floor.
        plans: [sum of sizes] indices of the plans of the shortlists, decision after decision.
        propensities: [sum of sizes] their propensities.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> space.texts
    ('memory:2', 'title:1,memory:1', 'title:2')
    >>> chances = draw_chances(
    ...     space, np.array([0.1]), np.array([1]), np.array([2]), np.array([0.8]))
    >>> chances.round(3).tolist()
    [[0.9, 0.8, 0.2, 0.1]]
    """
    chances: Floats = floors[:, None] * space.draws.sum(axis=0)
    listing = np.flatnonzero(shortlist_sizes)
    if listing.size:
        extra = propensities - np.repeat(floors, shortlist_sizes)
        starts = (np.cumsum(shortlist_sizes) - shortlist_sizes)[listing]
        chances[listing] += np.add.reduceat(extra[:, None] * space.draws[plans], starts, axis=0)
    # Rounding can bring a sum of propensities above 1.
    return np.minimum(chances, 1.0)


def drawn_plan(space: PlanSpace) -> Column:
    """Text of the plan of a static page, from the column `drawn`; empty without a block.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> drawn = spark.createDataFrame([({"memory": 1, "title": 1},)], "drawn map<string,int>")
    >>> drawn.select(drawn_plan(space).alias("plan")).collect()[0].plan
    'title:1,memory:1'
    """
    blocks = F.col("drawn")
    parts = [F.when(blocks[name] > 0, F.concat(F.lit(f"{name}:"), blocks[name])) for name in space.strategies]
    # A page with gaps, or with blocks of other strategies, does not spend the budget on this plan.
    spent = F.aggregate(F.map_values(blocks), F.lit(0), lambda total, depth: total + depth)
    return F.when(spent == F.lit(space.budget), F.concat_ws(",", *parts)).otherwise(F.lit(""))


def with_served_plans(decisions: DataFrame, space: PlanSpace) -> DataFrame:
    """Shadow decisions become decisions for the static plan, which was certain; same columns.

    A static page teaches which of its blocks are hit. It draws no other block, so its history has
    no rate of them. A static page that is no plan of the space leaves its row as it is, with a plan
    that no space has.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> schema = "action_taken string, floor double, is_shadow boolean, drawn map<string,int>, "
    >>> schema += "action_propensities array<struct<action:string,p:double>>"
    >>> rows = [("memory:2", 0.1, True, {"memory": 1, "title": 1}, [("memory:2", 0.9)]),
    ...         ("memory:2", 0.1, None, {"memory": 2}, [("memory:2", 0.9)])]
    >>> served = with_served_plans(spark.createDataFrame(rows, schema), space)
    >>> [(row.action_taken, row.floor, row.action_propensities[0].p) for row in served.collect()]
    [('title:1,memory:1', 0.0, 1.0), ('memory:2', 0.1, 0.9)]
    """
    static, is_shadow = drawn_plan(space), F.coalesce("is_shadow", F.lit(False))
    certain = F.array(F.struct(static.alias("action"), F.lit(1.0).alias("p")))
    return decisions.withColumns(
        {
            "action_taken": F.when(is_shadow, static).otherwise(F.col("action_taken")),
            "action_propensities": F.when(is_shadow, certain).otherwise(F.col("action_propensities")),
            "floor": F.when(is_shadow, F.lit(0.0)).otherwise(F.col("floor")),
        }
    )


def to_drawn_blocks(decisions: DataFrame, space: PlanSpace) -> DataFrame:
    """(impression, step) -> (impression, strategy, depth): drawn blocks, with their probability.

    The probability is the column `chance`. Additional rows have null in impression_id, query_key
    and chance. In `impressions` they count, by date and query class, the impressions in which a
    block could be drawn: a few rows per batch of decisions. Such rows per query would be as many as
    decisions times blocks; the table `queries` has the number of searches of each query.

    Decisions of another plan space, from before a change of the settings, are left out. A task
    holds one Arrow batch in memory.

    Args:
        decisions: Decisions of one step by a policy, with impression_id, log_date, query_class,
            query_key, action_taken, action_propensities, floor and n_actions.
        space: Plan space of the policy.
    """
    columns = (
        "impression_id",
        "log_date",
        "query_class",
        "query_key",
        "action_taken",
        "action_propensities",
        "floor",
        "n_actions",
    )
    return decisions.select(*columns).mapInArrow(_expand_task(space), _COLUMNS)


def _expand_task(space: PlanSpace) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    schema = pa.schema(
        [
            ("impression_id", pa.string()),
            ("log_date", pa.date32()),
            ("query_class", pa.string()),
            ("query_key", pa.string()),
            ("strategy", pa.string()),
            ("depth", pa.int32()),
            ("impressions", pa.int64()),
            ("chance", pa.float64()),
        ]
    )
    block_strategy = pa.array([name for name in space.strategies for _ in range(space.budget)], pa.string())
    block_depth = pa.array(list(range(1, space.budget + 1)) * len(space.strategies), pa.int32())
    texts = pa.array(space.texts, pa.string())

    def expand(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            known = _of_space(batch, texts)
            if not known.num_rows:
                continue
            listed = known.column("action_propensities").combine_chunks()
            shortlist = listed.flatten()
            chances = draw_chances(
                space,
                known.column("floor").to_numpy(),
                pc.list_value_length(listed).to_numpy().astype(np.int64),
                pc.index_in(shortlist.field("action"), value_set=texts).to_numpy().astype(np.int64),
                shortlist.field("p").to_numpy(),
            )
            taken = pc.index_in(known.column("action_taken"), value_set=texts).to_numpy().astype(np.int64)
            rows, blocks = np.nonzero(space.draws[taken])
            yield pa.RecordBatch.from_arrays(
                [
                    *(_chunk(known.column(name).take(pa.array(rows))) for name in schema.names[:4]),
                    block_strategy.take(pa.array(blocks)),
                    block_depth.take(pa.array(blocks)),
                    pa.array(np.zeros(len(rows), dtype=np.int64)),
                    pa.array(chances[rows, blocks]),
                ],
                schema=schema,
            )
            for day, query_class, among in _groups(known):
                possible = (chances[among] > 0).sum(axis=0)
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.nulls(len(possible), pa.string()),
                        pa.repeat(pa.scalar(day, pa.date32()), len(possible)),
                        pa.repeat(pa.scalar(query_class, pa.string()), len(possible)),
                        pa.nulls(len(possible), pa.string()),
                        block_strategy,
                        block_depth,
                        pa.array(possible.astype(np.int64)),
                        pa.nulls(len(possible), pa.float64()),
                    ],
                    schema=schema,
                )

    return expand


def _of_space(batch: pa.RecordBatch, texts: pa.Array) -> pa.Table:
    """Decisions all of whose plans are plans of this space."""
    decisions = pa.Table.from_batches([batch])
    has_our_size = pc.equal(decisions["n_actions"], len(texts))
    decisions = decisions.filter(pc.and_(has_our_size, pc.is_in(decisions["action_taken"], value_set=texts)))
    listed = decisions["action_propensities"].combine_chunks()
    foreign = pc.invert(pc.is_in(listed.flatten().field("action"), value_set=texts)).to_numpy(zero_copy_only=False)
    foreign_rows = np.unique(pc.list_parent_indices(listed).to_numpy()[foreign])
    return decisions.take(pa.array(np.setdiff1d(np.arange(decisions.num_rows), foreign_rows)))


def _groups(decisions: pa.Table) -> Iterator[tuple[object, str, Bools]]:
    """Each (log_date, query_class) of a batch with the mask of its rows."""
    for day in pc.unique(decisions["log_date"]).to_pylist():
        of_day = pc.equal(decisions["log_date"], pa.scalar(day, pa.date32())).to_numpy()
        for query_class in pc.unique(decisions["query_class"]).to_pylist():
            among = of_day & pc.equal(decisions["query_class"], query_class).to_numpy()
            if among.any():
                yield day, query_class, among


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
