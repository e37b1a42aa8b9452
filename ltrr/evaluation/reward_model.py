"""q-hat: the expected page_reward of a plan, learned on training users only.

    q(x, a) = c . [1, mean reward of the query, best value(x), shared(x),
                   value(x, a), blocks drawn by a]

The model is linear. Ridge regression by exact normal equations has one solution for any order and
partitions of the rows, and a policy's expected q-hat needs only its probabilities. Doubly robust
estimates are unbiased for any q-hat, because the propensities are known; a better q-hat narrows the
interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats
from ltrr.core.plans import PlanSpace
from ltrr.estimation.fixed_point import TERM_BITS
from ltrr.evaluation.logged_decision import LoggedDecision

_PLACES = 9
"""Decimals of coefficients.

Rounding removes the last bits, which depend on the linear-algebra library."""


def context_features(shared: Floats, values: Floats, query_mean: float) -> Floats:
    """Context features, [3 + F]: one, mean reward of the query, best value, shared features."""
    return np.concatenate(([1.0, query_mean, values.max()], shared))


def plan_features(space: PlanSpace, values: Floats, plan: int) -> Floats:
    """Features of one plan, [1 + S * D]: its planner value and the blocks that it draws."""
    return np.concatenate((values[plan : plan + 1], space.draws[plan]))


@dataclass(frozen=True, eq=False)
class PlanRewardModel:
    """Coefficients of q-hat; a `RewardModel` of logged decisions.

    Args:
        space: The plans.
        context: Coefficients of `context_features`, [3 + F].
        plan: Coefficients of `plan_features`, [1 + S * D].

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> model = PlanRewardModel(space, np.array([0.1, 0.0, 0.0, 0.2]), np.array([0.5, 0.0, 0.3]))
    >>> q = model.predict_plans(np.array([[1.0]]), np.array([[0.4, 0.6]]), np.array([0.7]))
    >>> space.texts, q.round(6).tolist()
    (('memory:1', 'title:1'), [[0.8, 0.6]])
    """

    space: PlanSpace
    context: Floats
    plan: Floats

    def predict(self, rows: Sequence[LoggedDecision]) -> Floats:
        """q(x, a) of every plan, [N, P]; a row does not depend on other decisions."""
        return self.predict_plans(
            np.array([decision.shared for decision in rows]),
            np.array([decision.values for decision in rows]),
            np.array([decision.query_mean for decision in rows]),
        )

    def predict_plans(self, shared: Floats, values: Floats, query_means: Floats) -> Floats:
        """q(x, a) of every plan, [N, P].

        Args:
            shared: Shared features, [N, F].
            values: Values of plans, [N, P].
            query_means: Mean rewards of the queries, [N].
        """
        context = np.column_stack((np.ones(len(shared)), query_means, values.max(axis=1), shared))
        base = (context * self.context).sum(axis=1)
        expected: Floats = base[:, None] + self.plan[0] * values + (self.space.draws * self.plan[1:]).sum(axis=1)
        return expected


def fit_reward_model(space: PlanSpace, products: list[list[int]], ridge: float) -> PlanRewardModel:
    """Ridge regression from exact cross products.

    Args:
        space: The plans.
        products: Sums over training decisions of z z' with z = [context_features, plan_features,
            reward], unit 2^-48.
        ridge: Penalty of all coefficients except the intercept, in decisions.
    """
    matrix = np.array([[value / (1 << (2 * TERM_BITS)) for value in row] for row in products], dtype=np.float64)
    penalty = np.full(len(matrix) - 1, ridge)
    # The intercept has almost no penalty: with 0, the system would have no solution without rows.
    penalty[0] = 1e-6
    solved = np.linalg.solve(matrix[:-1, :-1] + np.diag(penalty), matrix[:-1, -1])
    coefficients = np.round(solved, _PLACES)
    blocks = 1 + space.draws.shape[1]
    return PlanRewardModel(space, coefficients[:-blocks], coefficients[-blocks:])
