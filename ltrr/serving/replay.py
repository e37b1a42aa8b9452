"""Replay: the propensities that a bundle gives for a logged decision, from nothing but the bundle and the record.

Equal to the logged ones to 1e-6, or the log cannot be judged with: the service changed something
after the draw, or logs another bundle than it serves.
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
    """One decision, replayed.

    Args:
        action_propensities: of every plan that the replay or the log shortlists.
        floor: of each other plan.
        propensity: of the plan that the log says was taken.
        worst_difference: largest |replayed - logged| over the above; at most 1e-6 for a true log.
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
    """Compute the record's one decision again.

    Args:
        policy: the bundle that the record names.
        record: a decision record with `served_by: policy`.

    Raises:
        UsageError: the record is of another bundle or has no decision.
    """
    if record["policy_version"] != policy.version or not record["decisions"]:
        raise UsageError(
            "this bundle did not make this decision",
            which=record["impression_id"],
            expected=f"a decision of {policy.version}",
            got=f"{len(record['decisions'])} of {record['policy_version']}",
            todo="load the version that the record names",
        )
    decision = record["decisions"][0]
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
