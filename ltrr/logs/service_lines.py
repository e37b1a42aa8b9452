"""Lines of a decision service (dsjson) whose actions are plans: choices with their propensities.

The service writes one line per search: the plans that it could take, the probability of each, the
plan taken, and the cost. The setting `logs.service_paths` names the keys of the plan, the query
text and the user. `ltrr.logs.service_records` has the rules that `ltrr ope` shares. A line whose
actions are no plans is refused: `ltrr ope` reads it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

from ltrr.artifacts.contradictions import TOLERANCE
from ltrr.artifacts.manifest import PolicySettings
from ltrr.core.situation import DEFAULT_SURFACE
from ltrr.logs.clocks import Clock, parse_time, to_contract_time
from ltrr.logs.json_paths import find_value
from ltrr.logs.line_format import Content, LineContext, LineFaultError, LineFormat, Record
from ltrr.logs.service_records import (
    NO_LABEL,
    NO_SLOT_LABEL,
    NOT_ACTIVATED,
    OBSERVATION,
    OBSERVATION_KIND,
    find_action,
    find_skip_reason,
    order_by_action,
    to_reward,
)

LARGEST_REWARD = 1_000.0
"""Largest reward of a choice, either sign: weights times rewards are added up in whole numbers."""

_PLAN = re.compile(r"[a-z][a-z0-9_]*:[1-9]\d{0,2}(,[a-z][a-z0-9_]*:[1-9]\d{0,2})*", re.ASCII)
_SEE_OPE = "`ltrr ope --format dsjson` judges such logs"


def to_service_record(content: Content, context: LineContext) -> Record:
    """The choice of a decision, or the observation that came after its decision.

    Raises:
        LineFaultError: The line has no choice of a plan that the nights can use.
    """
    reason = find_skip_reason(content)
    if reason == OBSERVATION:
        return _to_observation(content)
    if reason == NOT_ACTIVATED:
        raise LineFaultError("not_activated", "_skipLearn, DeferredAction: the plan was never shown")
    if reason in (NO_LABEL, NO_SLOT_LABEL):
        raise LineFaultError("missing_key", "_label_cost: expected the cost of the decision, got nothing")
    if reason:
        raise _refused(reason)
    if "_outcomes" in content:
        raise _refused("a decision with slots (_outcomes), where a search has one plan")
    plans = _list_plans(content, context)
    propensities = _list_propensities(content, len(plans))
    taken = _find_taken(content, propensities)
    clock = _time_of(content, "Timestamp")
    choice = {
        "impression_id": _text(content, "EventId", "EventId"),
        "at": to_contract_time(clock.at),
        "query_text": _text(content, context.service_paths["query_text"], "query_text", may_be_empty=True),
        "user": _optional_text(content, context.service_paths["user"], "user"),
        "session": _optional_text(content, context.service_paths["session"], "session"),
        "surface": _optional_text(content, context.service_paths["surface"], "surface") or DEFAULT_SURFACE,
        "plans": plans,
        "propensities": propensities,
        "taken": plans[taken],
        "propensity": float(content["_label_probability"]),
        "reward": _find_reward(content),
        "pdrop": _find_pdrop(content),
    }
    return Record("choice", choice, clock.form)


def _refused(why: str) -> LineFaultError:
    return LineFaultError("foreign_format", f"looks like dsjson: {why}; {_SEE_OPE}")


def _to_observation(content: Content) -> Record:
    clock = _time_of(content, "EnqueuedTimeUtc" if "EnqueuedTimeUtc" in content else "Timestamp")
    # An observation has no id. Two equal lines are one observation that was written twice.
    whole = json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")
    event = {
        "event_id": f"service-{hashlib.sha256(whole).hexdigest()[:32]}",
        "impression_id": _text(content, "EventId", "EventId"),
        "entity_id": "",
        "kind": OBSERVATION_KIND,
        "at": to_contract_time(clock.at),
        "value": _number(content["RewardValue"], "RewardValue") if content.get("RewardValue") is not None else None,
    }
    return Record("observation", event, clock.form)


def _list_plans(content: Content, context: LineContext) -> list[str]:
    """The plans of the decision in the order of its actions, each in its canonical text."""
    actions, path = find_value(content, "c._multi"), context.service_paths["plan"]
    if not isinstance(actions, list) or not actions:
        raise _refused("no list of actions (c._multi)")
    found = [find_value(action, path) if isinstance(action, dict) else None for action in actions]
    texts = [text for text in found if isinstance(text, str) and _PLAN.fullmatch(text)]
    if len(texts) < len(found):
        expected = f"a plan such as title:2,memory:1 at {path} of each action (logs.service_paths)"
        raise _refused(f"expected {expected}, got another value in {len(found) - len(texts)} of {len(found)} actions")
    plans = texts if context.policy is None else _to_plans_of(context.policy, texts)
    if len(set(plans)) < len(plans):
        raise LineFaultError("contradiction", "c._multi: expected each plan once, got one twice")
    return plans


def _to_plans_of(policy: PolicySettings, texts: Sequence[str]) -> list[str]:
    """Canonical texts of the plans of a policy."""
    if policy.observe != "blind":
        raise _refused(
            f"the policy of this home sees blocks before it chooses (observe: {policy.observe}), and such a line has "
            "none; take the log into a home with observe: blind"
        )
    space = policy.space
    named = {part.partition(":")[0] for text in texts for part in text.split(",")}
    unknown = named.difference(space.strategies)
    if unknown:
        raise LineFaultError(
            "unknown_strategy", f"strategies: expected {', '.join(sorted(space.strategies))}, got {len(unknown)} others"
        )
    for text in texts:
        parts = [part.partition(":") for part in text.split(",")]
        depth = sum(int(digits) for _, _, digits in parts)
        if depth != space.budget or len({name for name, _, _ in parts}) < len(parts):
            raise LineFaultError(
                "wrong_value", f"plan: expected depths of different strategies that add up to {space.budget}"
            )
    return [space.text(space.index(text)) for text in texts]


def _list_propensities(content: Content, actions: int) -> list[float]:
    """Probability of each plan, in the order of the actions."""
    logged = content.get("p")
    if logged is None:
        raise LineFaultError("missing_key", "p: expected the probability of every plan of the decision, got nothing")
    ordered = order_by_action(content, logged) if isinstance(logged, list) else None
    numbers = content.get("a")
    if isinstance(numbers, list) and (ordered is None or sorted(numbers) not in _numberings(actions)):
        raise LineFaultError("contradiction", f"a: expected the numbers of the {actions} actions, got others")
    if ordered is None or len(ordered) != actions:
        raise LineFaultError("contradiction", f"p: expected {actions} probabilities, as c._multi has actions")
    found = [_number(p, "p") for p in ordered]
    if any(not 0.0 <= p <= 1.0 for p in found):
        raise LineFaultError("bad_propensity", "p: expected numbers from 0 to 1, got others")
    if abs(sum(found) - 1.0) > TOLERANCE:
        raise LineFaultError("propensity_sum", f"p: expected a sum of 1, got {sum(found):.9g}")
    return found


def _numberings(actions: int) -> tuple[list[int], list[int]]:
    return list(range(1, actions + 1)), list(range(actions))


def _find_taken(content: Content, propensities: Sequence[float]) -> int:
    """Position of the plan taken, whose probability must be the logged one."""
    taken = find_action(content)
    if taken is None:
        raise LineFaultError("missing_key", "_labelIndex: expected the position of the plan taken, got nothing")
    if isinstance(taken, bool) or not isinstance(taken, int) or not 0 <= taken < len(propensities):
        raise LineFaultError("wrong_value", f"_labelIndex: expected a position below {len(propensities)}, from 0")
    if content.get("_label_probability") is None:
        raise LineFaultError("missing_key", "_label_probability: expected that of the plan taken, got nothing")
    logged = _number(content["_label_probability"], "_label_probability")
    if not 0.0 < logged <= 1.0:
        raise LineFaultError("bad_propensity", "_label_probability: expected a number above 0 and up to 1, got another")
    if abs(logged - propensities[taken]) > TOLERANCE:
        raise LineFaultError(
            "bad_propensity", f"_label_probability: expected {propensities[taken]:.9g} as in p, got {logged:.9g}"
        )
    return taken


def _find_reward(content: Content) -> float:
    if content.get("_label_cost") is None:
        raise LineFaultError("missing_key", "_label_cost: expected the cost of the decision, got nothing")
    reward = _number(to_reward(content["_label_cost"]), "_label_cost")
    if abs(reward) > LARGEST_REWARD:
        raise LineFaultError("out_of_range", f"_label_cost: expected at most {LARGEST_REWARD:,.0f} either way")
    return reward


def _find_pdrop(content: Content) -> float:
    pdrop = 0.0 if content.get("pdrop") is None else _number(content["pdrop"], "pdrop")
    if not 0.0 <= pdrop < 1.0:
        raise LineFaultError("wrong_value", "pdrop: expected a number from 0 and below 1, got another")
    return pdrop


def _time_of(content: Content, key: str) -> Clock:
    if key not in content:
        raise LineFaultError("missing_key", f"{key}: expected a time, got nothing")
    clock = parse_time(content[key])
    if clock is None:
        raise LineFaultError("bad_timestamp", f"{key}: expected ISO 8601 or a number since 1970, got another value")
    return clock


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise LineFaultError("wrong_value", f"{where}: expected a number, got another value")
    return float(value)


def _text(content: Content, path: str, name: str, *, may_be_empty: bool = False) -> str:
    value = find_value(content, path)
    if value is None or (value == "" and not may_be_empty):
        at = "" if path == name else f" at {path} (logs.service_paths)"
        raise LineFaultError("missing_key", f"{name}: expected text{at}, got nothing")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | float | list | dict):
        raise LineFaultError("wrong_value", f"{name}: expected text, got a {type(value).__name__}")
    return str(value)


def _optional_text(content: Content, path: str, name: str) -> str:
    return "" if find_value(content, path) is None else _text(content, path, name, may_be_empty=True)


SERVICE_LINES = LineFormat(
    "dsjson",
    tuple(
        frozenset({key})
        for key in ("_label_cost", "_label_probability", "_labelIndex", "_label_Action", "_outcomes", "EventId")
    ),
    to_service_record,
    shown_keys=frozenset(
        {
            *("Version", "EventId", "Timestamp", "EnqueuedTimeUtc", "RewardValue", "Observations", "pdrop"),
            *("_label_cost", "_label_probability", "_label_Action", "_labelIndex", "_outcomes", "_multi", "_skipLearn"),
        }
    ),
)
