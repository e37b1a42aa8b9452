"""Logged impressions made draw by draw, and the terms that `DRAW_ESTIMATORS` add up.

`estimation.estimators` has the formulas and symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats
from ltrr.estimation.draw_orders import DrawWeights

GIVEN_TERMS = ("included", "included_dr", "included_mass", "included_squares", "placed", "placed_dr")
"""Terms that are columns of the log, computed from the contents of blocks."""


@dataclass(frozen=True, eq=False)
class Draws:
    """N logged impressions of at most D draws, as the estimators take them.

    Args:
        weights: `estimation.draw_orders.DrawWeights`.
        rewards: Reward of the entities that each draw was the first to return, 0 after the last
            draw, [N, D].
        taken: q of the plan drawn, [N]; None without a model.
        direct: Mean of q over the target's plans, [N].
        step_taken: Q of each draw, 0 after the last, [N, D]; None without a model.
        step_values: V before each draw and before a chosen `stop`, 0 after that, [N, D].
        included: `estimation.inclusion.inclusion_rewards`, [N]; None if the contents of blocks are
            unknown.
        included_dr: The same with a model, [N].
        included_mass: First part of `estimation.inclusion.inclusion_design`, [N]; None if unknown.
        included_squares: Its second part, [N].
        placed: `estimation.placement.placement_rewards`, [N]; None if the pages of other plans are
            unknown.
        placed_dr: The same with a model, [N].
    """

    weights: DrawWeights
    rewards: Floats
    taken: Floats | None = None
    direct: Floats | None = None
    step_taken: Floats | None = None
    step_values: Floats | None = None
    included: Floats | None = None
    included_dr: Floats | None = None
    included_mass: Floats | None = None
    included_squares: Floats | None = None
    placed: Floats | None = None
    placed_dr: Floats | None = None

    def __len__(self) -> int:
        return len(self.rewards)


def compute_draw_terms(draws: Draws) -> dict[str, Floats]:
    """Terms of each impression by name, [N] each, as far as the log and its models allow.

    >>> weights = DrawWeights(np.array([[1.8, 0.72]]), np.array([0.72]), np.array([0.48]))
    >>> terms = compute_draw_terms(Draws(weights, rewards=np.array([[1.0, 2.0]])))
    >>> {name: round(float(values[0]), 4) for name, values in terms.items()}
    {'n': 1.0, 'rho': 0.72, 'sequence_weighted': 2.16, 'per_draw': 3.24, 'w': 0.48,
     'weighted': 1.44}
    """
    running, rho, w = draws.weights.running, draws.weights.sequence, draws.weights.union
    total = draws.rewards.sum(axis=1)
    terms = {
        "n": np.ones(len(draws)),
        "rho": rho,
        "sequence_weighted": rho * total,
        "per_draw": (running * draws.rewards).sum(axis=1),
    }
    if w is not None:
        terms |= {"w": w, "weighted": w * total}
    if w is not None and draws.taken is not None and draws.direct is not None:
        terms |= {"direct": draws.direct, "residual": w * (total - draws.taken)}
    if draws.step_taken is not None and draws.step_values is not None:
        before = np.column_stack([np.ones(len(draws)), running[:, :-1]])
        corrected = before * draws.step_values + running * (draws.rewards - draws.step_taken)
        terms["cascade"] = corrected.sum(axis=1)
    for name in GIVEN_TERMS:
        given = getattr(draws, name)
        if given is not None:
            terms[name] = given
    return terms
