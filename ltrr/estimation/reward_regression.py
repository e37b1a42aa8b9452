"""Penalised regression of rewards by Newton's method on exact sums, one pass per step.

The regression is logistic for rewards in [0, 1], and linear for others, where the first step is the
solution. It maximises

    sum of log-likelihoods - ridge / 2 * sum of squared coefficients

without the intercept in the second sum: the objective of scikit-learn's LogisticRegression(C = 1 /
ridge). The sums of a step are whole numbers, so the solution has the same bits for any order and
any partitions of the rows. McCullagh & Nelder, "Generalized Linear Models", 1989.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats
from ltrr.estimation.fixed_point import TERM_BITS, exact_products, exact_sums, to_fixed

MAX_STEPS = 30
LARGEST_LAST_STEP = 1e-4
"""Largest change of a coefficient in the last step; the remaining error is about its square."""

_LONGEST_STEP = 4.0
_INTERCEPT_RIDGE = 1e-9


def expected_reward(scores: Floats, *, is_logistic: bool) -> Floats:
    """Expected reward of each score, any shape.

    >>> expected_reward(np.array([0.0, 2.0]), is_logistic=True).round(3).tolist()
    [0.5, 0.881]
    """
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scores, -500.0, 500.0)))) if is_logistic else scores


@dataclass(frozen=True)
class StepSums:
    """The sums of a Newton step; `+` joins disjoint sets of rows.

    Attributes:
        curvature: Sum of s c z z', [D][D], unit 2^-48, with c = q (1 - q), or 1 where linear.
        gradient: Sum of s z (r - q), [D], unit 2^-24, with the sampling weight s.
    """

    curvature: tuple[tuple[int, ...], ...]
    gradient: tuple[int, ...]

    @classmethod
    def of(
        cls,
        z: Floats,
        rewards: Floats,
        coefficients: Floats,
        *,
        is_logistic: bool,
        sampling: Floats | None = None,
    ) -> StepSums:
        """The sums of N rows z, [N, D], with rewards, [N], at these coefficients, [D].

        Args:
            z: Features.
            rewards: Rewards.
            coefficients: Coefficients.
            is_logistic: Whether the model is logistic; otherwise it is linear.
            sampling: Sampling weights, [N]; None if no decision was dropped. Without them a model
                of a log whose drop rate depends on the reward would predict the kept rows' mean.
        """
        # Row sums instead of a matrix product: a row's result must not depend on its batch.
        q = expected_reward((z * coefficients).sum(axis=1), is_logistic=is_logistic)
        spread = np.sqrt(q * (1.0 - q)) if is_logistic else np.ones(len(q))
        errors = rewards - q
        if sampling is not None:
            spread, errors = spread * np.sqrt(sampling), errors * sampling
        curvature = exact_products(to_fixed(z * spread[:, None]))
        gradient = exact_sums(to_fixed(z * errors[:, None]))
        return cls(tuple(map(tuple, curvature)), tuple(gradient))

    def __add__(self, other: StepSums) -> StepSums:
        return StepSums(
            tuple(
                tuple(map(sum, zip(mine, theirs, strict=True)))
                for mine, theirs in zip(self.curvature, other.curvature, strict=True)
            ),
            tuple(map(sum, zip(self.gradient, other.gradient, strict=True))),
        )

    def step(self, coefficients: Floats, ridge: float) -> Floats:
        """The step of the coefficients, [D].

        No coefficient changes by more than 4, which prevents overshooting for rare events.
        """
        penalty = np.full(len(coefficients), ridge)
        penalty[0] = _INTERCEPT_RIDGE
        curvature = np.array([[value / (1 << (2 * TERM_BITS)) for value in row] for row in self.curvature])
        gradient = np.array([value / (1 << TERM_BITS) for value in self.gradient])
        move = np.linalg.solve(curvature + np.diag(penalty), gradient - penalty * coefficients)
        return np.asarray(move * min(1.0, _LONGEST_STEP / max(float(np.abs(move).max()), _LONGEST_STEP)))


def fit_rewards(z: Floats, rewards: Floats, ridge: float = 1.0, *, is_logistic: bool = True) -> Floats:
    """Coefficients, [D], of rows that fit into memory.

    Args:
        z: Features, with ones in the first column, [N, D].
        rewards: Rewards, [N]; in [0, 1] for a logistic model.
        ridge: Ridge penalty.
        is_logistic: Whether the model is logistic; otherwise it is linear.

    >>> z = np.column_stack([np.ones(4), [0.0, 0.0, 1.0, 1.0]])
    >>> rewards = np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit_rewards(z, rewards, ridge=1e-9, is_logistic=False).round(6).tolist()
    [0.5, 2.0]
    """
    coefficients = np.zeros(z.shape[1])
    for _ in range(MAX_STEPS):
        move = StepSums.of(z, rewards, coefficients, is_logistic=is_logistic).step(coefficients, ridge)
        coefficients = coefficients + move
        if np.abs(move).max() < LARGEST_LAST_STEP:
            break
    return coefficients
