"""How far a number may be trusted, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, sqrt

from ltrr.evaluation.settings import EvaluationSettings

TRUST, TAKE_CARE, DO_NOT_USE = "trust", "take care", "do not use"


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
    """

    evidence: float
    effective_sample_size: float
    users: int
    impressions: int
    mean_weight: float
    unsupported: float
    fallback_share: float
    is_defined: bool

    def weaker(self, other: Footing) -> Footing:
        """What a difference of two estimates rests on: the weaker of both in every respect."""
        return Footing(
            evidence=_least(self.evidence, other.evidence),
            effective_sample_size=_least(self.effective_sample_size, other.effective_sample_size),
            users=min(self.users, other.users),
            impressions=min(self.impressions, other.impressions),
            mean_weight=max(self.mean_weight, other.mean_weight, key=lambda weight: abs(weight - 1.0)),
            unsupported=max(self.unsupported, other.unsupported),
            fallback_share=max(self.fallback_share, other.fallback_share),
            is_defined=self.is_defined and other.is_defined,
        )


def judge_footing(footing: Footing, settings: EvaluationSettings) -> tuple[str, list[str]]:
    """One of trust, take care, do not use, with every reason.

    >>> good = Footing(400.0, 800.0, 500, 6000, 1.0, 0.0, 0.0, True)
    >>> judge_footing(good, EvaluationSettings())
    ('trust', [])
    >>> judge_footing(Footing(12.0, 30.0, 500, 6000, 1.0, 0.0, 0.0, True), EvaluationSettings())[0]
    'do not use'
    """
    if not footing.is_defined:
        return DO_NOT_USE, [f"undefined on {footing.impressions} impressions of {footing.users} users"]
    grave, light = [], []
    if not footing.evidence >= settings.least_evidence:
        grave.append(f"evidence R is {footing.evidence:.1f}, below {settings.least_evidence:g}")
    elif footing.evidence < settings.good_evidence:
        light.append(f"evidence R is {footing.evidence:.1f}, below {settings.good_evidence:g}")
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
    # The mean weight's own standard error: with ESS = n m^2 / mean(w^2) it is m sqrt(1 / ESS - 1 / n). Four of them, so
    # that right propensities raise this alarm about once in ten thousand numbers.
    slack = 4.0 * sqrt(max(1.0 / footing.effective_sample_size - 1.0 / max(footing.impressions, 1), 0.0))
    if abs(footing.mean_weight - 1.0) > slack * footing.mean_weight + 1e-6:
        light.append(f"weights average {footing.mean_weight:.3f} instead of 1: are the logged propensities right?")
    return (DO_NOT_USE if grave else TAKE_CARE if light else TRUST), grave + light


def _least(one: float, other: float) -> float:
    return one if isnan(one) else other if isnan(other) else min(one, other)
