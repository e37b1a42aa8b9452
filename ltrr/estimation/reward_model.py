"""The one interface of reward models: what an action is expected to earn, and what estimators take from it."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np

from ltrr.estimation.arrays import Floats, Longs

Rows = TypeVar("Rows", contravariant=True)


class RewardModel(Protocol[Rows]):
    """q-hat of a fixed action set, for rows of one kind; small enough to be sent to every executor."""

    def predict(self, rows: Rows) -> Floats:
        """q(x, a) of every action, [N, A]; each row depends on itself alone, whatever the batch."""
        ...


def value_actions(expected: Floats, taken: Longs, target: Floats) -> tuple[Floats, Floats]:
    """Value of the action taken and expected value under the target, [N] both: `Decisions.taken` and `.direct`.

    Args:
        expected: `RewardModel.predict`, [N, A].
        taken: Number of the action taken, [N].
        target: The target's probability of every action, [N, A].

    >>> taken, direct = value_actions(np.array([[0.5, 1.0]]), np.array([1]), np.array([[0.5, 0.5]]))
    >>> taken.tolist(), direct.tolist()
    ([1.0], [0.75])
    """
    # Row sums, no matrix product: each depends on its own row only, however the rows were cut into
    # batches.
    return expected[np.arange(len(taken)), taken], np.asarray((target * expected).sum(axis=1))
