"""Estimators of a policy's value from logs made draw by draw: each is a sum of ratios of exact sums.

With w = P_target(set) / P_logging(set) over all orders, rho_t the product of the first t draws' ratios in the logged
order, r_t the reward of the entities that draw t brought first, r = sum of r_t, q and v the value of the plan and its
mean under the target, Q_t and V_t the reward-to-go of draw t and its mean under the target (`estimation.reward_to_go`):

    sequence_ips  mean(rho_T r)                        union       sum(w r) / sum(w)
    union_ips     mean(w r)                            union_dr    mean(v) + mean(w (r - q))
    union_sndr    mean(v) + sum(w (r - q)) / sum(w)    pdis        mean(sum of rho_t r_t)
    cascade_dr    mean(sum of rho_{t-1} V_t + rho_t (r_t - Q_t))
    inclusion, inclusion_dr: `estimation.inclusion`          placement, placement_dr: `estimation.placement`
    iips, pi: `estimation.slots`

Those that weigh a draw, or an entity wherever it stands, need a reward that what comes later does not change:
`found_reward`. On `page_reward` they are biased, because a later draw moves entities down the page or off it.

Precup et al., ICML 2000, and McInerney et al., KDD 2020 (pdis, RIPS: reward interaction inverse propensity scoring);
Jiang & Li, ICML 2016, and Kiyohara et al., WSDM 2022 (cascade_dr).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ltrr.estimation.draw_orders import DrawWeights
from ltrr.estimation.weights import Floats


@dataclass(frozen=True)
class DrawEstimator:
    """One way to a policy's value.

    Args:
        name: as written everywhere.
        ratios: (numerator, denominator) terms whose ratios add up to it.
        weight: "w", the set's, or "rho", the sequence's; none where each entity has a weight of its own.
        rests_on: term of weighted rewards that tells its evidence R.
        assumes: in words for a reader, beyond right propensities.
        needs: what the log must hold or a model must say for its terms to exist.
        found_only: whether it is right on `found_reward` alone.
        page_only: whether it is meant for `page_reward` alone.
    """

    name: str
    ratios: tuple[tuple[str, str], ...]
    weight: str
    rests_on: str
    assumes: str
    needs: str = ""
    found_only: bool = False
    page_only: bool = False


_ORDERS = "propensities in every state that leads to the same draws, not only in the order of the log"
_Q_HAT = f"a model of what each plan earns, and {_ORDERS}"
_TO_GO = "a model of the reward-to-go, fitted for this target"
_CONTENTS = "the contents of every block that might have been drawn"
_SLOTS = "slots filled independently of each other: here what a draw brings depends on the draws before it"
_PAGES = "the pages of all plans that might have been drawn"
_ALONE = "that a click depends on the entity and its position alone"
_EARLIER = "that no later draw changes what an earlier one earns: found_reward"

DRAW_ESTIMATORS: Mapping[str, DrawEstimator] = {
    estimator.name: estimator
    for estimator in (
        DrawEstimator(
            "sequence_ips",
            (("sequence_weighted", "n"),),
            "rho",
            "sequence_weighted",
            "nothing more: unbiased, of high variance",
        ),
        DrawEstimator(
            "union", (("weighted", "w"),), "w", "weighted", "many impressions: its bias falls as 1/n", _ORDERS
        ),
        DrawEstimator("union_ips", (("weighted", "n"),), "w", "weighted", "nothing more: unbiased", _ORDERS),
        DrawEstimator(
            "union_dr",
            (("direct", "n"), ("residual", "n")),
            "w",
            "weighted",
            "nothing more: unbiased for any cross-fitted q-hat",
            _Q_HAT,
        ),
        DrawEstimator(
            "union_sndr",
            (("direct", "n"), ("residual", "w")),
            "w",
            "weighted",
            "many impressions: its bias falls as 1/n",
            _Q_HAT,
        ),
        DrawEstimator("pdis", (("per_draw", "n"),), "rho", "per_draw", _EARLIER, found_only=True),
        DrawEstimator("cascade_dr", (("cascade", "n"),), "rho", "per_draw", _EARLIER, _TO_GO, found_only=True),
        DrawEstimator("inclusion", (("included", "n"),), "", "included", _EARLIER, _CONTENTS, found_only=True),
        DrawEstimator("inclusion_dr", (("included_dr", "n"),), "", "included", _EARLIER, _CONTENTS, found_only=True),
        DrawEstimator("placement", (("placed", "n"),), "", "placed", _ALONE, _PAGES, page_only=True),
        DrawEstimator("placement_dr", (("placed_dr", "n"),), "", "placed", _ALONE, _PAGES, page_only=True),
        DrawEstimator("iips", (("slots_weighted", "n"),), "", "slots_weighted", "that slots do not interact", _SLOTS),
        DrawEstimator("pi", (("additive_weighted", "n"),), "w", "weighted", "that slots add up", _SLOTS),
    )
}


GIVEN_TERMS = ("included", "included_dr", "included_mass", "included_squares", "placed", "placed_dr")
"""Terms that are made elsewhere, from the contents of blocks."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What the estimators need to know of N logged impressions of at most D draws.

    Args:
        weights: `estimation.draw_orders.DrawWeights`.
        rewards: of the entities that each draw brought first, 0 beyond the last draw, [N, D].
        taken: q of the plan drawn, [N]; None without a model.
        direct: mean of q over the target's plans, [N].
        step_taken: Q of each draw, 0 beyond the last, [N, D]; None without a model.
        step_values: V before each draw, also before a `stop` that was chosen, 0 beyond, [N, D].
        included: `estimation.inclusion.inclusion_rewards`, [N]; None where contents are not known.
        included_dr: the same with a model, [N].
        included_mass: `estimation.inclusion.inclusion_design`, first part, [N]; None where not told.
        included_squares: its second part, [N].
        placed: `estimation.placement.placement_rewards`, [N]; None where other plans' pages are not known.
        placed_dr: the same with a model, [N].
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


def draw_terms(draws: Draws) -> dict[str, Floats]:
    """Terms of each impression by name, [N] each: those that this log and its models allow.

    >>> weights = DrawWeights(np.array([[1.8, 0.72]]), np.array([0.72]), np.array([0.48]))
    >>> terms = draw_terms(Draws(weights, rewards=np.array([[1.0, 2.0]])))
    >>> {name: round(float(values[0]), 4) for name, values in terms.items()}
    {'n': 1.0, 'rho': 0.72, 'sequence_weighted': 2.16, 'per_draw': 3.24, 'w': 0.48, 'weighted': 1.44}
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
