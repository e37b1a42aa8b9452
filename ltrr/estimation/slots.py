"""Logs whose slots were filled independently of each other: `iips` and `pi`.

Where the logging policy is a product, P_logging(a_1..a_T) = product of P_logging(a_t), a reward of slots needs the
target's marginal probabilities only. With w_t = P_target(a_t) / P_logging(a_t), r_t the slot's reward and r their sum,

    iips  mean(sum of w_t r_t)                 right where slots do not interact
    pi    mean((1 + sum of (w_t - 1)) r)       right where the expected reward is a sum over slots

ltrr's own plans are no such logs: what a draw brings depends on the draws before it, and `DrawMoments` refuses both.
Li et al., KDD 2018 (iips); Swaminathan et al., NeurIPS 2017 (pi, the pseudoinverse, whose form under product logging
this is).
"""

from __future__ import annotations

import numpy as np

from ltrr.errors import SupportError
from ltrr.estimation.arrays import Floats
from ltrr.estimation.weights import importance_weights

_TOLERANCE = 1e-6
"""Relative; that of replayed propensities."""


def slot_terms(logging: Floats, target: Floats, rewards: Floats, joint: Floats) -> dict[str, Floats]:
    """Terms of N impressions for `DrawMoments.of_terms`, [N] each.

    Args:
        logging: probability of what stands in each slot, over whatever the others hold, [N, T].
        target: the same under the policy judged, [N, T].
        rewards: of each slot, [N, T].
        joint: logged probability of all slots together, [N].

    Raises:
        SupportError: the joint probabilities are not the products of those of the slots.
        DataQualityError: a propensity is not a probability.

    >>> from ltrr.estimation.draw_moments import DrawMoments
    >>> logging, target = np.full((2, 2), 0.5), np.array([[0.8, 0.5], [0.2, 0.5]])
    >>> terms = slot_terms(logging, target, np.array([[1.0, 1.0], [0.0, 1.0]]), joint=np.full(2, 0.25))
    >>> moments = DrawMoments.of_terms(terms)
    >>> round(moments.estimate("iips").value, 6), round(moments.estimate("pi").value, 6)
    (1.8, 1.8)
    >>> _ = slot_terms(logging, target, np.ones((2, 2)), joint=np.array([0.25, 0.5]))
    Traceback (most recent call last):
        ...
    ltrr.errors.SupportError: slots were not filled independently of each other: expected products of the slots' \
probabilities, got 1 of 2 impressions where it is another, such as 0.5 instead of 0.25; weigh whole pages instead
    """
    products = logging.prod(axis=1)
    is_other = ~(np.abs(joint - products) <= _TOLERANCE * products)
    if is_other.any():
        first = int(np.argmax(is_other))
        raise SupportError(
            "slots were not filled independently of each other",
            expected="products of the slots' probabilities",
            got=f"{int(is_other.sum())} of {len(joint)} impressions where it is another, such as "
            f"{joint[first]:g} instead of {products[first]:g}",
            todo="weigh whole pages instead",
        )
    weights = importance_weights(logging, target)
    total = rewards.sum(axis=1)
    additive = 1.0 + (weights - 1.0).sum(axis=1)
    return {
        "n": np.ones(len(rewards)),
        "additive": additive,
        "slots_weighted": (weights * rewards).sum(axis=1),
        "additive_weighted": additive * total,
    }
