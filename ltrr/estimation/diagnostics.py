"""Diagnostics of an estimate that its interval does not show: disagreement and model error.

Some estimators assume only that the propensities are correct (`needs_right_propensities_only` in
the registry). They all estimate one number. Their differences, paired by user, have mean zero, up
to a bias of 1/n. A significant difference means wrong propensities, or weights so large that their
spread is unknown.

The ratio of sum of w q-hat to sum of w r shows whether the reward model predicts the rewards of the
judged policy. Doubly robust estimators correct the difference, `dm` does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import isnan, nan
from typing import Any

from ltrr.estimation.estimators import ESTIMATORS, DecisionEstimator, ModelUse
from ltrr.estimation.intervals import Estimate, degrees_of_freedom, estimate_ratio, estimate_sum_difference
from ltrr.estimation.logged_moments import LoggedMoments

SIGNIFICANCE = 1.0 - 3.2e-5
"""One-sided confidence from which a difference is significant.

It is four standard errors with many users, and more with few. The mean weight has the same rule."""

MODEL_ERROR, LARGE_MODEL_ERROR = 0.10, 0.25
"""Significant relative errors of a reward model.

The first is reported. From the second on, an estimate that rests on the model alone is marked "do
not use"."""

_CUT = 0.01
"""Share of the weights cut off above which the reward model that replaces them is checked."""


@dataclass(frozen=True)
class Disagreement:
    """The two estimators whose estimates differ most.

    Attributes:
        pair: Names of the two; empty if fewer than two estimates are defined.
        difference: First estimate minus second, paired by user.
    """

    pair: tuple[str, ...]
    difference: Estimate

    @property
    def errors(self) -> float:
        """Absolute difference in standard errors; NaN without a standard error."""
        error = self.difference.standard_error
        return abs(self.difference.value) / error if error > 0.0 else nan

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant."""
        return self.difference.low(SIGNIFICANCE) > 0.0 or self.difference.high(SIGNIFICANCE) < 0.0


def find_widest_disagreement(moments: LoggedMoments) -> Disagreement:
    """The largest disagreement of all pairs of estimators that the log allows.

    >>> import numpy as np
    >>> from ltrr.estimation.decisions import Decisions
    >>> weights, rewards = np.array([1.6, 0.4, 1.0, 2.0]), np.array([1.0, 0.0, 1.0, 0.0])
    >>> decisions = Decisions(weights=weights, rewards=rewards)
    >>> found = find_widest_disagreement(LoggedMoments.of(decisions, largest_weight=100.0))
    >>> found.pair, round(found.difference.value, 6), found.is_significant
    (('ips', 'snips'), 0.13, False)
    """
    compared = [one for one in ESTIMATORS.values() if one.needs_right_propensities_only and has_terms(moments, one)]
    degrees = degrees_of_freedom(moments.ratios, "weighted")
    pairs = [
        Disagreement(
            (one.name, other.name),
            replace(estimate_sum_difference(moments.ratios, one.ratios, other.ratios), degrees=degrees),
        )
        for one, other in combinations(compared, 2)
    ]
    measured = [pair for pair in pairs if not isnan(pair.errors)]
    return max(measured, key=lambda pair: pair.errors) if measured else Disagreement((), Estimate(nan, nan))


def estimate_predicted_ratio(moments: LoggedMoments) -> Estimate:
    """Sum of w q-hat over sum of w r, paired by user.

    One if the reward model is correct for the judged policy. NaN without a reward model or without
    any reward.
    """
    if "residual" not in moments.ratios.names:
        return Estimate(nan, nan)
    missed = estimate_ratio(moments.ratios, "residual", "weighted")  # w (r - q) over w r
    return Estimate(1.0 - missed.value, missed.standard_error, degrees_of_freedom(moments.ratios, "weighted"))


def has_terms(moments: LoggedMoments, estimator: DecisionEstimator) -> bool:
    """Whether the sums contain all terms of the estimator."""
    return estimator.terms <= set(moments.ratios.names)


def build_diagnostic_figures(moments: LoggedMoments, one_sided: float) -> dict[str, Any]:
    """Columns of a report, None without a reward model; each bound has confidence `one_sided`."""
    ratio, furthest = estimate_predicted_ratio(moments), find_widest_disagreement(moments)
    has_model = "residual" in moments.ratios.names
    return {
        "predicted_ratio": ratio.value if has_model else None,
        "predicted_low": ratio.low(one_sided) if has_model else None,
        "predicted_high": ratio.high(one_sided) if has_model else None,
        "furthest_pair": list(furthest.pair),
        "furthest_errors": furthest.errors,
    }


def find_diagnostic_reasons(
    estimator: DecisionEstimator, moments: LoggedMoments, cut: float, figures: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Reasons not to use an estimate, and reasons to take care.

    Args:
        estimator: The estimator.
        moments: Moments of the slice.
        cut: Share of all weight that the estimator cuts off.
        figures: `build_diagnostic_figures` of the slice.
    """
    grave: list[str] = []
    light: list[str] = []
    furthest = find_widest_disagreement(moments)
    if estimator.needs_right_propensities_only and furthest.is_significant:
        light.append(
            f"{furthest.pair[0]} and {furthest.pair[1]} differ by {furthest.errors:.1f} standard errors of their "
            "difference: wrong propensities, or a few large weights"
        )
    is_alone = estimator.model is ModelUse.ALONE
    uses_model = is_alone or (estimator.model is ModelUse.TRUSTED_WHERE_CUT and cut > _CUT)
    low, high = figures["predicted_low"], figures["predicted_high"]
    if uses_model and low is not None and (low > 1.0 + MODEL_ERROR or high < 1.0 - MODEL_ERROR):
        reason = f"the reward model predicts {figures['predicted_ratio']:.2f} of what is earned"
        is_far = is_alone and (low > 1.0 + LARGE_MODEL_ERROR or high < 1.0 - LARGE_MODEL_ERROR)
        (grave if is_far else light).append(reason)
    return grave, light
