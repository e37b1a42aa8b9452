"""A world with two strategies of equal hit rates; only titles show which answers a query."""

from __future__ import annotations

from datetime import date

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from ltrr.artifacts.decision_record import block_entry
from ltrr.artifacts.looks import block_row
from ltrr.core.facts import Facts
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.hashing import unit_interval, user_fold
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import query_class
from ltrr.core.text_overlap import EntityFields, text_overlap
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table

SPACE = PlanSpace(("alpha", "beta", "memory"), block_size=2, budget=3)
DAY = date(2026, 3, 2)
EXAMINATION = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
KEYS = tuple(f"tune{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400))


def answering(key: str) -> str:
    """The strategy whose entities have the query in their titles; users want these."""
    return "alpha" if unit_interval("answers", key) < 0.5 else "beta"


def block(key: str, strategy: str, depth: int) -> Block:
    if strategy == "memory":
        return Block(strategy, depth, "empty")
    ids = tuple(f"{strategy}-{key}-{rank}" for rank in (2 * depth - 1, 2 * depth))
    return Block(strategy, depth, "ok", ids, (1.0 / depth, 0.9 / depth))


def facts(key: str) -> dict[str, Facts]:
    """Facts of every entity in the blocks of the query."""
    return {
        entity_id: Facts(text_overlap(key, EntityFields(key if strategy == answering(key) else "other words")))
        for strategy in ("alpha", "beta")
        for depth in range(1, SPACE.budget + 1)
        for entity_id in block(key, strategy, depth).entity_ids
    }


def looks(key: str) -> list[Block]:
    return [block(key, strategy, 1) for strategy in ("alpha", "beta")] + [
        block(key, "memory", depth) for depth in range(1, SPACE.budget + 1)
    ]


def true_value(key: str, plan: int) -> float:
    """Share of the budget on the answering strategy; a third under a uniform policy."""
    return float(SPACE.plans[plan][SPACE.strategy_index[answering(key)]]) / SPACE.budget


def logged(decisions: int, seed: int = 1, *, keys: tuple[str, ...] = KEYS, users: int = 200) -> list[dict]:
    """Rows of `bandit_rows` of a uniform policy; wanted entities are clicked if examined."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(decisions):
        key, plan, user = keys[rng.integers(len(keys))], int(rng.integers(len(SPACE))), f"user-{rng.integers(users)}"
        known, seen = facts(key), looks(key)
        drawn = [block(key, *place) for place in SPACE.blocks(plan)]
        page = [entity_id for one in drawn for entity_id in one.entity_ids]
        shown = [
            {"entity_id": entity_id, "examination": share, "clicks": int(is_wanted and rng.random() < share)}
            for entity_id, share in zip(page, EXAMINATION, strict=False)
            for is_wanted in (entity_id.startswith(answering(key)),)
        ]
        visible = {(one.strategy, one.depth) for one in seen}
        rows.append(
            {
                "impression_id": f"i{number:06d}",
                "step": 1,
                "log_date": DAY,
                "query_key": key,
                "query_class": query_class(key),
                "user_key": user,
                "user_fold": user_fold(user),
                "policy_version": "v1",
                "action_taken": SPACE.text(plan),
                "logging_propensity": 1.0 / len(SPACE),
                "found_reward": 0.0 + sum(row["clicks"] / row["examination"] for row in shown),
                "page_reward": float(sum(row["clicks"] for row in shown)),
                "baseline": 0.0,
                "shared_features": shared_vector(SPACE, seen, key).tolist(),
                "actions": [
                    {
                        "action": SPACE.text(plan),
                        "features": action_matrix(SPACE, np.zeros(len(SPACE)), np.array([plan]))[0].tolist(),
                    }
                ],
                "look": [block_row(block_entry(one, 2), known) for one in seen],
                "deeper": [
                    block_row(block_entry(one, 2), known) for one in drawn if (one.strategy, one.depth) not in visible
                ],
                "shown": shown,
            }
        )
    return rows


def frame_of(spark: SparkSession, rows: list[dict]) -> DataFrame:
    return spark.createDataFrame(rows, schema_of(table("bandit_rows")))
