"""The gain that a policy in shadow mode is predicted to bring, with the limits of the prediction.

The static page always shows one plan, so the log holds no reward of any other: no weight corrects
for that, and only a model can predict. The *direct method* compares values v of plans, which are
learned from clicks on the static page:

    gain = sum over searches of sum_a pi(a) v(a)  /  sum over searches of v(static)  -  1

It is relative: the scale of v, and errors that both sides share, cancel. **Sensitivity.** Blocks
that the page did not show were never clicked. Of plan a, that is the share 1 - (blocks common with
the static plan) / budget of v(a). If this part is worth 1 / s to s times its prediction, the gain
has a range. Its ends get the confidence bounds of users. `breaks_at` is the factor s at which the
lower end of the range is zero: a gain with a large `breaks_at` needs a bad model to be false.

Dudik et al., "Doubly Robust Policy Evaluation and Learning", ICML 2011 (the direct method);
Rosenbaum, "Observational Studies", 2002, ch. 4 (sensitivity analysis).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, isfinite, isnan, nan
from typing import Any

from ltrr.estimation.intervals import Estimate, estimate_ratio
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE
from ltrr.evaluation.scoring import N
from ltrr.shadow.terms import floor_term

ONLY_A_MODEL = (
    "no plan but the static one was served: the gain is a model's prediction, which only a canary can confirm"
)
TOO_HIGH = "values count entities that are found, at any place on the page, so the prediction is often too high"
NO_WORTH = "the learned values give the static page no worth: nothing has been learned yet"


@dataclass(frozen=True)
class ShadowGain:
    """The report on one slice of searches, at one floor of exploration.

    Attributes:
        searches: Number of searches.
        users: Number of users, which are the clusters.
        reward: Mean page_reward of the static page.
        same_plan: Mean probability with which the canary draws the static plan.
        same_greedy: Share of searches whose best plan is the static one.
        mass_fetched: Share of its probability on plans whose blocks were all fetched. This is the
            most that the log can show; `same_plan` is what its rewards can show.
        gain: Predicted gain of the policy as served, relative to the static page.
        low, high: Range of the gain: sensitivity and confidence of users.
        breaks_at: Sensitivity at which the predicted gain is no longer above zero; inf if none
            does, 1 if the prediction itself is not above zero.
        verdict: `take care` or `do not use`, never more.
        reasons: Reasons for the verdict; never empty.
    """

    searches: int
    users: int
    reward: float
    same_plan: float
    same_greedy: float
    mass_fetched: float
    gain: float
    low: float
    high: float
    breaks_at: float
    verdict: str
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; undefined and infinite numbers are null."""
        return {
            name: None if isinstance(value, float) and not isfinite(value) else value
            for name, value in asdict(self).items()
        }


def report_gain(sums: ClusteredSums, place: int, sensitivity: float, confidence: float, least_users: int) -> ShadowGain:
    """The report from the sums of one slice.

    Args:
        sums: Sums by user (`shadow.terms`).
        place: Place of the floor in the settings.
        sensitivity: Factor with which the sums were made.
        confidence: Two-sided confidence of the range, such as .95.
        least_users: Number of users below which the prediction is not used.
    """
    value = estimate_ratio(sums, floor_term(place, "policy"), "static")
    low = estimate_ratio(sums, floor_term(place, "low"), "static")
    high = estimate_ratio(sums, floor_term(place, "high"), "static")
    level = (1.0 + confidence) / 2.0
    reasons = _list_grave_reasons(sums, value, least_users)
    return ShadowGain(
        searches=round(sums.total(N)),
        users=sums.clusters,
        reward=estimate_ratio(sums, "reward", N).value,
        same_plan=estimate_ratio(sums, floor_term(place, "same"), N).value,
        same_greedy=estimate_ratio(sums, "greedy", N).value,
        mass_fetched=estimate_ratio(sums, floor_term(place, "fetched"), N).value,
        gain=value.value - 1.0,
        low=low.low(level) - 1.0 if low.is_defined else nan,
        high=high.high(level) - 1.0 if high.is_defined else nan,
        breaks_at=find_breaking_sensitivity(value.value, low.value, sensitivity),
        verdict=DO_NOT_USE if reasons else TAKE_CARE,
        reasons=(*reasons, ONLY_A_MODEL, TOO_HIGH),
    )


def report_slices(
    slices: Mapping[str, ClusteredSums], place: int, sensitivity: float, confidence: float, least_users: int
) -> dict[str, ShadowGain]:
    """Name of the slice -> its report."""
    return {
        name: report_gain(sums, place, sensitivity, confidence, least_users) for name, sums in sorted(slices.items())
    }


def find_breaking_sensitivity(value: float, low: float, sensitivity: float) -> float:
    """Sensitivity at which the lower end of the gain is zero.

    Args:
        value: Predicted ratio of the policy's value to that of the static page.
        low: The ratio if blocks that were not shown are worth 1 / sensitivity of the prediction.
        sensitivity: That factor, above 1.

    The part of the ratio that is not shown is u = (value - low) / (1 - 1 / sensitivity), and the
    gain is zero where u (1 - 1 / s) = value - 1.

    >>> round(find_breaking_sensitivity(1.2, 1.1, 1.5), 6)
    3.0
    >>> find_breaking_sensitivity(1.2, 1.15, 1.5), find_breaking_sensitivity(0.9, 0.8, 1.5)
    (inf, 1.0)
    """
    if isnan(value) or sensitivity <= 1.0:
        return nan
    if value <= 1.0:
        return 1.0
    unshown = (value - low) / (1.0 - 1.0 / sensitivity)
    left = 1.0 - (value - 1.0) / unshown if unshown > 0.0 else 0.0
    return 1.0 / left if left > 0.0 else inf


def _list_grave_reasons(sums: ClusteredSums, value: Estimate, least_users: int) -> tuple[str, ...]:
    reasons = []
    if sums.clusters < least_users:
        reasons.append(f"{sums.clusters} users, fewer than {least_users}")
    if isnan(value.value):
        reasons.append(NO_WORTH)
    return tuple(reasons)
