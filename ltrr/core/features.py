"""Features of a decision and of its plans, declared as data and computed alike online and in batch.

A declaration states when the feature is known (`known_at`), so a policy that chooses early cannot
be trained on what it would see later. Values are rounded to six decimals *before* they are used, so
the log contains exactly the values that were used, in few digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.core.feature_groups import DEFAULT_GROUPS, PlanInputs, group_of
from ltrr.core.planning import Block, History
from ltrr.core.plans import PlanSpace
from ltrr.core.situation import UNKNOWN_SITUATION, Situation
from ltrr.errors import ConfigError

PLACES = 6

KNOWN_BEFORE_CHOOSING = {
    "blind": ("context", "history"),
    "first_look": ("context", "history", "first_look"),
    "all_blocks": ("context", "history", "first_look", "all_blocks"),
}
"""`observe` of a policy -> `known_at` of the features that it may use when it chooses a plan.
`drawn` is in no list: such features are known only when the page is ranked."""


@dataclass(frozen=True)
class Feature:
    """One feature.

    Args:
        name: Unique within its list.
        namespace: Part of an example of the bandit: `q` the query and looks, `v` the plan. `r` for
            columns of the ranker, `c` of candidates, `l` of looks.
        unit: Unit of the value.
        source: Where the value comes from.
        known_at: When it is known: context | history | first_look | drawn | all_blocks.
    """

    name: str
    namespace: str
    unit: str
    source: str
    known_at: str


def check_known(features: Iterable[Feature], observe: str) -> None:
    """Check that a policy with this `observe` knows all features when it chooses.

    Raises:
        ConfigError: `observe` is unknown, or features are known too late; it names all of them.

    >>> check_known([Feature("first_count:title", "q", "share", "looks", "first_look")], "blind")
    Traceback (most recent call last):
        ...
    ltrr.errors.ConfigError: features used before they are known: first_count:title: expected \
known_at one of context, history, got first_look; leave them out or set observe to what shows them
    """
    if observe not in KNOWN_BEFORE_CHOOSING:
        raise ConfigError(
            "unknown value of a setting",
            which="observe",
            expected="one of " + ", ".join(KNOWN_BEFORE_CHOOSING),
            got=repr(observe),
        )
    allowed = KNOWN_BEFORE_CHOOSING[observe]
    late = [feature for feature in features if feature.known_at not in allowed]
    if late:
        raise ConfigError(
            "features used before they are known",
            which=", ".join(feature.name for feature in late),
            expected="known_at one of " + ", ".join(allowed),
            got=", ".join(sorted({feature.known_at for feature in late})),
            todo="leave them out or set observe to what shows them",
        )


@lru_cache(maxsize=64)
def shared_features(
    space: PlanSpace, observe: str = "first_look", groups: tuple[str, ...] = DEFAULT_GROUPS
) -> tuple[Feature, ...]:
    """Declarations of the features of a decision that are the same for all its plans.

    Args:
        space: The plans.
        observe: What the policy sees before choosing.
        groups: Names in `core.feature_groups.GROUPS`, in the order of the features.

    Raises:
        ConfigError: a group is unknown, repeated, or known too late for `observe`.

    >>> space = PlanSpace(("title", "memory"), 2, 4)
    >>> [feature.name for feature in shared_features(space) if ":" not in feature.name]
    ['query_words']
    >>> len(shared_features(space)), len(shared_features(space, "blind"))
    (10, 6)
    >>> len(shared_features(space, groups=("time",)))
    11
    """
    chosen = _groups(observe, groups)
    if len(set(chosen)) < len(chosen):
        raise ConfigError(
            "unknown value of a setting", which="features", expected="each group once", got=", ".join(groups)
        )
    features = [
        Feature(name, "q", unit, group.source, group.known_at)
        for group in map(group_of, chosen)
        for name, unit in group.declared(space)
    ]
    check_known(features, observe)
    return tuple(features)


def shared_vector(
    space: PlanSpace,
    looks: Sequence[Block],
    key: str,
    observe: str = "first_look",
    groups: tuple[str, ...] = DEFAULT_GROUPS,
    *,
    history: History | None = None,
    draws: float = 0.0,
    situation: Situation = UNKNOWN_SITUATION,
) -> Floats:
    """Values of `shared_features`, [F].

    Args:
        space: The plans.
        looks: Visible blocks.
        key: The query_key.
        observe: What the policy sees before choosing.
        groups: Groups that the policy uses.
        history: History that the query is planned with.
        draws: Decayed draws behind the query's own history.
        situation: Time, surface and context.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> title = Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0))
    >>> looks = [title, Block("memory", 1, "ok", ("e2",), (0.4,))]
    >>> shared_vector(space, looks, "the matrix").tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 0.25, 1.0, 0.5, 0.5, 0.5]
    >>> shared_vector(space, looks, "the matrix", groups=("memory", "kind")).tolist()
    [0.25, 0.4, 0.5, 0.0]
    """
    inputs = PlanInputs(space, key, looks, history, draws, situation)
    vector = [value for group in map(group_of, _groups(observe, groups)) for value in group.values(inputs)]
    return np.round(np.array(vector), PLACES)


def _groups(observe: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups in use; the default groups of a blind policy are only those without looks."""
    return ("query",) if observe == "blind" and groups == DEFAULT_GROUPS else groups


@cache
def action_features() -> tuple[Feature, ...]:
    """Declarations of the features of one plan of a decision.

    `core.vw_text` adds indicators of the blocks that the plan draws. The features follow from the
    planner's values, which exist whatever is visible, so `known_at` is `history`.

    >>> [feature.name for feature in action_features()]
    ['value', 'value_gap', 'log_rank', 'strategies']
    """
    declared = (
        ("value", "found reward", "planner"),
        ("value_gap", "found reward below the best plan, <= 0", "planner"),
        ("log_rank", "ln(1 + number of plans of higher value)", "planner"),
        ("strategies", "share of the strategies drawn from", "plan"),
    )
    return tuple(Feature(name, "v", unit, source, "history") for name, unit, source in declared)


def action_matrix(space: PlanSpace, values: Floats, indices: Longs | None = None) -> Floats:
    """Values of `action_features`, one row per plan: [P, F], or [K, F] of the plans `indices`.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> action_matrix(space, np.array([0.2, 0.5, 0.2])).tolist()
    [[0.2, -0.3, 0.693147, 0.5], [0.5, 0.0, 0.0, 1.0], [0.2, -0.3, 0.693147, 0.5]]
    """
    wanted = np.arange(len(space)) if indices is None else indices
    chosen = values[wanted]
    higher = len(values) - np.searchsorted(np.sort(values), chosen, side="right")
    matrix = np.column_stack((chosen, chosen - values.max(), np.log1p(higher), _breadth(space)[wanted]))
    return np.round(matrix, PLACES)


@lru_cache(maxsize=64)
def _breadth(space: PlanSpace) -> Floats:
    return np.asarray((space.plans > 0).mean(axis=1))
