"""Estimators of logs whose slots were filled independently of each other: `iips` and `pi`.

If the logging policy is a product, P_logging(a_1..a_T) = product of P_logging(a_t), only the
marginal probabilities of the target are needed. With w_t = P_target(a_t) / P_logging(a_t), r_t the
reward of slot t and r the sum of the r_t:

    iips  mean(sum of w_t r_t)              correct if slots do not interact
    pi    mean((1 + sum of (w_t - 1)) r)    correct if the expected reward is a sum over slots

`ltrr ope-draws` computes both from a log with the column `joint`. ltrr's own logs do not qualify,
because the result of a draw depends on the draws before it. Li et al., KDD 2018 (iips);
Swaminathan et al., NeurIPS 2017 (pi: the pseudoinverse estimator, in its form for product logging).
"""

from __future__ import annotations

import numpy as np

from ltrr.arrays import Floats
from ltrr.errors import SupportError
from ltrr.estimation.weights import importance_weights

JOINT_TOLERANCE = 1e-6
"""Largest accepted relative difference between joint probability and product.

Replayed propensities have the same tolerance."""


def slot_terms(logging: Floats, target: Floats, rewards: Floats, joint: Floats) -> dict[str, Floats]:
    """Terms of N impressions for `DrawMoments.of_terms`, [N] each.

    Args:
        logging: Probability of the content of each slot, whatever the other slots show, [N, T].
        target: The same under the judged policy, [N, T].
        rewards: Reward of each slot, [N, T].
        joint: Logged probability of all slots together, [N].

    Raises:
        SupportError: A joint probability is not the product of the probabilities of its slots.
        DataQualityError: A propensity is not a probability.

    >>> from ltrr.estimation.draw_moments import DrawMoments
    >>> logging, target = np.full((2, 2), 0.5), np.array([[0.8, 0.5], [0.2, 0.5]])
    >>> rewards = np.array([[1.0, 1.0], [0.0, 1.0]])
    >>> moments = DrawMoments.of_terms(slot_terms(logging, target, rewards, joint=np.full(2, 0.25)))
    >>> [(name, round(moments.estimate(name).value, 6)) for name in moments.allowed]
    [('iips', 1.8), ('pi', 1.8)]
    >>> _ = slot_terms(logging, target, np.ones((2, 2)), joint=np.array([0.25, 0.5]))
    Traceback (most recent call last):
        ...
    ltrr.errors.SupportError: slots were not filled independently of each other: joint: expected the
    product of the slots' probabilities, got 1 of 2 impressions with another value, such as 0.5
    instead of 0.25; name no column joint, and give the propensities of each draw given the draws
    before it
    """
    products = logging.prod(axis=1)
    differs = ~(np.abs(joint - products) <= JOINT_TOLERANCE * products)
    if differs.any():
        first = int(np.argmax(differs))
        raise dependent_slots_error(int(differs.sum()), len(joint), float(joint[first]), float(products[first]))
    weights = importance_weights(logging, target)
    total = rewards.sum(axis=1)
    additive = 1.0 + (weights - 1.0).sum(axis=1)
    return {
        "n": np.ones(len(rewards)),
        "additive": additive,
        "slots_weighted": (weights * rewards).sum(axis=1),
        "additive_weighted": additive * total,
    }


def dependent_slots_error(count: int, impressions: int, joint: float, product: float) -> SupportError:
    """The error for a log whose slots depend on each other.

    Args:
        count: Number of impressions whose joint probability differs from the product.
        impressions: Number of all impressions.
        joint: The joint probability of one of them.
        product: The product of its slots' probabilities.
    """
    return SupportError(
        "slots were not filled independently of each other",
        which="joint",
        expected="the product of the slots' probabilities",
        got=f"{count:,} of {impressions:,} impressions with another value, such as {joint:g} instead of {product:g}",
        todo="name no column joint, and give the propensities of each draw given the draws before it",
    )
