"""The best static plan, a baseline: the one plan with the highest estimated reward."""

from __future__ import annotations

import numpy as np

from ltrr.arrays import Floats
from ltrr.estimation.fixed_point import TERM_UNIT
from ltrr.evaluation.reward_model import PlanRewardModel
from ltrr.evaluation.training_sums import TrainingSums


def choose_static_plan(sums: TrainingSums, model: PlanRewardModel) -> int:
    """Index of the plan with the highest `estimate_static_values`, the first of equal ones."""
    return int(np.argmax(estimate_static_values(sums, model)))


def estimate_static_values(sums: TrainingSums, model: PlanRewardModel) -> Floats:
    """Estimated page_reward of every plan if it served all users, [P], from training users.

    The estimate is doubly robust, with a shrunk correction. With 210 plans under uniform logging,
    each plan has 1/210 of the decisions, and the plan with the highest unshrunk estimate is mostly
    chosen by chance. So the model's mean over all decisions is corrected by t[a] tau^2 / (tau^2 +
    se[a]^2). t[a] is the weighted mean residual of the decisions that took a, and tau^2 is the true
    variance of residuals between plans (Morris, "Parametric Empirical Bayes Inference", JASA 1983).
    """
    coefficients = np.concatenate((model.context, model.plan))
    totals = (sums.taken * TERM_UNIT).astype(np.float64)
    features, reward = totals[:, : len(coefficients)], totals[:, len(coefficients)]
    inverse, inverse_squared = totals[:, -2], totals[:, -1]
    direct = _mean_q_hat(sums, model)
    seen = inverse > 0.0
    weights = np.where(seen, inverse, 1.0)
    residual = np.where(seen, (reward - (features * coefficients).sum(axis=1)) / weights, 0.0)
    noise = np.where(seen, _residual_variance(sums, coefficients) * inverse_squared / weights**2, np.inf)
    if seen.sum() < 2:
        return direct
    spread = max(float((residual[seen] ** 2 - noise[seen]).mean()), 0.0)
    return np.asarray(direct + residual * spread / (spread + np.where(noise > 0.0, noise, 1.0)))


def _mean_q_hat(sums: TrainingSums, model: PlanRewardModel) -> Floats:
    """Mean q-hat of every plan over all decisions, [P]."""
    context = (sums.products[0, : len(model.context)] * TERM_UNIT**2).astype(np.float64) / sums.decisions
    values = (sums.values * TERM_UNIT).astype(np.float64) / sums.decisions
    blocks = (model.space.draws * model.plan[1:]).sum(axis=1)
    return np.asarray(float((context * model.context).sum()) + model.plan[0] * values + blocks)


def _residual_variance(sums: TrainingSums, coefficients: Floats) -> float:
    """Mean squared residual of q-hat per decision: r'r - 2 c'z r + c'z z'c."""
    signed = np.concatenate((coefficients, [-1.0]))
    products = (sums.products * TERM_UNIT**2).astype(np.float64)
    return float(signed @ products @ signed) / sums.decisions
