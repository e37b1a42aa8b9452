"""Probability of a set of draws, summed over all orders in which it can be drawn.

A page depends on the set of its blocks, so the set is weighted. The probability of a set that is
drawn one by one is

    P(set) = sum over the orders of its draws of the product of their step propensities.

Four draws have at most 24 orders and 16 states (subsets). Dynamic programming over the states
computes the sum without listing the orders. Draws of one strategy keep their order, because its
second block cannot come before its first.

States are numbers: bit t of a state means that the t-th draw of the log has been made.
`steps[state, t]` is the probability that draw t comes next in that state, 0 if it cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.errors import SupportError
from ltrr.estimation.weights import importance_weights

MOST_DRAWS = 8
"""Maximum number of draws: a row has 2^8 states x 8 draws. For more, use `decide: plan`."""

StepPolicy = Callable[[Longs], Floats]
"""Depths drawn so far, [N, S] -> probability of each strategy as the next draw, [N, S].

One minus their sum is the probability of `stop`. Row n is always impression n."""


def step_lattice(policy: StepPolicy, drawn: Longs, strategies: int) -> Floats:
    """`steps` of every impression, [N, 2^D, D].

    The policy is evaluated in every state that leads to the logged draws.

    Args:
        policy: The policy as a function of the state, defined also in states that the log did not
            visit.
        drawn: Number of the strategy of each draw in the order of the log, -1 after the last, [N,
            D].
        strategies: Number of strategies, S.

    Raises:
        SupportError: An impression has more than 8 draws.

    >>> uniform = lambda depths: np.full(depths.shape, 0.5)
    >>> step_lattice(uniform, np.array([[0, 1], [1, 1]]), strategies=2)[:, :3].tolist()
    [[[0.5, 0.5], [0.0, 0.5], [0.5, 0.0]], [[0.5, 0.0], [0.0, 0.5], [0.0, 0.0]]]
    """
    n, most = drawn.shape
    if most > MOST_DRAWS:
        raise SupportError("too many draws to add up all their orders", expected=f"at most {MOST_DRAWS}", got=str(most))
    rows = np.arange(n)
    steps = np.zeros((n, 1 << most, most))
    # A draw needs all earlier draws of its strategy, and no later one.
    is_same = drawn[:, :, None] == drawn[:, None, :]
    same = is_same @ (1 << np.arange(most))
    needed = same & ((1 << np.arange(most)) - 1)
    for state in range((1 << most) - 1):
        depths = np.zeros((n, strategies), dtype=np.int64)
        for draw in range(most):
            if state >> draw & 1:
                made = drawn[:, draw] >= 0
                depths[rows[made], drawn[made, draw]] += 1
        chances = policy(depths)
        for draw in range(most):
            if not state >> draw & 1:
                can = (drawn[:, draw] >= 0) & (same[:, draw] & state == needed[:, draw])
                steps[can, state, draw] = chances[rows[can], drawn[can, draw]]
    return steps


def path_propensities(steps: Floats, counts: Longs) -> Floats:
    """Propensity of each draw given the draws before it; 1 after the last, [N, D].

    >>> steps = np.array([[[0.5, 0.25], [0.0, 0.2], [0.1, 0.0], [0.0, 0.0]]])
    >>> [path_propensities(steps, np.array([count])).tolist() for count in (2, 1)]
    [[[0.5, 0.2]], [[0.5, 1.0]]]
    """
    most = steps.shape[2]
    path = np.stack([steps[:, (1 << draw) - 1, draw] for draw in range(most)], axis=1)
    return np.where(np.arange(most) < counts[:, None], path, 1.0)


def set_propensities(steps: Floats, counts: Longs) -> Floats:
    """Probability of these draws in any order, without the `stop` after them, [N].

    Args:
        steps: `step_lattice`, [N, 2^D, D].
        counts: Number of draws made, [N].

    >>> steps = np.array([[[0.5, 0.25], [0.0, 0.2], [0.1, 0.0], [0.0, 0.0]]])
    >>> set_propensities(steps, np.array([2])).round(6).tolist()
    [0.125]
    """
    n, states, most = steps.shape
    reached = np.zeros((n, states))
    reached[:, 0] = 1.0
    # A state has a larger number than every state that leads to it, so its sum is complete here.
    for state in range(states):
        for draw in range(most):
            if not state >> draw & 1:
                reached[:, state | 1 << draw] += reached[:, state] * steps[:, state, draw]
    return np.asarray(reached[np.arange(n), (1 << counts) - 1])


@dataclass(frozen=True, eq=False)
class DrawWeights:
    """Importance weights of N impressions made draw by draw.

    Attributes:
        running: Weight of the first t draws in the order of the log, [N, D]; after the last draw,
            the weight of all draws.
        sequence: Weight of all draws in the order of the log, including `stop`, [N].
        union: Weight of the set of draws, including `stop`, [N]; None if the log has propensities
            in the order of the log only.
    """

    running: Floats
    sequence: Floats
    union: Floats | None

    @staticmethod
    def of(
        logging: Floats,
        target: Floats,
        counts: Longs,
        *,
        logging_stop: Floats | float = 1.0,
        target_stop: Floats | float = 1.0,
    ) -> DrawWeights:
        """Weights from both policies' `steps`.

        Args:
            logging: `steps` of the logging policy, [N, 2^D, D].
            target: `steps` of the judged policy, [N, 2^D, D].
            counts: Number of draws made, [N].
            logging_stop: Probability of stopping after the last draw, 1 if it was certain, [N].
            target_stop: The same probability under the judged policy, [N].

        Raises:
            DataQualityError: A propensity is not a probability, or is 0 for a draw that was made.

        >>> logging = np.array([[[0.5, 0.5], [0.0, 0.5], [0.5, 0.0], [0.0, 0.0]]])
        >>> target = np.array([[[0.9, 0.1], [0.0, 0.2], [0.6, 0.0], [0.0, 0.0]]])
        >>> weights = DrawWeights.of(logging, target, np.array([2]))
        >>> weights.running.round(3).tolist()
        [[1.8, 0.72]]
        >>> weights.sequence.round(3).tolist(), weights.union.round(3).tolist()
        ([0.72], [0.48])
        """
        paths = DrawWeights.of_paths(
            path_propensities(logging, counts),
            path_propensities(target, counts),
            logging_stop=logging_stop,
            target_stop=target_stop,
        )
        union = importance_weights(
            set_propensities(logging, counts) * logging_stop, set_propensities(target, counts) * target_stop
        )
        return DrawWeights(paths.running, paths.sequence, union)

    @staticmethod
    def of_paths(
        logging: Floats, target: Floats, *, logging_stop: Floats | float = 1.0, target_stop: Floats | float = 1.0
    ) -> DrawWeights:
        """Weights from propensities in the order of the log, without a weight of the set.

        Args:
            logging: Propensities of the logging policy, 1 after the last draw, [N, D].
            target: Propensities of the judged policy, 1 after the last draw, [N, D].
            logging_stop: Probability of stopping after the last draw, 1 if it was certain, [N].
            target_stop: The same probability under the judged policy, [N].
        """
        running: Floats = np.cumprod(importance_weights(logging, target), axis=1, dtype=np.float64)
        return DrawWeights(running, running[:, -1] * importance_weights(logging_stop, target_stop), None)
