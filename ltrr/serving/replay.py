"""Replay: propensities of a logged decision, computed again from its bundle and its record.

They must equal the logged ones to 1e-6. Otherwise the log cannot be used for evaluation: the
service changed something after the draw, or logs another bundle than it serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltrr.artifacts.decision_record import block_of
from ltrr.artifacts.looks import facts_of
from ltrr.core.situation import Situation
from ltrr.errors import UsageError
from ltrr.serving.policy import Policy

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Replay:
    """Propensities of one replayed decision.

    Args:
        action_propensities: Propensity of every plan in the shortlist of the replay or of the log.
        floor: Propensity of each other plan.
        propensity: Propensity of the plan that was drawn according to the log.
        worst_difference: Largest |replayed - logged| of these; at most 1e-6 for a correct log.
    """

    action_propensities: Mapping[str, float]
    floor: float
    propensity: float
    worst_difference: float

    @property
    def is_exact(self) -> bool:
        """Whether log and replay agree to 1e-6."""
        return self.worst_difference <= TOLERANCE


def replay(policy: Policy, record: Mapping[str, Any]) -> Replay:
    """Compute the decision of a record again.

    Args:
        policy: Policy with the bundle that the record names.
        record: Decision record with a decision, or with a shadow decision.

    Raises:
        UsageError: the record is of another bundle or has no decision.
    """
    decided = [record["shadow"]] if record.get("shadow") else record["decisions"]
    if record["policy_version"] != policy.version or not decided:
        raise UsageError(
            "this bundle did not make this decision",
            which=record["impression_id"],
            expected=f"a decision of {policy.version}",
            got=f"{len(decided)} of {record['policy_version']}",
            todo="load the version that the record names",
        )
    decision = decided[0]
    looks, situation = [block_of(entry) for entry in record["looks"]], Situation.of_record(record)
    facts = facts_of(record["looks"])
    spread = policy.choose(record["query_text"], looks, facts=facts, situation=situation).distribution
    logged = {entry["action"]: entry["propensity"] for entry in decision["shortlist"]}
    replayed = dict.fromkeys([policy.space.text(index) for index in spread.shortlist.tolist()] + list(logged), 0.0)
    for action in replayed:
        replayed[action] = spread.p(policy.space.index(action))
    taken = spread.p(policy.space.index(decision["action_taken"]))
    differences = [abs(p - logged.get(action, decision["floor"])) for action, p in replayed.items()]
    differences += [abs(spread.floor - decision["floor"]), abs(taken - decision["propensity"])]
    return Replay(replayed, spread.floor, taken, max(differences))
