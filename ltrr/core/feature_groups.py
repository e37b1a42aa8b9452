"""Groups of shared features: features of a query, its looks, its history and its situation.

A policy names the groups that it uses (`PolicySettings.features`). A group declares what its
features are, where they come from and when they are known, and computes them. Nothing is learned or
looked up here: the same code runs online, in batch and in a replay, from the bundle and the
decision record alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ltrr.core.planning import Block, History
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import QUERY_CLASSES, SCRIPTS, names_year, query_class, query_script
from ltrr.core.situation import DEVICES, SURFACES, UNKNOWN_SITUATION, WEEKDAYS, Situation, context_values, time_values
from ltrr.errors import ConfigError

DEFAULT_GROUPS = ("query", "looks")
"""Groups of a policy that names none; a `blind` policy has no looks."""

_FREQUENCIES = (1.0, 50.0, 200.0, 1000.0)
"""Decayed draws at which each frequency bucket begins. A query with fewer draws than the setting
`history.least_query_draws`, or outside the published head, counts as 0 draws and is in no bucket.
"""

MEMORY = "memory"
"""Name of the strategy whose answers come from clicks: the served policy recalls them."""


@dataclass(frozen=True)
class PlanInputs:
    """What is known of a query when a plan is chosen.

    Args:
        space: The plans.
        key: The query_key.
        looks: Visible blocks.
        history: History that the query is planned with; None for the prior.
        draws: Decayed draws behind the query's own history, 0 if it has none.
        situation: Time, surface and context.
    """

    space: PlanSpace
    key: str
    looks: Sequence[Block] = ()
    history: History | None = None
    draws: float = 0.0
    situation: Situation = UNKNOWN_SITUATION

    def first(self) -> dict[str, Block]:
        """Visible first blocks, by strategy."""
        return {block.strategy: block for block in self.looks if block.depth == 1}


@dataclass(frozen=True)
class FeatureGroup:
    """One group of features.

    Args:
        source: Where the values come from.
        known_at: When all its features are known; see `core.features.Feature`.
        declared: (name, unit) of its features, in the order of the values.
        values: Value of each declared feature.
    """

    source: str
    known_at: str
    declared: Callable[[PlanSpace], Sequence[tuple[str, str]]]
    values: Callable[[PlanInputs], list[float]]


def group_of(name: str) -> FeatureGroup:
    """The group of this name.

    Raises:
        ConfigError: no group has this name.
    """
    if name not in GROUPS:
        raise ConfigError(
            "unknown value of a setting", which="features", expected="some of " + ", ".join(GROUPS), got=repr(name)
        )
    return GROUPS[name]


def _query_declared(_: PlanSpace) -> list[tuple[str, str]]:
    return [*((f"class:{name}", "0 or 1") for name in QUERY_CLASSES), ("query_words", "words / 8, at most 1")]


def _query_values(inputs: PlanInputs) -> list[float]:
    kind = query_class(inputs.key)
    return [*(float(kind == name) for name in QUERY_CLASSES), min(len(inputs.key.split()) / 8.0, 1.0)]


def _looks_declared(space: PlanSpace) -> list[tuple[str, str]]:
    return [
        feature
        for name in space.strategies
        for feature in (
            (f"first_count:{name}", "share of a full first block"),
            (f"agreement:{name}", "share of a full block that others' list first too"),
        )
    ]


def _looks_values(inputs: PlanInputs) -> list[float]:
    first, block_size = inputs.first(), inputs.space.block_size
    listings: dict[str, int] = {}
    for block in first.values():
        for entity_id in block.entity_ids:
            listings[entity_id] = listings.get(entity_id, 0) + 1
    values: list[float] = []
    for name in inputs.space.strategies:
        entity_ids = first[name].entity_ids if name in first else ()
        agreed = sum(listings[entity_id] > 1 for entity_id in entity_ids)
        values += (len(entity_ids) / block_size, agreed / block_size)
    return values


def _text_declared(_: PlanSpace) -> list[tuple[str, str]]:
    counts = [
        ("characters", "characters / 40, at most 1"),
        ("digits", "share of the characters"),
        ("names_year", "0 or 1"),
    ]
    return [*((f"script:{name}", "0 or 1") for name in SCRIPTS), *counts]


def _text_values(inputs: PlanInputs) -> list[float]:
    key = inputs.key
    script = query_script(key)
    digits = sum(character.isdigit() for character in key) / max(len(key), 1)
    counts = [min(len(key) / 40.0, 1.0), digits, float(names_year(key))]
    return [*(float(script == name) for name in SCRIPTS), *counts]


def _kind_declared(_: PlanSpace) -> list[tuple[str, str]]:
    return [
        ("same_first", "largest share of the answering strategies whose first entity is one and the same"),
        ("came_empty", "share of the looked at strategies that found nothing"),
    ]


def _kind_values(inputs: PlanInputs) -> list[float]:
    """Agreement on the first entity, and share of empty answers.

    Agreement is a sign of a navigational query. Empty answers are a sign of a misspelt query, or of
    one about something new. Looks contain neither titles nor kinds of entities, so no feature says
    whether a query names a person.
    """
    first = inputs.first().values()
    if not first:
        return [0.0, 0.0]
    named = [block.entity_ids[0] for block in first if block.entity_ids]
    most = max((named.count(entity_id) for entity_id in named), default=0)
    return [most / len(named) if named else 0.0, 1.0 - len(named) / len(first)]


def _memory_declared(space: PlanSpace) -> list[tuple[str, str]]:
    if MEMORY not in space.strategies:
        raise ConfigError(
            "features of a strategy that the policy does not have",
            which="features: memory",
            expected=f"{MEMORY} among the strategies",
            got=", ".join(space.strategies),
            todo="leave the group out",
        )
    return [
        ("memory_entities", "entities that the memory recalls in visible blocks / (block size x budget)"),
        ("memory_best_score", "score of the best of them, clicks an examination, at most 1"),
    ]


def _memory_values(inputs: PlanInputs) -> list[float]:
    recalled = [block for block in inputs.looks if block.strategy == MEMORY]
    entities = sum(len(block.entity_ids) for block in recalled)
    # A missing score is NaN and is left out.
    scores = [score for block in recalled for score in block.scores if score == score]
    best = min(max(scores, default=0.0), 1.0)
    return [min(entities / (inputs.space.block_size * inputs.space.budget), 1.0), max(best, 0.0)]


def _frequency_declared(_: PlanSpace) -> list[tuple[str, str]]:
    bounds = [str(int(bound)) for bound in _FREQUENCIES]
    return [(f"draws_from:{bound}", "0 or 1: decayed draws of the query lie from here to the next") for bound in bounds]


def _frequency_values(inputs: PlanInputs) -> list[float]:
    reached = sum(inputs.draws >= bound for bound in _FREQUENCIES)
    return [float(reached == bucket) for bucket in range(1, len(_FREQUENCIES) + 1)]


def _history_declared(space: PlanSpace) -> list[tuple[str, str]]:
    return [
        feature
        for name in space.strategies
        for feature in (
            (f"history_first:{name}", "hit rate of its first block, found reward a draw, at most 1"),
            (f"history_deeper:{name}", "marginal hit rates of its deeper blocks together, at most 1"),
        )
    ]


def _history_values(inputs: PlanInputs) -> list[float]:
    history = inputs.history or History.prior(inputs.space)
    first = history.hit_rate[:, 0].tolist()
    deeper = history.marginal_hit_rate[:, 1:].sum(axis=1).tolist()
    return [min(rate, 1.0) for pair in zip(first, deeper, strict=True) for rate in pair]


def _context_declared(_: PlanSpace) -> list[tuple[str, str]]:
    names = [f"device:{name}" for name in (*DEVICES, "other")] + [f"surface:{name}" for name in (*SURFACES, "other")]
    return [(name, "0 or 1") for name in names]


def _time_declared(_: PlanSpace) -> list[tuple[str, str]]:
    hour = [("hour_sin", "sine of the local time, a day being the circle"), ("hour_cos", "its cosine")]
    days = [(f"weekday:{name}", "0 or 1") for name in WEEKDAYS]
    return [*hour, *days, ("weekend", "0 or 1: Saturday or Sunday"), ("holiday", "0 or 1: as the service says")]


GROUPS = {
    "query": FeatureGroup("query_key", "context", _query_declared, _query_values),
    "looks": FeatureGroup("looks", "first_look", _looks_declared, _looks_values),
    "text": FeatureGroup("query_key", "context", _text_declared, _text_values),
    "kind": FeatureGroup("looks", "first_look", _kind_declared, _kind_values),
    "memory": FeatureGroup("looks", "first_look", _memory_declared, _memory_values),
    "frequency": FeatureGroup("strategy_history", "history", _frequency_declared, _frequency_values),
    "history": FeatureGroup("strategy_history", "history", _history_declared, _history_values),
    "context": FeatureGroup("situation", "context", _context_declared, lambda inputs: context_values(inputs.situation)),
    "time": FeatureGroup("situation", "context", _time_declared, lambda inputs: time_values(inputs.situation)),
}
"""Every group of shared features by its name."""

SITUATION_GROUPS = frozenset(name for name, group in GROUPS.items() if group.source == "situation")
"""Groups whose values may differ between two searches of one query with the same looks."""
