"""What one decision of an exploring policy costs, and how well its log shows what other policies would have earned.

Exploring costs what the plans drawn are worth less than the greedy plan. It buys the weights that tomorrow's judges
work with: a policy that always takes plan a has weights 1 / p(a) where a was drawn and 0 elsewhere, hence E[w^2] =
E[1 / p(a)], an effective sample of 1 / E[1 / p(a)] of the impressions, and intervals sqrt(E[1 / p(a)] / P) as wide as
on a uniform log, where 1 / p(a) is P everywhere. Kong, "A Note on Importance Sampling using Standardized Weights",
1992 (the effective sample).
"""

from __future__ import annotations

import numpy as np

from ltrr.estimation.arrays import Floats

_NEVER = 1e-6
"""A plan drawn less often counts as drawn this often: sums of its rarity stay numbers, and no log shows it anyway."""


def exploration_terms(target: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Per decision: value lost, rarity of the greedy plan, and rarity of a plan at random.

    The greedy plan is the most probable one; among equals, as under a uniform policy, the one of highest value.

    Args:
        target: P(plan) of the policy, [N, P].
        values: what the plans are held to be worth, [N, P].

    Returns:
        value of the greedy plan less that of a plan drawn, [N]; 1 / p of the greedy plan, [N]; and the mean of 1 / p
        over all plans, [N].

    >>> lost, greedy, any_plan = exploration_terms(np.array([[0.5, 0.3, 0.2]]), np.array([[1.0, 0.5, 0.0]]))
    >>> lost.round(6).tolist(), greedy.tolist(), any_plan.round(6).tolist()
    ([0.35], [2.0], [3.444444])
    """
    is_greedy = target == target.max(axis=1, keepdims=True)
    greedy = np.where(is_greedy, values, -np.inf).argmax(axis=1)
    rows = np.arange(len(target))
    rarities = 1.0 / np.maximum(target, _NEVER)
    lost = values[rows, greedy] - (target * values).sum(axis=1)
    return lost, rarities[rows, greedy], rarities.mean(axis=1)
