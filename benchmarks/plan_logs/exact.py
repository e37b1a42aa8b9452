"""Exact standard deviations of unbiased estimators: sums over all searches, plans and orders.

Rare draws with large weights cause most of the variance. Hundreds of logs can lack all of these
draws, and then a measured deviation is too small. For an estimator that is a mean of one term for
each impression, the mean square of the term is a sum that can be computed.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from benchmarks.plan_logs.judging import REWARDS, Judge, PolicyPropensities, fit_plans
from benchmarks.plan_logs.log import Log
from benchmarks.plan_logs.policies import DrawPolicy
from ltrr.arrays import Floats
from ltrr.estimation.inclusion import inclusion_design

Exact = dict[tuple[str, str], float]
"""(reward, estimator) -> standard deviation of one impression's term."""

DESIGN = "design"
"""Effective number of entities for each impression by the inclusion weights; it is not an error."""

PERFECT = "perfect"
"""Doubly robust with the true reward model: the lower bound for all models with these weights."""

_QUERIES_AT_ONCE = 256


def sequence_errors(judge: Judge, target: DrawPolicy, logging: DrawPolicy, side: PolicyPropensities) -> Exact:
    """Standard deviations of sequence_ips: sums over all orders of all plans."""
    pages, squared = judge.pages, target.squared_weights(judge.pages, logging)
    return {
        (kind, "sequence_ips"): _deviation(judge, side, kind, (squared * pages.squares[kind]).sum(axis=1))
        for kind in REWARDS
    }


def set_errors(
    judge: Judge, logging: PolicyPropensities, target: PolicyPropensities, log: Log, ips: str, dr: str
) -> Exact:
    """Standard deviations of estimators with weights of the set of blocks.

    `ips` has no model, `dr` has the q-hat of one large log, and `PERFECT` has the true q. With q
    fixed, the term v + w (r - q) has the mean square
    v^2 + 2 v sum(P (m - q)) + sum(P w (var + (m - q)^2)).
    """
    pages, exact = judge.pages, {}
    squared = target.plans**2 / logging.plans
    for kind in REWARDS:
        mean, spread = pages.expected_rewards[kind], pages.squares[kind] - pages.expected_rewards[kind] ** 2
        fitted = fit_plans(judge, log, kind, log.rewards(kind).sum(axis=1)).mean(axis=0)
        for name, q in ((ips, np.zeros(mean.shape)), (dr, judge.q_table(kind, fitted)), (PERFECT, mean)):
            direct = (target.plans * q).sum(axis=1)
            square = direct**2 + 2.0 * direct * (target.plans * (mean - q)).sum(axis=1)
            square += (squared * (spread + (mean - q) ** 2)).sum(axis=1)
            exact[kind, name] = _deviation(judge, target, kind, square)
    return exact


def entity_errors(judge: Judge, logging: PolicyPropensities, target: PolicyPropensities) -> Exact:
    """Standard deviations of inclusion and placement, without a model and with learned values."""
    pages = judge.pages
    squares: dict[tuple[str, str], list[Floats]] = {}
    for start in range(0, len(pages.traffic), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        shown = pages.shown[part].astype(np.int64)
        attraction, learned = _take_values(pages.attraction[part], shown), _take_values(pages.learned[part], shown)
        chance = attraction * pages.examination
        included = np.zeros(pages.attraction[part].shape)
        np.divide(
            target.inclusion[part], logging.inclusion[part], out=included[:, :-1], where=logging.inclusion[part] > 0.0
        )
        rows, positions = np.arange(len(shown))[:, None, None], np.arange(shown.shape[2])
        logged, judged = (side.placement[part][rows, shown, positions] for side in (logging, target))
        weights = {"found": _take_values(included, shown), "page": judged / logged}
        spread = chance * (1.0 - chance)
        for kind, name, mean, variance, q in (
            ("found", "inclusion", attraction, spread / pages.examination**2, learned),
            ("page", "placement", chance, spread, learned * pages.examination),
        ):
            for suffix, model in (("", np.zeros(q.shape)), ("_dr", q)):
                direct = (target.plans[part] * model.sum(axis=2)).sum(axis=1)
                w = weights[kind]
                term = direct[:, None] + (w * (mean - model)).sum(axis=2)
                square = (logging.plans[part] * (term**2 + (w**2 * variance).sum(axis=2))).sum(axis=1)
                squares.setdefault((kind, name + suffix), []).append(square)
    deviations = {
        (kind, name): _deviation(judge, target, kind, np.concatenate(parts)) for (kind, name), parts in squares.items()
    }
    return deviations | {("found", DESIGN): _design_sample(judge, logging, target)}


def _design_sample(judge: Judge, logging: PolicyPropensities, target: PolicyPropensities) -> float:
    """Effective number of entities for each impression of a log, by the inclusion weights."""
    mass, squares = inclusion_design(logging.inclusion, target.inclusion)
    traffic = judge.pages.traffic
    return float((traffic @ mass) ** 2 / (traffic @ squares))


def _take_values(values: Floats, shown: np.ndarray[tuple[int, int, int], np.dtype[np.int64]]) -> Floats:
    """Value of the entity at each position of each page, [q, P, L]."""
    return np.asarray(np.take_along_axis(values, shown.reshape(len(shown), -1), axis=1).reshape(shown.shape))


def _deviation(judge: Judge, target: PolicyPropensities, kind: str, mean_squares: Floats) -> float:
    return sqrt(judge.pages.traffic @ mean_squares - judge.pages.value(target.plans, kind) ** 2)
