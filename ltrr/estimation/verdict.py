"""How far an estimate can be trusted, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

import numpy as np

from ltrr.errors import check_ranges

TRUST, TAKE_CARE, DO_NOT_USE = "trust", "take care", "do not use"


@dataclass(frozen=True)
class VerdictThresholds:
    """Amount of evidence that an estimate needs, and the confidence of its interval.

    Args:
        confidence: Confidence level of two-sided intervals.
        least_evidence: Minimum evidence R. An estimate with less is marked "do not use".
        good_evidence: Evidence R from which an estimate can be marked "trust".
        good_sample: Effective sample size, in impressions, from which an estimate can be marked "trust".
        good_users: Number of users from which a standard error can be marked "trust".
        unsupported_care: Share of the policy's probability on plans that the log never shows, above which an estimate
            is marked "take care".
        unsupported_limit: Share of the policy's probability on plans that the log never shows, above which an estimate
            is marked "do not use".
        fallback_limit: Share of impressions served without the policy, above which an estimate is marked "do not use".
    """

    confidence: float = 0.95
    least_evidence: float = 20.0
    good_evidence: float = 100.0
    good_sample: float = 100.0
    good_users: int = 50
    unsupported_care: float = 0.05
    unsupported_limit: float = 0.20
    fallback_limit: float = 0.01

    def __post_init__(self) -> None:
        rules = (
            ("confidence", 0.5 < self.confidence < 1.0, "between 0.5 and 1"),
            ("good_evidence", self.good_evidence >= self.least_evidence >= 0.0, ">= least_evidence >= 0"),
            ("unsupported_limit", 0.0 <= self.unsupported_care <= self.unsupported_limit <= 1.0, "care <= limit <= 1"),
            ("fallback_limit", 0.0 <= self.fallback_limit <= 1.0, "0..1"),
        )
        check_ranges("evaluation", self, rules)


@dataclass(frozen=True)
class Footing:
    """What an estimate rests on.

    Attributes:
        evidence: R.
        effective_sample_size: of the weights, in impressions.
        users: clusters.
        impressions: judged on.
        mean_weight: one in expectation.
        unsupported: share of the policy's mass on plans that the log can never show.
        fallback_share: of the window's impressions.
        is_defined: whether there is an interval at all.
        evidence_of_users: R with each user's rewards added up first; never above `evidence`.
        mean_weight_error: standard error of mean_weight by user; NaN where only sums over decisions are known.
        degrees: of freedom behind the standard error (`estimation.intervals.degrees_of_freedom`).
    """

    evidence: float
    effective_sample_size: float
    users: int
    impressions: int
    mean_weight: float
    unsupported: float
    fallback_share: float
    is_defined: bool
    evidence_of_users: float = inf
    mean_weight_error: float = nan
    degrees: float = inf

    def weaker(self, other: Footing) -> Footing:
        """What a difference of two estimates rests on: the weaker of both in every respect."""
        odder = max(self, other, key=lambda footing: abs(footing.mean_weight - 1.0))
        return Footing(
            evidence=_least(self.evidence, other.evidence),
            effective_sample_size=_least(self.effective_sample_size, other.effective_sample_size),
            users=min(self.users, other.users),
            impressions=min(self.impressions, other.impressions),
            mean_weight=odder.mean_weight,
            unsupported=max(self.unsupported, other.unsupported),
            fallback_share=max(self.fallback_share, other.fallback_share),
            is_defined=self.is_defined and other.is_defined,
            evidence_of_users=_least(self.evidence_of_users, other.evidence_of_users),
            mean_weight_error=odder.mean_weight_error,
            # A side that earned nothing has no error of its own to know.
            degrees=float(np.fmin(self.degrees, other.degrees)),
        )


def judge_footing(footing: Footing, settings: VerdictThresholds) -> tuple[str, list[str]]:
    """One of trust, take care, do not use, with every reason.

    >>> from dataclasses import replace
    >>> good = Footing(400.0, 800.0, 500, 6000, 1.0, 0.0, 0.0, True)
    >>> judge_footing(good, VerdictThresholds())
    ('trust', [])
    >>> judge_footing(Footing(12.0, 30.0, 500, 6000, 1.0, 0.0, 0.0, True), VerdictThresholds())[0]
    'do not use'

    Users are what is independent: a thousand rewards of ten users are ten pieces of evidence, so R counts users.

    >>> judge_footing(replace(good, evidence_of_users=60.0), VerdictThresholds())
    ('take care', ['evidence R is 60.0, below 100'])
    """
    if not footing.is_defined:
        return DO_NOT_USE, [f"undefined on {footing.impressions} impressions of {footing.users} users"]
    grave, light = [], []
    evidence = min(footing.evidence, footing.evidence_of_users)
    if not evidence >= settings.least_evidence:
        grave.append(f"evidence R is {evidence:.1f}, below {settings.least_evidence:g}")
    elif evidence < settings.good_evidence:
        light.append(f"evidence R is {evidence:.1f}, below {settings.good_evidence:g}")
    if footing.effective_sample_size < settings.good_sample:
        light.append(
            f"effective sample of {footing.effective_sample_size:.1f} impressions, below {settings.good_sample:g}"
        )
    if footing.users < settings.good_users:
        light.append(f"{footing.users} users, fewer than {settings.good_users}")
    if footing.unsupported > settings.unsupported_limit:
        grave.append(f"{footing.unsupported:.1%} of the policy cannot be seen in this log")
    elif footing.unsupported > settings.unsupported_care:
        light.append(f"{footing.unsupported:.1%} of the policy cannot be seen in this log")
    if footing.fallback_share > settings.fallback_limit:
        grave.append(f"{footing.fallback_share:.1%} of impressions fell back, above {settings.fallback_limit:.1%}")
    # Four standard errors, so that right propensities raise this alarm about once in ten thousand numbers. Weights of
    # one user are alike, so the error is by user; else, with ESS = n m^2 / mean(w^2), it is m sqrt(1 / ESS - 1 / n).
    error = footing.mean_weight_error
    if isnan(error):
        alone = max(1.0 / footing.effective_sample_size - 1.0 / max(footing.impressions, 1), 0.0)
        error = footing.mean_weight * sqrt(alone)
    if abs(footing.mean_weight - 1.0) > 4.0 * error + 1e-6:
        # Too little of it may also be weights so rare that this log has none: nobody can tell which.
        doubt = "can the log show what the policy does, and " if footing.mean_weight < 1.0 else ""
        light.append(
            f"weights average {footing.mean_weight:.3f} instead of 1: {doubt}are the logged propensities right?"
        )
    return (DO_NOT_USE if grave else TAKE_CARE if light else TRUST), grave + light


def _least(one: float, other: float) -> float:
    return one if isnan(one) else other if isnan(other) else min(one, other)
