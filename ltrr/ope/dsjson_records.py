"""One record of a decision log of Vowpal Wabbit or Azure Personalizer, as a row of text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ltrr.ope.json_lines import check_unrepeated, find_value, to_text
from ltrr.ope.rows import SKIPPED

OBSERVATION = "an observation that came after its decision"
NOT_ACTIVATED = "not activated"
NO_DECISION = "not a decision record"
CONTINUOUS = "a continuous action (_label_ca): not read"
NO_LABEL = "a decision without a label (_label_cost)"
NO_SLOT_LABEL = "a decision with a slot without a label (_label_cost)"

_COSTS = ("_label_cost", "_original_label_cost")
"""Keys of costs; the reward is the cost with the opposite sign."""


def read_decision(record: Mapping[str, Any], target: str, reward: str, given: Sequence[str]) -> dict[str, Any]:
    """Columns of a record, or the reason why it is skipped.

    Raises:
        RepeatedKeyError: An object that is read has a key twice.

    Args:
        record: The record.
        target: Name of the judged policy's probabilities, a path into the record or into a slot.
        reward: Name of the reward: `reward`, a path, or a key of costs.
        given: Paths of other values to read.

    >>> record = {"_label_cost": -1, "_label_probability": 0.5, "_labelIndex": 2}
    >>> row = read_decision(record | {"a": [3, 1, 2], "p": [0.5, 0.3, 0.2]}, "p", "reward", ["p"])
    >>> row["reward"], row["action"], row["p"], row["pdrop"]
    ('1', '2', '[0.3, 0.2, 0.5]', '0')
    """
    reason = find_skip_reason(record)
    if reason:
        return {SKIPPED: reason}
    row: dict[str, Any] = {name: to_text(find_value(record, name)) for name in given}
    row["event_id"] = to_text(record.get("EventId"))
    row["pdrop"] = to_text(0 if record.get("pdrop") is None else record["pdrop"])
    if "_outcomes" in record:
        return row | _read_slots(record, target, reward)
    if reward in ("reward", *_COSTS):
        row[reward] = _negate(record.get("_label_cost" if reward == "reward" else reward))
    row["logging_propensity"] = to_text(record.get("_label_probability"))
    row["action"] = to_text(find_action(record))
    row["action_propensities"] = _order_by_action(record, record.get("p"))
    if target in given:
        row[target] = _order_by_action(record, find_value(record, target))
    return row


def find_skip_reason(record: Mapping[str, Any]) -> str:
    """The reason why a record is no decision, or none whose reward is known; empty if it is one."""
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


def _negate(cost: Any) -> str | None:
    return to_text(-cost + 0 if isinstance(cost, (int, float)) and not isinstance(cost, bool) else cost)


def _order_by_action(record: Mapping[str, Any], probabilities: Any) -> str | None:
    """An array in the order of `a` as JSON in the order of actions; any other value as text."""
    actions = record.get("a")
    if not isinstance(probabilities, list) or not isinstance(actions, list):
        return to_text(probabilities)
    if len(actions) != len(probabilities):
        return f"{json.dumps(probabilities)} for a = {json.dumps(actions)}"
    try:
        return json.dumps([p for _, p in sorted(zip(actions, probabilities, strict=True), key=lambda pair: pair[0])])
    except TypeError:
        return f"{json.dumps(probabilities)} for a = {json.dumps(actions)}"


def _read_slots(record: Mapping[str, Any], target: str, reward: str) -> dict[str, Any]:
    """Columns of a decision with slots: each slot's own values, and those of all slots together.

    A slot's probabilities are those given the actions of the slots before it. So the products are
    the probabilities of all actions together, and no assumption about the slots is needed.
    """
    outcomes = record["_outcomes"]
    check_unrepeated(outcomes)
    cost = reward if reward in _COSTS else "_label_cost"
    slots = []
    for number, outcome in enumerate(outcomes):
        name = to_text(outcome.get("_id"))
        slots.append(
            {
                "slot": str(number + 1) if name is None else name,
                "position": str(number + 1),
                "reward": _negate(outcome.get(cost)),
                "logging_propensity": to_text(_first(outcome.get("_p"))),
                "target": to_text(_find_slot_target(record, outcome, number, target)),
            }
        )
    has_own_rewards = all(slot["reward"] is not None for slot in slots)
    rewards = [slot["reward"] for slot in slots] if has_own_rewards else [_negate(record.get(cost))]
    return {
        reward: _join(rewards, sum),
        "logging_propensity": _join([slot["logging_propensity"] for slot in slots], prod),
        target: _join([slot["target"] for slot in slots], prod),
        # A reward of the whole record cannot be divided between slots.
        "slots": slots if has_own_rewards else None,
    }


def _find_slot_target(record: Mapping[str, Any], outcome: Mapping[str, Any], number: int, target: str) -> Any:
    """The judged policy's probability of the action that a slot took, the first of `_a`."""
    for name in (target, f"_{target}"):
        if name in outcome:
            return _first(find_value(outcome, name))
    of_record = find_value(record, target)
    if isinstance(of_record, list) and len(of_record) == len(record["_outcomes"]):
        return _first(of_record[number])
    return None


def _first(values: Any) -> Any:
    return (values[0] if values else None) if isinstance(values, list) else values


def _join(texts: Sequence[str | None], join: Any) -> str | None:
    """Sum or product of numbers as text; the first text that is no number, if there is one."""
    numbers = []
    for text in texts:
        try:
            numbers.append(float(text))  # type: ignore[arg-type]  # None is no number
        except (TypeError, ValueError):
            return text
    return repr(join(numbers))
