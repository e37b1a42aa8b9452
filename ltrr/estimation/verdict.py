"""The verdict on an estimate, with its reasons: trust, take care or do not use."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, sqrt

from ltrr.errors import check_ranges
from ltrr.estimation.evidence import EvidenceSummary

TRUST, TAKE_CARE, DO_NOT_USE = "trust", "take care", "do not use"


@dataclass(frozen=True)
class VerdictThresholds:
    """Amount of evidence that an estimate needs, and the confidence of its interval.

    Args:
        confidence: Confidence level of two-sided intervals.
        least_evidence: Minimum evidence R. An estimate with less is marked "do not use".
        good_evidence: Evidence R from which an estimate can be marked "trust".
        good_sample: Effective sample size, in impressions, from which an estimate can be marked
            "trust".
        good_users: Number of users from which a standard error can be marked "trust".
        unsupported_care: Share of the policy's probability on plans that the log never shows, above
            which an estimate is marked "take care".
        unsupported_limit: Share of the policy's probability on plans that the log never shows,
            above which an estimate is marked "do not use".
        fallback_limit: Share of impressions served without the policy, above which an estimate is
            marked "do not use".
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


def judge_evidence(summary: EvidenceSummary, settings: VerdictThresholds) -> tuple[str, list[str]]:
    """The verdict (trust, take care or do not use) with every reason.

    >>> from dataclasses import replace
    >>> good = EvidenceSummary(400.0, 800.0, 500, 6000, 1.0, 0.0, 0.0, True)
    >>> judge_evidence(good, VerdictThresholds())
    ('trust', [])
    >>> judge_evidence(replace(good, evidence=12.0), VerdictThresholds())[0]
    'do not use'

    R counts users, because only users are independent: a thousand rewards of ten users are ten
    pieces of evidence.

    >>> judge_evidence(replace(good, evidence_of_users=60.0), VerdictThresholds())
    ('take care', ['evidence R is 60.0, below 100'])
    """
    if not summary.is_defined:
        return DO_NOT_USE, [f"undefined on {summary.impressions} impressions of {summary.users} users"]
    grave, light = [], []
    evidence = summary.least_evidence
    if not evidence >= settings.least_evidence:
        grave.append(f"evidence R is {evidence:.1f}, below {settings.least_evidence:g}")
    elif evidence < settings.good_evidence:
        light.append(f"evidence R is {evidence:.1f}, below {settings.good_evidence:g}")
    if summary.effective_sample_size < settings.good_sample:
        light.append(
            f"effective sample of {summary.effective_sample_size:.1f} impressions, below {settings.good_sample:g}"
        )
    if summary.users < settings.good_users:
        light.append(f"{summary.users} users, fewer than {settings.good_users}")
    if summary.unsupported > settings.unsupported_limit:
        grave.append(f"{summary.unsupported:.1%} of the policy cannot be seen in this log")
    elif summary.unsupported > settings.unsupported_care:
        light.append(f"{summary.unsupported:.1%} of the policy cannot be seen in this log")
    if summary.fallback_share > settings.fallback_limit:
        grave.append(f"{summary.fallback_share:.1%} of impressions fell back, above {settings.fallback_limit:.1%}")
    light += _question_weights(summary)
    return (DO_NOT_USE if grave else TAKE_CARE if light else TRUST), grave + light


def _question_weights(summary: EvidenceSummary) -> list[str]:
    """The reason to take care if the mean weight differs significantly from one; else empty.

    The limit is four standard errors: correct propensities exceed it about once in ten thousand
    estimates. The error is by user, because the weights of one user are alike. Where it is unknown,
    it is m sqrt(1 / ESS - 1 / n), with ESS = n m^2 / mean(w^2).
    """
    error = summary.mean_weight_error
    if isnan(error):
        excess = max(1.0 / summary.effective_sample_size - 1.0 / max(summary.impressions, 1), 0.0)
        error = summary.mean_weight * sqrt(excess)
    if not abs(summary.mean_weight - 1.0) > 4.0 * error + 1e-6:
        return []
    # A mean below one has a second possible cause: large weights so rare that this log lacks them.
    doubt = "can the log show what the policy does, and " if summary.mean_weight < 1.0 else ""
    return [f"weights average {summary.mean_weight:.3f} instead of 1: {doubt}are the logged propensities right?"]
