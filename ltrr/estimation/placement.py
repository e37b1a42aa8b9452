"""Weights of entities at their positions, over every plan that would have shown them there.

Where a click depends on the entity and its position alone, each position of a page can have a
weight of its own,

    placement     sum over positions j of v_j r_j,  v_j = P_target(e_j at j) / P_logging(e_j at j)
    placement_dr  mean under the target of the page's summed q + sum over positions of v_j (r_j - q_j)

which is for `page_reward` what `estimation.inclusion` is for `found_reward`. v_j is far closer to
one than the plan's weight, since many plans put the same entity in the same position. No
examination curve is needed, but the pages of all plans that either policy might have drawn: the
contents of their blocks, and a ranker that is a function of the set of blocks. It also needs a
click model: that the entities around an entity do not matter, which weights of sets do not need.
Compute the terms with the functions below and pass them to `ltrr ope-draws` as the columns `placed`
and `placed_dr`. Li et al., "Offline Evaluation of Ranking Policies with Click Models", KDD 2018
(the item-position model).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltrr.estimation.arrays import Floats
from ltrr.estimation.weights import importance_weights


def placement_propensities(plan_propensities: Floats, pages: NDArray[np.integer], shown: NDArray[np.integer]) -> Floats:
    """Probability that the entity shown at each position is there, [N, L].

    Args:
        plan_propensities: Propensity of every plan, [N, P].
        pages: Entity at each position of every plan's page, any numbers, [N, P, L].
        shown: Entity at each position of the page that was shown, [N, L].

    >>> pages = np.array([[[7, 8], [7, 9], [8, 7]]])
    >>> placement_propensities(np.array([[0.2, 0.3, 0.5]]), pages, np.array([[7, 9]])).tolist()
    [[0.5, 0.3]]
    """
    return np.stack(
        [
            (plan_propensities * (pages[:, :, place] == shown[:, None, place])).sum(axis=1)
            for place in range(shown.shape[1])
        ],
        axis=1,
    )


def placement_rewards(
    logging: Floats, target: Floats, rewards: Floats, q_hat: Floats | None = None, direct: Floats | None = None
) -> Floats:
    """Each impression's term of `placement`, or with a model of `placement_dr`, [N].

    Args:
        logging: `placement_propensities` under the policy that logged, [N, L].
        target: The same under the policy judged.
        rewards: Reward of each position, 0 at an empty position, [N, L].
        q_hat: Expected reward of each position, 0 at an empty position, [N, L].
        direct: Mean under the target of the summed q of its page, [N].

    >>> logging, target, rewards = np.array([[0.5, 0.25]]), np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])
    >>> placement_rewards(logging, target, rewards).tolist()
    [2.0]
    >>> placement_rewards(logging, target, rewards, np.array([[0.5, 0.5]]), np.array([0.75])).tolist()
    [1.75]
    """
    weights = importance_weights(logging, target)
    if q_hat is None or direct is None:
        return np.asarray((weights * rewards).sum(axis=1))
    return np.asarray(direct + (weights * (rewards - q_hat)).sum(axis=1))
