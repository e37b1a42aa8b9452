"""The interface of reward models, and the values that estimators take from them."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np

from ltrr.arrays import Floats, Longs

Rows = TypeVar("Rows", contravariant=True)


class RewardModel(Protocol[Rows]):
    """q-hat of a fixed action set for rows of one type; small enough to send to every executor."""

    def predict(self, rows: Rows) -> Floats:
        """q(x, a) of every action, [N, A]; a row's values do not depend on its batch."""
        ...


def value_actions(expected: Floats, taken: Longs, target: Floats) -> tuple[Floats, Floats]:
    """`Decisions.taken` and `.direct`: value of the action taken, and mean under the target, [N].

    Args:
        expected: `RewardModel.predict`, [N, A].
        taken: Number of the action taken, [N].
        target: The target's probability of every action, [N, A].

    >>> taken, direct = value_actions(np.array([[0.5, 1.0]]), np.array([1]), np.array([[0.5, 0.5]]))
    >>> taken.tolist(), direct.tolist()
    ([1.0], [0.75])
    """
    # Row sums instead of a matrix product: a row's result must not depend on its batch.
    return expected[np.arange(len(taken)), taken], np.asarray((target * expected).sum(axis=1))
