"""Made-up decisions with 210 plans, in the form from which the bandit learns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ltrr.bandit.examples import Decisions
from ltrr.core.exploration import shortlist_of
from ltrr.core.features import action_matrix, shared_features
from ltrr.core.plans import PlanSpace

SPACE = PlanSpace(("title", "all_fields", "semantic", "structured", "popularity", "memory", "hybrid"), 2, 4)
OBSERVE, SHORTLIST = "first_look", 20
AT_ONCE = 10_000


def make_decisions(rng: np.random.Generator, count: int) -> Iterator[Decisions]:
    """Decisions of a uniform policy in batches.

    Planner values have a beta distribution, and rewards are near the planner value.
    """
    flags = len(shared_features(SPACE, OBSERVE)) - 6
    for start in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - start)
        values = np.round(rng.beta(2.0, 3.0, size=(size, len(SPACE))), 6)
        taken = rng.integers(len(SPACE), size=size)
        listed = [shortlist_of(row, SHORTLIST) for row in values]
        actions = [
            plans if plan in plans else np.append(plans, plan) for plans, plan in zip(listed, taken, strict=True)
        ]
        kinds = np.eye(5)[rng.integers(5, size=size)]
        words = np.round(rng.integers(1, 5, size=(size, 1)) / 8, 6)
        yield Decisions(
            shared=np.hstack([kinds, words, rng.choice([0.0, 0.5, 1.0], size=(size, flags))]),
            actions=np.concatenate(actions),
            ends=np.cumsum([len(plans) for plans in actions]),
            features=np.vstack([action_matrix(SPACE, row, plans) for row, plans in zip(values, actions, strict=True)]),
            taken=taken,
            rewards=np.round(values[np.arange(size), taken] - values.max(axis=1) + rng.normal(0.0, 0.1, size), 6),
            propensities=np.full(size, 1.0 / len(SPACE)),
        )
