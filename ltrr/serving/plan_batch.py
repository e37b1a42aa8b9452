"""P(plan) of one policy for many logged decisions at once.

The result equals that of `PlanChooser.weigh` for each decision, to 1e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.core.exploration_batch import action_matrices, explore_all, shortlists_of
from ltrr.core.queries import query_class
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.linear_scores import LinearScores


def plan_probabilities(chooser: PlanChooser, keys: Sequence[str], shared: Floats, values: Floats) -> Floats:
    """P(plan) of every plan, [N, P].

    Args:
        chooser: Chooser of the policy.
        keys: query_keys, [N].
        shared: Shared features, [N, F].
        values: Planner values of every plan, [N, P].
    """
    space, exploration = chooser.space, chooser.exploration
    shortlists = shortlists_of(values, exploration.shortlist_size)
    scores = _scores(chooser, shared, values, shortlists)
    dense = np.empty(values.shape)
    classes = np.array([query_class(key) for key in keys])
    for name in np.unique(classes).tolist():
        here = np.flatnonzero(classes == name)
        dense[here] = explore_all(scores[here], exploration.of_class(name), shortlists[here], len(space))
    return dense


def _scores(chooser: PlanChooser, shared: Floats, values: Floats, shortlists: Longs) -> Floats:
    weight = chooser.exploration.score_weight
    listed = np.take_along_axis(values, shortlists, axis=1)
    if not chooser.is_learned or weight == 0.0:
        return listed
    features = action_matrices(chooser.space, values, shortlists)
    linear = _linear(chooser)
    if linear is not None:
        predicted = -linear.costs(shared, features, shortlists)
    else:
        rows = zip(shared, shortlists, features, strict=True)
        predicted = np.array([chooser.scores_of(chooser.example(*row)) for row in rows]).reshape(listed.shape)
    if weight == 1.0:
        return predicted
    return np.asarray((1.0 - weight) * (listed - values.max(axis=1, keepdims=True)) + weight * predicted)


@lru_cache(maxsize=16)
def _linear(chooser: PlanChooser) -> LinearScores | None:
    """The weights of a chooser's model; None if they cannot be used. Read once per task."""
    model = chooser.model
    return None if model is None else LinearScores.of(model, chooser.space, chooser.observe, chooser.groups)
