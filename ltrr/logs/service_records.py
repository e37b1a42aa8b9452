"""Rules of decision logs of Vowpal Wabbit and Azure Personalizer (dsjson), for all their readers.

A record is one line as an object. `ltrr ope` reads any such log, the nights those whose actions
are plans: both by these rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltrr.logs.json_paths import check_unrepeated

OBSERVATION = "an observation that came after its decision"
NOT_ACTIVATED = "not activated"
NO_DECISION = "not a decision record"
CONTINUOUS = "a continuous action (_label_ca): not read"
NO_LABEL = "a decision without a label (_label_cost)"
NO_SLOT_LABEL = "a decision with a slot without a label (_label_cost)"

OBSERVATION_KIND = "service-observation"
"""`kind` of the event of an observation that came after its decision. A kind of the settings that
a line can name has no hyphen."""


def find_skip_reason(record: Mapping[str, Any]) -> str:
    """The reason why a record is no decision, or none whose reward is known; empty if it is one.

    Raises:
        RepeatedKeyError: An object that is read has a key twice.

    >>> find_skip_reason({"RewardValue": 1.0, "EventId": "e1"})
    'an observation that came after its decision'
    >>> find_skip_reason({"_label_cost": 0, "_label_probability": 0.5, "DeferredAction": True})
    'not activated'
    """
    if "_outcomes" in record:
        outcomes = record["_outcomes"]
        if record.get("_skipLearn") is True:
            return NOT_ACTIVATED
        if not isinstance(outcomes, list) or not all(isinstance(one, dict) for one in outcomes) or not outcomes:
            return NO_DECISION
        has_labels = "_label_cost" in record or all("_label_cost" in one for one in outcomes)
        return "" if has_labels else NO_SLOT_LABEL
    if record.get("_label_probability") is None and find_action(record) is None:
        if "_label_ca" in record:
            return CONTINUOUS
        if "RewardValue" in record or "Observations" in record:
            return OBSERVATION
        return NO_LABEL if {"a", "c", "p"} <= record.keys() else NO_DECISION
    return NOT_ACTIVATED if _is_inactive(record) else ""


def _is_inactive(record: Mapping[str, Any]) -> bool:
    """Whether the action was never shown, so that no reward could follow.

    `_skipLearn` says it. Without it, a deferred action (`DeferredAction`) counts from the moment at
    which an observation says that it was taken.
    """
    if "_skipLearn" in record:
        return record["_skipLearn"] is True
    if record.get("DeferredAction") is not True:
        return False
    observations = record.get("o")
    check_unrepeated(observations)
    seen = observations if isinstance(observations, list) else []
    return not any(isinstance(one, dict) and one.get("ActionTaken") is True for one in seen)


def find_action(record: Mapping[str, Any]) -> Any:
    """Position of the action taken, from 0; `_label_Action` counts from 1."""
    if record.get("_labelIndex") is not None:
        return record["_labelIndex"]
    number = record.get("_label_Action")
    return number - 1 if isinstance(number, int) else number


def order_by_action(record: Mapping[str, Any], probabilities: list[Any]) -> list[Any] | None:
    """Probabilities in the order of `a`, put into the order of actions; None if they do not fit.

    Without `a` they are in the order of actions already.

    >>> order_by_action({"a": [3, 1, 2]}, [0.5, 0.3, 0.2])
    [0.3, 0.2, 0.5]
    """
    actions = record.get("a")
    if not isinstance(actions, list):
        return probabilities
    if len(actions) != len(probabilities):
        return None
    try:
        return [p for _, p in sorted(zip(actions, probabilities, strict=True), key=lambda pair: pair[0])]
    except TypeError:
        return None


def to_reward(cost: Any) -> Any:
    """The reward of a cost: the number with the opposite sign; any other value as it is.

    >>> to_reward(-1), to_reward(0.0), to_reward("1")
    (1, 0.0, '1')
    """
    return -cost + 0 if isinstance(cost, (int, float)) and not isinstance(cost, bool) else cost
