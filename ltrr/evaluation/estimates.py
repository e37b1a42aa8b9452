"""From exact sums to the rows of `ope_estimates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import isnan, nan
from typing import Any

from ltrr.estimation.intervals import UNDEFINED, Estimate, degrees_of_freedom, estimate_difference, estimate_ratio
from ltrr.estimation.moments import ClusteredSums, WeightedRewards
from ltrr.estimation.verdict import Footing, judge_footing
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER, CHAMPION, JudgedPolicy
from ltrr.evaluation.scoring import N, term
from ltrr.evaluation.settings import EvaluationSettings

ESTIMATORS: Mapping[str, tuple[str, str | None]] = {"ips": ("wr", None), "snips": ("wr", "w"), "dr": ("dr", None)}
"""Estimator -> the terms whose ratio it is; None: the number of impressions."""

HELD_OUT, LIFE = "held_out", "life"
"""What is judged on: held-out users' impressions of the window, or everybody's since a challenger's training."""

REWARD = "page_reward"


def difference_of(policy: str) -> str:
    """The name of the rows that hold a policy's difference from the champion, paired by user.

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
    """Rows of `ope_estimates`: every policy, estimator and slice, and challenger or candidate minus champion.

    A few dozen rows whatever the size of the log.
    """
    rows = []
    versions = {policy.name: policy.version for policy in policies}
    rivals = [name for name in (CHALLENGER, CANDIDATE) if {name, CHAMPION} <= versions.keys()]
    for name, sums in sorted(slices.items()):
        footings = {policy.name: footing_of(sums, policy.name, fallback_share) for policy in policies}
        for estimator in ESTIMATORS:
            for policy in policies:
                estimate = estimate_ratio(sums, *_terms(policy.name, estimator))
                row = figures_of(estimate, footings[policy.name], settings)
                rows.append(row | _keys(policy.name, policy.version, estimator, name))
            for rival in rivals:
                estimate = estimate_difference(sums, _terms(rival, estimator), _terms(CHAMPION, estimator))
                row = figures_of(estimate, footings[rival].weaker(footings[CHAMPION]), settings)
                both = f"{versions[rival]} against {versions[CHAMPION]}"
                rows.append(row | _keys(difference_of(rival), both, estimator, name))
    return [row | {"as_of_date": as_of_date, "judged_on": judged_on, "reward": REWARD} for row in rows]


def _terms(policy: str, estimator: str) -> tuple[str, str]:
    numerator, denominator = ESTIMATORS[estimator]
    return term(policy, numerator), N if denominator is None else term(policy, denominator)


def _keys(policy: str, version: str, estimator: str, slice_name: str) -> dict[str, str]:
    return {"policy": policy, "policy_version": version, "estimator": estimator, "slice": slice_name}


def footing_of(sums: ClusteredSums, policy: str, fallback_share: float) -> Footing:
    """What a policy's estimates rest on: from its sums of weights and weighted rewards."""
    totals = dict(zip(sums.names, sums.totals, strict=True))
    impressions = round(sums.total(N))
    weighted = WeightedRewards(
        impressions,
        totals[term(policy, "w")],
        totals[term(policy, "w_squared")],
        totals[term(policy, "wr")],
        totals[term(policy, "wr_squared")],
    )
    wr, w = term(policy, "wr"), term(policy, "w")
    rewards_of_users = sums.product(wr, wr)
    return Footing(
        evidence=weighted.evidence(),
        effective_sample_size=weighted.effective_sample_size(),
        users=sums.clusters,
        impressions=impressions,
        mean_weight=weighted.mean_weight(),
        unsupported=sums.total(term(policy, "unsupported")) / impressions if impressions else 0.0,
        fallback_share=fallback_share,
        is_defined=bool(impressions) and weighted.weights > 0,
        evidence_of_users=sums.total(wr) ** 2 / rewards_of_users if rewards_of_users else nan,
        mean_weight_error=estimate_ratio(sums, w, N).standard_error,
        degrees=degrees_of_freedom(sums, wr),
    )


def figures_of(estimate: Estimate, footing: Footing, settings: EvaluationSettings) -> dict[str, Any]:
    """The columns of `ope_estimates` that are no keys."""
    shown = replace(estimate, degrees=footing.degrees) if footing.is_defined else UNDEFINED
    verdict, reasons = judge_footing(footing, settings)
    one_sided = (1.0 + settings.confidence) / 2.0
    return {
        "value": _null(shown.value),
        "standard_error": _null(shown.standard_error),
        "low": _null(shown.low(one_sided)),
        "high": _null(shown.high(one_sided)),
        "evidence": _null(footing.evidence_of_users),
        "effective_sample_size": _null(footing.effective_sample_size),
        "impressions": footing.impressions,
        "users": footing.users,
        "verdict": verdict,
        "reasons": reasons,
    }


def _null(value: float) -> float | None:
    """Undefined is null in the table: NaN would sort above every number."""
    return None if isnan(value) else value
