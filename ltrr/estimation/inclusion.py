"""Weights of entities, from the probability that an entity is in the union of the blocks drawn.

`found_reward` is a sum over shown entities of rewards that do not depend on the other entities
shown. So each entity e can have a weight of its own, w_e = P_target(e in union) / P_logging(e in
union). Both probabilities are sums over all plans that return e. This weight is far closer to one
than the plan's weight, because many plans return the same entity. Let r_e be the reward and q_e any
model of it. Both estimators are unbiased:

    inclusion     = sum over shown e of w_e r_e
    inclusion_dr  = sum over listed e of P_target(e in union) q_e
                    + sum over shown e of w_e (r_e - q_e)

They need the contents of every block that either policy might have drawn, and pages that show the
whole union. Their terms are the columns `included` and `included_dr` of `ltrr ope-draws`. Horvitz &
Thompson, "A Generalization of Sampling Without Replacement from a Finite Universe", JASA 1952
(inclusion probabilities).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Bools, Floats, Longs
from ltrr.errors import SupportError
from ltrr.estimation.weights import ROUNDING, importance_weights


def inclusion_propensities(plan_propensities: Floats, places: Longs, plans: NDArray[np.integer]) -> Floats:
    """P(entity in the union), [N, E].

    Args:
        plan_propensities: Propensity of every plan, [N, P].
        places: Depth of the block in which each strategy lists the entity, 0 if it does not, [N, E,
            S].
        plans: Depth vectors, [P, S], such as `PlanSpace.plans`.

    >>> plans = np.array([[0, 2], [1, 1], [2, 0]])
    >>> places = np.array([[[2, 0], [1, 0], [1, 1], [0, 0]]])
    >>> inclusion_propensities(np.array([[0.2, 0.3, 0.5]]), places, plans).tolist()
    [[0.5, 0.8, 1.0, 0.0]]
    """
    is_held = np.zeros((*places.shape[:2], len(plans)), dtype=np.bool_)
    for strategy in range(places.shape[2]):
        depth = places[:, :, strategy, None]
        is_held |= (depth > 0) & (depth <= plans[:, strategy])
    return np.asarray(np.matmul(is_held.astype(np.float64), plan_propensities[:, :, None])[:, :, 0])


def inclusion_rewards(
    logging: Floats, target: Floats, shown: Bools, rewards: Floats, q_hat: Floats | None = None
) -> Floats:
    """Each impression's term of `inclusion`, or with a model of `inclusion_dr`, [N].

    Args:
        logging: `inclusion_propensities` of the listed entities under the logging policy, [N, E].
        target: The same under the judged policy, [N, E].
        shown: Whether each entity was on the page, [N, E].
        rewards: Found reward, clicks / examination, [N, E]; only those of shown entities are used.
        q_hat: Expected reward of each entity, from a model fitted without this impression, [N, E].

    Raises:
        DataQualityError: A shown entity has a logging propensity of 0.
        SupportError: The target shows entities that the log can never show.

    >>> logging, target = np.array([[0.5, 0.5]]), np.array([[1.0, 0.2]])
    >>> shown, rewards = np.array([[True, False]]), np.array([[2.0, 0.0]])
    >>> inclusion_rewards(logging, target, shown, rewards).tolist()
    [4.0]
    >>> q_hat = np.array([[1.5, 1.0]])
    >>> inclusion_rewards(logging, target, shown, rewards, q_hat=q_hat).round(6).tolist()
    [2.7]
    """
    never = np.where(logging <= 0.0, target, 0.0).sum(axis=1)
    if (never > ROUNDING).any():
        raise SupportError(
            "the judged policy shows entities that the log can never show",
            got=f"{int((never > ROUNDING).sum())} of {len(never)} impressions, {never.mean():.3g} entities a page",
            todo="use a log whose policy has a minimum probability for every plan",
        )
    weights = np.where(shown, importance_weights(np.where(shown, logging, 1.0), target), 0.0)
    if q_hat is None:
        return np.asarray((weights * np.where(shown, rewards, 0.0)).sum(axis=1))
    residuals = weights * np.where(shown, rewards - q_hat, 0.0)
    return np.asarray((target * q_hat + residuals).sum(axis=1))


def inclusion_design(logging: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Expected sums of w and of w^2 on a page, before any draw, [N] both.

    (sum of the first)^2 / sum of the second is the average effective sample of such a log, in
    entities shown. The weights of one log are a worse guide: until a rare entity with a large
    weight appears, all weights are small. In logs of 2,000 impressions with a median R of 679 and
    an effective sample by design of 5, 95 % intervals covered 56 % (docs/studies/plans.md).

    Args:
        logging: `inclusion_propensities` of all listed entities under the logging policy, [N, E].
        target: The same under the judged policy, [N, E].

    >>> mass, squares = inclusion_design(np.array([[0.5, 0.001, 0.0]]), np.array([[0.5, 0.5, 0.0]]))
    >>> mass.tolist(), squares.tolist(), round(float(mass.sum() ** 2 / squares.sum()), 4)
    ([1.0], [250.5], 0.004)
    """
    squares = np.divide(target**2, logging, out=np.zeros(logging.shape), where=logging > 0.0)
    return np.asarray(target.sum(axis=1)), np.asarray(squares.sum(axis=1))


def check_whole_union_shown(union_sizes: Longs, page_size: int) -> None:
    """Refuse `found_reward` if a drawn union exceeds the page.

    The rewards of entities that were not shown cannot be corrected.

    Raises:
        SupportError: A union exceeds the page; the message has the number of such impressions.

    >>> check_whole_union_shown(np.array([8, 7]), page_size=10)
    >>> check_whole_union_shown(np.array([8, 12]), page_size=10)
    Traceback (most recent call last):
        ...
    ltrr.errors.SupportError: found_reward cannot be corrected if drawn entities are not shown:
    expected unions of at most 10 entities, got 1 of 2 impressions with more, up to 12; use
    page_reward instead
    """
    over = union_sizes > page_size
    if over.any():
        raise SupportError(
            "found_reward cannot be corrected if drawn entities are not shown",
            expected=f"unions of at most {page_size} entities",
            got=f"{int(over.sum())} of {len(union_sizes)} impressions with more, up to {int(union_sizes.max())}",
            todo="use page_reward instead",
        )
