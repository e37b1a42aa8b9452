"""One record of a decision log of Vowpal Wabbit or Azure Personalizer, as a row of text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ltrr.logs.json_paths import check_unrepeated, find_value, to_text
from ltrr.logs.service_records import find_action, find_skip_reason, order_by_action, to_reward
from ltrr.ope.rows import SKIPPED

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
        row[reward] = _to_reward_text(record.get("_label_cost" if reward == "reward" else reward))
    row["logging_propensity"] = to_text(record.get("_label_probability"))
    row["action"] = to_text(find_action(record))
    row["action_propensities"] = _order_by_action(record, record.get("p"))
    if target in given:
        row[target] = _order_by_action(record, find_value(record, target))
    return row


def _to_reward_text(cost: Any) -> str | None:
    return to_text(to_reward(cost))


def _order_by_action(record: Mapping[str, Any], probabilities: Any) -> str | None:
    """An array in the order of `a` as JSON in the order of actions; any other value as text."""
    if not isinstance(probabilities, list) or not isinstance(record.get("a"), list):
        return to_text(probabilities)
    ordered = order_by_action(record, probabilities)
    return f"{json.dumps(probabilities)} for a = {json.dumps(record['a'])}" if ordered is None else json.dumps(ordered)


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
                "reward": _to_reward_text(outcome.get(cost)),
                "logging_propensity": to_text(_first(outcome.get("_p"))),
                "target": to_text(_find_slot_target(record, outcome, number, target)),
            }
        )
    has_own_rewards = all(slot["reward"] is not None for slot in slots)
    rewards = [slot["reward"] for slot in slots] if has_own_rewards else [_to_reward_text(record.get(cost))]
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
