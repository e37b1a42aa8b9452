"""Weights of entities at their positions, summed over all plans that show them there.

If a click depends only on the entity and its position, each position j of a page can have a weight
of its own, v_j = P_target(e_j at j) / P_logging(e_j at j):

    placement     sum over positions of v_j r_j
    placement_dr  mean under the target of the page's summed q
                  + sum over positions of v_j (r_j - q_j)

These estimators are for `page_reward`, those of `estimation.inclusion` for `found_reward`. v_j is
far closer to one than the plan's weight, because many plans put the same entity in the same
position. No examination curve is needed. They need the pages of all plans that either policy might
have drawn: the contents of their blocks, and a ranker that is a function of the set of blocks. They
also need a click model that weights of sets do not need: the neighbours of an entity do not affect
its clicks. Compute the terms with the functions below and pass them to `ltrr ope-draws` as the
columns `placed` and `placed_dr`. Li et al., "Offline Evaluation of Ranking Policies with Click
Models", KDD 2018 (the item-position model).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Floats
from ltrr.estimation.weights import importance_weights


def placement_propensities(plan_propensities: Floats, pages: NDArray[np.integer], shown: NDArray[np.integer]) -> Floats:
    """Probability that the entity shown at a position is shown there, [N, L].

    Args:
        plan_propensities: Propensity of every plan, [N, P].
        pages: Number of the entity at each position of every plan's page, [N, P, L].
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
        logging: `placement_propensities` under the logging policy, [N, L].
        target: The same under the judged policy, [N, L].
        rewards: Reward of each position, 0 at an empty position, [N, L].
        q_hat: Expected reward of each position, 0 at an empty position, [N, L].
        direct: Mean under the target of the summed q of a page, [N].

    >>> logging, target = np.array([[0.5, 0.25]]), np.array([[1.0, 0.0]])
    >>> rewards, q_hat, direct = np.array([[1.0, 1.0]]), np.array([[0.5, 0.5]]), np.array([0.75])
    >>> placement_rewards(logging, target, rewards).tolist()
    [2.0]
    >>> placement_rewards(logging, target, rewards, q_hat, direct).tolist()
    [1.75]
    """
    weights = importance_weights(logging, target)
    if q_hat is None or direct is None:
        return np.asarray((weights * rewards).sum(axis=1))
    return np.asarray(direct + (weights * (rewards - q_hat)).sum(axis=1))
