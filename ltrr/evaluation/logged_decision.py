"""Rows of judged impressions as Python objects, on an executor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ltrr.arrays import Bools, Floats
from ltrr.artifacts.looks import blocks_of_rows, facts_of_rows
from ltrr.core.facts import CandidateFacts
from ltrr.core.planning import Block, History, plan_values
from ltrr.core.plans import PlanSpace

COLUMNS = (
    "user_key",
    "query_key",
    "query_class",
    "action_taken",
    "logging_propensity",
    "action_propensities",
    "floor",
    "shared_features",
    "hit_rate",
    "marginal_hit_rate",
    "look",
    "page_reward",
    "query_mean",
)
"""Columns that an evaluation reads: the reward, and the inputs of the choice of the plan."""


@dataclass(frozen=True, eq=False)
class LoggedDecision:
    """One logged choice and its reward.

    Args:
        user_key: The user, which is the cluster.
        key: The query_key.
        query_class: The query class, which is a slice.
        plan: Index of the plan taken.
        propensity: Propensity of the plan taken under the logging policy.
        supported: Plans that the logging policy could take, [P] booleans.
        shared: Logged shared features, [F].
        look: Blocks seen before the choice.
        facts: Facts of their candidates, as used for the choice.
        values: Values of plans by hit rates, from the logged look and history, [P].
        reward: The page_reward.
        query_mean: Mean page_reward of the query's other searches, by training users.
    """

    user_key: str
    key: str
    query_class: str
    plan: int
    propensity: float
    supported: Bools
    shared: Floats
    look: Sequence[Block]
    facts: CandidateFacts
    values: Floats
    reward: float
    query_mean: float


def logged_decisions(batch: pa.RecordBatch, space: PlanSpace) -> Iterator[LoggedDecision]:
    """The rows of one batch, one at a time, to save memory."""
    for row in batch.to_pylist():
        yield _logged_decision(row, space)


def logged_history(row: dict[str, Any]) -> History:
    """The strategy history as used for the choice."""
    return History(np.array(row["hit_rate"], dtype=np.float64), np.array(row["marginal_hit_rate"], dtype=np.float64))


def _logged_decision(row: dict[str, Any], space: PlanSpace) -> LoggedDecision:
    supported = np.full(len(space), row["floor"] > 0.0)
    if not supported[0]:
        supported[[space.index(entry["action"]) for entry in row["action_propensities"] if entry["p"] > 0.0]] = True
    look = blocks_of_rows(row["look"])
    return LoggedDecision(
        user_key=row["user_key"],
        key=row["query_key"],
        query_class=row["query_class"],
        plan=space.index(row["action_taken"]),
        propensity=row["logging_propensity"],
        supported=supported,
        shared=np.array(row["shared_features"], dtype=np.float64),
        look=look,
        facts=facts_of_rows(row["look"]),
        values=plan_values(space, look, logged_history(row)),
        reward=row["page_reward"],
        query_mean=row["query_mean"],
    )
