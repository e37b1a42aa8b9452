"""Rows of judged impressions as Python objects, on an executor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ltrr.core.interchangeable import plan_groups, reachable_depths
from ltrr.core.planning import Block, History, plan_values
from ltrr.core.plans import PlanSpace

COLUMNS = (
    "user_key",
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
)
"""What a judge reads of an impression; nothing that was not known then, but the reward."""


@dataclass(frozen=True, eq=False)
class LoggedDecision:
    """One logged choice and what it earned.

    Args:
        user_key: the cluster.
        query_class: the slice.
        plan: index of the plan taken.
        propensity: of the plan taken, under the policy that logged it.
        logging: P(plan) under the policy that logged it, [P].
        groups: of interchangeable plans, a number for each plan, [P].
        shared: logged shared features, [F].
        values: planner values from the logged looks and history, [P].
        reward: page_reward.
    """

    user_key: str
    query_class: str
    plan: int
    propensity: float
    logging: NDArray[np.float64]
    groups: NDArray[np.int64]
    shared: NDArray[np.float64]
    values: NDArray[np.float64]
    reward: float


def logged_decisions(batch: pa.RecordBatch, space: PlanSpace) -> Iterator[LoggedDecision]:
    """The rows of one batch, one at a time: a batch never becomes a list of objects."""
    for row in batch.to_pylist():
        yield _logged_decision(row, space)


def logged_looks(row: dict[str, Any]) -> list[Block]:
    """The blocks seen before choosing; a score that was not given is not a number."""
    return [
        Block(
            block["strategy"],
            block["depth"],
            block["status"],
            tuple(block["entity_ids"]),
            tuple(float("nan") if score is None else score for score in block["scores"]),
        )
        for block in row["look"]
    ]


def logged_history(row: dict[str, Any]) -> History:
    """The strategy history as it was used."""
    return History(np.array(row["hit_rate"], dtype=np.float64), np.array(row["marginal_hit_rate"], dtype=np.float64))


def _logged_decision(row: dict[str, Any], space: PlanSpace) -> LoggedDecision:
    looks = logged_looks(row)
    logging = np.full(len(space), row["floor"])
    listed = row["action_propensities"]
    logging[[space.index(entry["action"]) for entry in listed]] = [entry["p"] for entry in listed]
    return LoggedDecision(
        user_key=row["user_key"],
        query_class=row["query_class"],
        plan=space.index(row["action_taken"]),
        propensity=row["logging_propensity"],
        logging=logging,
        groups=plan_groups(space, reachable_depths(space, looks)),
        shared=np.array(row["shared_features"], dtype=np.float64),
        values=plan_values(space, looks, logged_history(row)),
        reward=row["page_reward"],
    )
