"""The choice of a decision service -> its rows of `impressions` and `decisions`, as plain Python.

The line has no page and no blocks. Its features are those that a policy without looks knows before
the choice, with the strategy history before any log (`History.prior`): the service used none of
ltrr's. Facts that the line lacks (the user's clock, the device) have the features of missing
values.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.service_version import SERVICE, service_version
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.planning import History, plan_values
from ltrr.core.plans import PlanSpace, parse_plan
from ltrr.core.situation import Situation
from ltrr.logs.record_rows import Pseudonyms, Rows
from ltrr.logs.search_rows import search_row

BLIND = "blind"

# Most nights have one policy.
_version = lru_cache(maxsize=8)(service_version)


class BlindPlans(NamedTuple):
    """Facts about the plans of a space that are the same for every choice without looks.

    Attributes:
        history: The strategy history before any log.
        features: Plan -> its action features.
    """

    history: History
    features: Mapping[str, list[float]]


@lru_cache(maxsize=8)
def blind_plans(space: PlanSpace) -> BlindPlans:
    """Facts about the plans of a space."""
    history = History.prior(space)
    matrix = action_matrix(space, plan_values(space, (), history))
    return BlindPlans(history, dict(zip(space.texts, matrix.tolist(), strict=True)))


@lru_cache(maxsize=65_536)
def _shared(space: PlanSpace, groups: tuple[str, ...], key: str, surface: str) -> list[float]:
    history, situation = blind_plans(space).history, Situation(surface=surface)
    vector: list[float] = shared_vector(
        space, (), key, BLIND, groups, history=history, draws=0.0, situation=situation
    ).tolist()
    return vector


def service_impression_row(
    choice: Mapping[str, Any],
    at: datetime,
    arrival_date: date,
    pseudonyms: Pseudonyms,
    key_version: int,
    policy: PolicySettings | None,
) -> dict[str, Any]:
    """Row of `impressions` of a search whose plan a decision service chose.

    Args:
        choice: Content of a `Record` of kind `choice`.
        at: Time of the search in UTC.
        arrival_date: Date on which the line arrived.
        pseudonyms: Pseudonyms of users, which have the secret.
        key_version: Version of the query key of the home.
        policy: Policy of the home; None where lines are only inspected.
    """
    searched = {**choice, "first_position": 1, "entity_ids": []}
    return {
        **search_row(searched, at, arrival_date, pseudonyms, key_version),
        "served_by": SERVICE,
        "policy_version": None if policy is None else _version(policy),
        # It has neither a page nor events that could show one.
        "pages": None,
    }


def service_decision_rows(choice: Mapping[str, Any], key: str, policy: PolicySettings | None) -> Rows:
    """The row of `decisions`, without the columns of the impression.

    Plans of the space that the decision does not list could not be taken: `floor` is 0.

    Args:
        choice: Content of a `Record` of kind `choice`.
        key: Key of its query.
        policy: Policy of the home. With None, where lines are only inspected, features are empty.
    """
    plans, taken = choice["plans"], choice["taken"]
    space = None if policy is None else policy.space
    known = None if space is None else blind_plans(space)
    strategies = [part.partition(":")[0] for part in taken.split(",")]
    depths = dict(zip(strategies, parse_plan(strategies, taken), strict=True))
    return [
        {
            "step": 1,
            "decide": "plan",
            "observe": BLIND,
            "action_taken": taken,
            "logging_propensity": choice["propensity"],
            "action_propensities": [
                {"action": plan, "p": p} for plan, p in zip(plans, choice["propensities"], strict=True)
            ],
            "floor": 0.0,
            "n_actions": len(plans) if space is None else len(space),
            "shared_features": []
            if policy is None or space is None
            else _shared(space, policy.features, key, choice["surface"]),
            "action_features": [
                {"action": plan, "features": [] if known is None else known.features[plan]} for plan in plans
            ],
            "hit_rate": [] if known is None else known.history.hit_rate.tolist(),
            "marginal_hit_rate": [] if known is None else known.history.marginal_hit_rate.tolist(),
            "is_shadow": False,
            "look": [],
            "deeper": [],
            "drawn": sorted(depths.items()),
            "logged_reward": choice["reward"],
            "pdrop": choice["pdrop"],
        }
    ]
