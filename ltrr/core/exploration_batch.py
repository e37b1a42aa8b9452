"""`core.exploration` and `core.features.action_matrix` for many decisions at once.

A test checks that each row equals the result for one decision. Every number of a row depends on
that row alone, however the decisions are divided into batches.
"""

from __future__ import annotations

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.features import PLACES
from ltrr.core.plans import PlanSpace

_VALUE_PLACES = 9
"""Largest number of decimals of planner values, so that they are whole multiples of 1e-9."""


def shortlists_of(values: Floats, size: int) -> Longs:
    """The `size` best plans of each decision, best first, [N, K] of [N, P]; equals in plan order.

    >>> shortlists_of(np.array([[0.1, 0.9, 0.3, 0.9], [0.5, 0.5, 0.5, 0.6]]), 3).tolist()
    [[1, 3, 2], [3, 0, 1]]
    """
    plans = values.shape[1]
    # The index of the plan makes every key unique. Sorting whole numbers is much faster than a
    # stable sort of floats.
    keys = np.rint(values * -(10.0**_VALUE_PLACES)).astype(np.int64) * plans + np.arange(plans)
    best = min(size, plans)
    keys = np.sort(keys if best == plans else np.partition(keys, best - 1, axis=1)[:, :best], axis=1)
    return np.asarray(keys % plans)


def action_matrices(space: PlanSpace, values: Floats, shortlists: Longs) -> Floats:
    """`action_matrix` of each shortlist, [N, K, F].

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> values = np.array([[0.2, 0.5, 0.2]])
    >>> action_matrices(space, values, shortlists_of(values, 3)).tolist()
    [[[0.5, 0.0, 0.0, 1.0], [0.2, -0.3, 0.693147, 0.5], [0.2, -0.3, 0.693147, 0.5]]]
    """
    chosen = np.take_along_axis(values, shortlists, axis=1)
    places = np.arange(chosen.shape[1])
    # Plans are in order of value, so the number of plans of higher value is the place where the
    # value first appears.
    is_first = np.diff(chosen, axis=1, prepend=np.inf) < 0.0
    higher = np.maximum.accumulate(np.where(is_first, places, 0), axis=1)
    matrices = np.empty((*chosen.shape, 4))
    matrices[:, :, 0] = np.round(chosen, PLACES)
    matrices[:, :, 1] = np.round(chosen - chosen[:, :1], PLACES)
    matrices[:, :, 2] = np.round(np.log1p(places), PLACES)[higher]
    matrices[:, :, 3] = np.round((space.plans > 0).mean(axis=1), PLACES)[shortlists]
    return matrices


def explore_all(scores: Floats, exploration: ExplorationSettings, shortlists: Longs, n_actions: int) -> Floats:
    """`explore(...).dense()` of each decision, [N, P] of scores and shortlists [N, K].

    >>> settings = ExplorationSettings(floor_share=0.0, kind="squarecb", gamma=10.0)
    >>> scores, shortlists = np.array([[0.5, 0.5, 0.0]]), np.array([[3, 2, 0]])
    >>> explore_all(scores, settings, shortlists, n_actions=4).round(3).tolist()
    [[0.125, 0.0, 0.333, 0.542]]
    """
    floor = exploration.floor_share / n_actions
    dense = np.full((len(scores), n_actions), floor)
    shares = _shares(scores, exploration)
    np.put_along_axis(dense, shortlists, (1.0 - exploration.floor_share) * shares + floor, axis=1)
    return dense


def _shares(scores: Floats, exploration: ExplorationSettings) -> Floats:
    rows, best = np.arange(len(scores)), scores.argmax(axis=1)
    gaps = scores[rows, best][:, None] - scores
    if exploration.kind == "softmax" and exploration.temperature > 0.0:
        weights = np.exp(-gaps / exploration.temperature)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))
    if exploration.kind == "squarecb":
        shares = 1.0 / (scores.shape[1] + exploration.gamma * gaps)
    else:
        epsilon = exploration.epsilon if exploration.kind == "epsilon" else 0.0
        shares = np.full(scores.shape, epsilon / scores.shape[1])
    shares[rows, best] = 0.0
    shares[rows, best] = 1.0 - shares.sum(axis=1)
    return np.asarray(shares)
