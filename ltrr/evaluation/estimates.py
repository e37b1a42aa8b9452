"""Rows of `ope_estimates`, from exact sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import isnan
from typing import Any

from ltrr.estimation.estimators import list_nightly_estimators
from ltrr.estimation.evidence import EvidenceSummary, EvidenceTerms, summarize_evidence
from ltrr.estimation.intervals import UNDEFINED, Estimate, estimate_sum, estimate_sum_difference
from ltrr.estimation.moments import ClusteredSums, WeightedRewards
from ltrr.estimation.verdict import judge_evidence
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER, CHAMPION, JudgedPolicy
from ltrr.evaluation.scoring import EVIDENCE, REWARDS, N, list_ratios, term
from ltrr.evaluation.settings import EvaluationSettings

HELD_OUT, LIFE = "held_out", "life"
"""Impressions that estimates use.

They are those of held-out users in the window, or of all users since a challenger's training."""

REWARD = "page_reward"


def difference_of(policy: str) -> str:
    """Name of the rows with a policy's difference from the champion, paired by user.

    >>> difference_of("challenger")
    'challenger-champion'
    """
    return f"{policy}-{CHAMPION}"


def estimate_rows(
    as_of_date: date,
    slices: Mapping[str, ClusteredSums],
    policies: Sequence[JudgedPolicy],
    fallback_share: float,
    settings: EvaluationSettings,
    judged_on: str = HELD_OUT,
) -> list[dict[str, Any]]:
    """Rows of `ope_estimates` for every policy, estimator and slice, and for differences.

    The differences are those of challenger and candidate from the champion. There are a few dozen
    rows, whatever the size of the log.
    """
    rows = []
    versions = {policy.name: policy.version for policy in policies}
    rivals = [name for name in (CHALLENGER, CANDIDATE) if {name, CHAMPION} <= versions.keys()]
    for name, sums in sorted(slices.items()):
        summaries = {policy.name: summarize_policy(sums, policy.name, fallback_share) for policy in policies}
        for estimator in list_nightly_estimators():
            for policy in policies:
                estimate = estimate_sum(sums, list_ratios(estimator, policy.name))
                row = build_figures(estimate, summaries[policy.name], settings)
                rows.append(row | _keys(policy.name, policy.version, estimator.name, name))
            for rival in rivals:
                ratios = list_ratios(estimator, rival), list_ratios(estimator, CHAMPION)
                estimate = estimate_sum_difference(sums, *ratios)
                row = build_figures(estimate, summaries[rival].combine_weaker(summaries[CHAMPION]), settings)
                both = f"{versions[rival]} against {versions[CHAMPION]}"
                rows.append(row | _keys(difference_of(rival), both, estimator.name, name))
    return [row | {"as_of_date": as_of_date, "judged_on": judged_on, "reward": REWARD} for row in rows]


def _keys(policy: str, version: str, estimator: str, slice_name: str) -> dict[str, str]:
    return {"policy": policy, "policy_version": version, "estimator": estimator, "slice": slice_name}


def summarize_policy(sums: ClusteredSums, policy: str, fallback_share: float, *, judged: str = N) -> EvidenceSummary:
    """Summary of the evidence behind a policy's estimates.

    Args:
        sums: Sums of one slice, by user.
        policy: Name of the policy in the columns.
        fallback_share: Share of the impressions that were served without the policy.
        judged: Column of ones of the impressions that the estimates use.
    """
    totals = dict(zip(sums.names, sums.totals, strict=True))
    weighted = WeightedRewards(round(sums.total(N)), *(totals[term(policy, name)] for name in EVIDENCE))
    columns = (term(policy, name) for name in ("w", REWARDS, "unsupported"))
    weight, rewards, unsupported = columns
    return summarize_evidence(
        sums,
        EvidenceTerms(weight, rewards, N, judged, unsupported),
        weighted=weighted,
        fallback_share=fallback_share,
    )


def build_figures(estimate: Estimate, summary: EvidenceSummary, settings: EvaluationSettings) -> dict[str, Any]:
    """The columns of `ope_estimates` that are not keys."""
    shown = replace(estimate, degrees=summary.degrees) if summary.is_defined else UNDEFINED
    verdict, reasons = judge_evidence(summary, settings)
    one_sided = (1.0 + settings.confidence) / 2.0
    return {
        "value": _or_none(shown.value),
        "standard_error": _or_none(shown.standard_error),
        "low": _or_none(shown.low(one_sided)),
        "high": _or_none(shown.high(one_sided)),
        "evidence": _or_none(summary.evidence_of_users),
        "effective_sample_size": _or_none(summary.effective_sample_size),
        "impressions": summary.impressions,
        "users": summary.users,
        "verdict": verdict,
        "reasons": reasons,
    }


def _or_none(value: float) -> float | None:
    """The value, or None if it is undefined: in a table, NaN would sort above every number."""
    return None if isnan(value) else value
