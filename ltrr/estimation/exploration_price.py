"""Price of exploration: its cost per decision, and the precision of later evaluations.

Exploration costs the difference in value between the greedy plan and the plans drawn. It improves
the weights of later evaluations. Take a policy that always takes plan a. Its weights are 1 / p(a)
where a was drawn and 0 elsewhere, so E[w^2] = E[1 / p(a)]. Its effective sample is 1 / E[1 / p(a)]
of the impressions. Its intervals are sqrt(E[1 / p(a)] / P) times as wide as on a uniform log, where
1 / p(a) = P. Kong, "A Note on Importance Sampling using Standardized Weights", 1992 (the effective
sample).
"""

from __future__ import annotations

import numpy as np

from ltrr.arrays import Floats

_SMALLEST_PROBABILITY = 1e-6
"""Smallest probability in the rarity 1 / p, which keeps sums finite.

Logs show almost no plans that are drawn less often."""


def exploration_terms(target: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Value lost, rarity of the greedy plan, and mean rarity of all plans, of each decision.

    The greedy plan is the most probable one. Among equally probable plans, as under a uniform
    policy, it is the one with the highest value.

    Args:
        target: P(plan) of the policy, [N, P].
        values: Estimated values of the plans, [N, P].

    Returns:
        Value of the greedy plan minus the expected value of a drawn plan, [N]; 1 / p of the greedy
        plan, [N]; and the mean of 1 / p over all plans, [N].

    >>> target, values = np.array([[0.5, 0.3, 0.2]]), np.array([[1.0, 0.5, 0.0]])
    >>> lost, greedy, any_plan = exploration_terms(target, values)
    >>> lost.round(6).tolist(), greedy.tolist(), any_plan.round(6).tolist()
    ([0.35], [2.0], [3.444444])
    """
    is_greedy = target == target.max(axis=1, keepdims=True)
    greedy = np.where(is_greedy, values, -np.inf).argmax(axis=1)
    rows = np.arange(len(target))
    rarities = 1.0 / np.maximum(target, _SMALLEST_PROBABILITY)
    lost = values[rows, greedy] - (target * values).sum(axis=1)
    return lost, rarities[rows, greedy], rarities.mean(axis=1)
