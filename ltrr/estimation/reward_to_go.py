"""Reward-to-go of draws under the judged policy: the q-hat of `cascade_dr`.

    Q_t(state, a) = E[r_t + V_{t+1}(next state)]
    V_t(state)    = sum over a of P_target(a) Q_t(state, a)

They are fitted backwards, from the last draw to the first. Each Q_t is a ridge regression on
features of the state and the strategy. V depends on the target, so each judged policy needs its own
fit. The fit is cross-fitted: all regressions of a fold use only the other folds. The results are
the columns `step_taken` and `step_values` of `ltrr ope-draws`, which then reports `cascade_dr`. Le,
Voloshin & Yue, "Batch Policy Learning under Constraints", ICML 2019 (fitted Q evaluation).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.estimation.reward_regression import fit_rewards

StepFeatures = Callable[[int], Floats]
"""Step t, 0-based -> features of every strategy before draw t, [N, S, F]; ones come first."""


def fit_reward_to_go(
    features: StepFeatures, target: Floats, drawn: Longs, rewards: Floats, folds: Longs, *, ridge: float = 1.0
) -> tuple[Floats, Floats]:
    """`Draws.step_taken` and `.step_values`: Q of each draw and V before each draw, [N, D] both.

    Args:
        features: Features of each step.
        target: P_target of each strategy before each draw, zeros after the last decision, [N, D,
            S].
        drawn: Number of the strategy of each draw, -1 after the last, [N, D].
        rewards: Reward of each draw, [N, D].
        folds: Fold of each impression, for example by query, [N].
        ridge: Ridge penalty.

    In the example, two draws choose between two strategies. Only the second strategy has a reward,
    1 per draw. A target that always draws it has the value 2.

    >>> drawn = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2)
    >>> z = np.broadcast_to(np.array([[1.0, 0.0], [1.0, 1.0]]), (8, 2, 2))
    >>> target = np.broadcast_to(np.array([0.0, 1.0]), (8, 2, 2))
    >>> folds = np.repeat([0, 1], 4)
    >>> rewards = 1.0 * (drawn == 1)
    >>> taken, values = fit_reward_to_go(lambda t: z, target, drawn, rewards, folds, ridge=1e-9)
    >>> values[0].round(6).tolist(), taken[:4].round(6).tolist()
    ([2.0, 1.0], [[1.0, 0.0], [1.0, 1.0], [2.0, 0.0], [2.0, 1.0]])
    """
    n, most = drawn.shape
    rows = np.arange(n)
    taken, values = np.zeros((n, most)), np.zeros((n, most))
    at_step = [features(step) for step in range(most)]
    for fold in np.unique(folds):
        is_held, later = folds == fold, np.zeros(n)
        for step in reversed(range(most)):
            made = drawn[:, step] >= 0
            z = at_step[step]
            fitted = np.flatnonzero(made & ~is_held)
            if len(fitted):
                rows_of_draws = z[fitted, drawn[fitted, step]]
                goal = rewards[fitted, step] + later[fitted]
                coefficients = fit_rewards(rows_of_draws, goal, ridge, is_logistic=False)
            else:
                coefficients = np.zeros(z.shape[2])
            q = z @ coefficients
            later = (target[:, step] * q).sum(axis=1)
            values[is_held, step] = later[is_held]
            of_draws = np.where(made, q[rows, np.maximum(drawn[:, step], 0)], 0.0)
            taken[is_held, step] = of_draws[is_held]
    return taken, values
