"""The evidence behind an estimate: one summary for every report, from exact sums by user."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan

import numpy as np

from ltrr.estimation.intervals import Estimate, degrees_of_freedom, estimate_ratio
from ltrr.estimation.moments import ClusteredSums, WeightedRewards


@dataclass(frozen=True)
class EvidenceSummary:
    """Summary of the evidence behind an estimate.

    Attributes:
        evidence: R.
        effective_sample_size: Effective sample size of the weights, in impressions.
        users: Number of users, the clusters.
        impressions: Number of impressions that the estimate is computed from.
        mean_weight: Mean of the weights; its expectation is one.
        unsupported: Share of the policy's probability on plans that the log can never show.
        fallback_share: Share of the window's impressions that were served without the policy.
        is_defined: Whether an interval exists.
        evidence_of_users: R by user: each user's rewards are added up first. At most `evidence` if
            no reward is negative.
        mean_weight_error: Standard error of mean_weight by user; NaN if only sums over decisions
            are known.
        degrees: Degrees of freedom behind the standard error
            (`estimation.intervals.degrees_of_freedom`).
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

    @property
    def least_evidence(self) -> float:
        """The smaller of R by impression and R by user; NaN if R by impression is NaN."""
        return min(self.evidence, self.evidence_of_users)

    def combine_weaker(self, other: EvidenceSummary) -> EvidenceSummary:
        """Summary for the difference of two estimates: the weaker value of each figure."""
        furthest = max(self, other, key=lambda summary: abs(summary.mean_weight - 1.0))
        return EvidenceSummary(
            evidence=_smaller(self.evidence, other.evidence),
            effective_sample_size=_smaller(self.effective_sample_size, other.effective_sample_size),
            users=min(self.users, other.users),
            impressions=min(self.impressions, other.impressions),
            mean_weight=furthest.mean_weight,
            unsupported=max(self.unsupported, other.unsupported),
            fallback_share=max(self.fallback_share, other.fallback_share),
            is_defined=self.is_defined and other.is_defined,
            evidence_of_users=_smaller(self.evidence_of_users, other.evidence_of_users),
            mean_weight_error=furthest.mean_weight_error,
            # An estimate without rewards has no degrees of freedom: NaN, which fmin ignores.
            degrees=float(np.fmin(self.degrees, other.degrees)),
        )


@dataclass(frozen=True)
class EvidenceTerms:
    """Names of the terms of `ClusteredSums` from which evidence is computed.

    Args:
        weight: Weights; empty if each entity has a weight of its own.
        rewards: Weighted rewards.
        count: Ones, the denominator of the mean weight.
        judged: Ones of the impressions that the estimate is computed from; `count` if empty.
        unsupported: The policy's probability on plans that the log can never show; empty if there
            is no such term.
        design: Expected sums of w and of w^2, for estimators without a weight.
    """

    weight: str = "w"
    rewards: str = "weighted"
    count: str = "n"
    judged: str = ""
    unsupported: str = ""
    design: tuple[str, str] | None = None


def summarize_evidence(
    sums: ClusteredSums,
    terms: EvidenceTerms,
    *,
    weighted: WeightedRewards | None = None,
    estimate: Estimate | None = None,
    unsupported: float = 0.0,
    fallback_share: float = 0.0,
) -> EvidenceSummary:
    """The evidence behind an estimate.

    Args:
        sums: Sums by user.
        terms: Names of the terms to read.
        weighted: Sums over impressions. Without them, R and the effective sample are by user.
        estimate: The estimate; an undefined estimate makes the summary undefined.
        unsupported: Share of the policy's probability on plans that the log can never show, used if
            there is no such term.
        fallback_share: Share of the window's impressions that were served without the policy.

    >>> terms = {"w": [2.0, 0.0], "weighted": [2.0, 0.0], "n": [1.0, 1.0]}
    >>> summary = summarize_evidence(ClusteredSums.of(terms, ["u1", "u2"]), EvidenceTerms())
    >>> summary.evidence, summary.effective_sample_size, summary.mean_weight, summary.users
    (1.0, 1.0, 1.0, 2)
    """
    count = round(sums.total(terms.count))
    mean = estimate_ratio(sums, terms.weight, terms.count) if terms.weight else Estimate(nan, nan)
    by_user = sums.evidence(terms.rewards)
    if terms.unsupported:
        unsupported = sums.total(terms.unsupported) / count if count else 0.0
    evidence, sample, mean_weight = by_user, _sample_by_user(sums, terms, count), mean.value
    if weighted is not None:
        evidence, sample = weighted.evidence(), weighted.effective_sample_size()
        mean_weight = weighted.mean_weight()
    elif not terms.weight and sample < evidence:
        evidence = by_user = sample  # The design is the upper bound, whatever this log shows.
    return EvidenceSummary(
        evidence=evidence,
        effective_sample_size=sample,
        users=sums.clusters,
        impressions=round(sums.total(terms.judged)) if terms.judged else count,
        mean_weight=mean_weight,
        unsupported=unsupported,
        fallback_share=fallback_share,
        is_defined=(estimate is None or estimate.is_defined) and (weighted is None or weighted.weights > 0),
        evidence_of_users=by_user,
        mean_weight_error=mean.standard_error,
        degrees=degrees_of_freedom(sums, terms.rewards) if terms.rewards in sums.fourths else inf,
    )


def _sample_by_user(sums: ClusteredSums, terms: EvidenceTerms, count: int) -> float:
    """Effective sample size; each user counts as the average number of impressions per user.

    Without a weight it is that of the design (`estimation.inclusion.inclusion_design`), in
    entities; NaN if unknown.
    """
    if terms.weight:
        return sums.evidence(terms.weight) * count / sums.clusters if sums.clusters else nan
    if terms.design and {*terms.design} <= {*sums.names}:
        squares = sums.total(terms.design[1])
        return sums.total(terms.design[0]) ** 2 / squares if squares else nan
    return nan


def _smaller(one: float, other: float) -> float:
    return one if isnan(one) else other if isnan(other) else min(one, other)
