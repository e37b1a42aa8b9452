"""Judgements for the gate, from the rows of `ope_estimates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from ltrr.estimation.intervals import UNDEFINED, Estimate
from ltrr.estimation.sequential import SliceLook
from ltrr.estimation.verdict import DO_NOT_USE
from ltrr.evaluation.estimates import difference_of
from ltrr.evaluation.judged_policy import CHAMPION
from ltrr.evaluation.scoring import ALL
from ltrr.publishing.gate import Judgement
from ltrr.users.naming import is_about_a_user

Row = Mapping[str, Any]


def judgement_of(
    rows: Sequence[Row], policy: str, *, nights: int, least_evidence: float, objections: tuple[str, ...] = ()
) -> Judgement:
    """The evidence on one policy against the champion, from a night's doubly robust estimates.

    Args:
        rows: Doubly robust estimates of one scan, for all slices and policies.
        policy: Name of the judged policy.
        nights: Number of closed dates in the scan.
        least_evidence: Minimum R of a slice with evidence.
        objections: Objections from other checks; an estimate that must not be used adds its
            reasons.
    """
    found = {(row["slice"], row["policy"]): row for row in rows}
    difference, champion = found.get((ALL, difference_of(policy))), found.get((ALL, CHAMPION))
    if difference is None or champion is None:
        return Judgement(UNDEFINED, nan, nan, nan, 0, 0, nights, {}, objections)
    if difference["verdict"] == DO_NOT_USE:
        objections = (*objections, *difference["reasons"])
    elif not _number(difference["evidence"]) >= least_evidence:
        # There is no look without evidence, and the operator needs to know whether one user is the
        # cause.
        objections = (*objections, *filter(is_about_a_user, difference["reasons"]))
    slices = {
        name: SliceLook(
            _estimate(row), _number(found[name, CHAMPION]["value"]), _number(row["evidence"]) >= least_evidence
        )
        for (name, judged), row in found.items()
        if judged == difference_of(policy) and name != ALL
    }
    return Judgement(
        difference=_estimate(difference),
        champion_value=_number(champion["value"]),
        evidence=_number(difference["evidence"]),
        effective_sample_size=_number(difference["effective_sample_size"]),
        impressions=difference["impressions"],
        users=difference["users"],
        nights=nights,
        slices=slices,
        objections=objections,
    )


def ope_summary(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Estimates on all impressions that the manifest keeps, by policy."""
    columns = ("policy_version", "value", "low", "high", "evidence", "verdict")
    whole = {row["policy"]: row for row in rows if row["slice"] == ALL}
    return {policy: {name: row[name] for name in columns} for policy, row in sorted(whole.items())}


def _estimate(row: Row) -> Estimate:
    return Estimate(_number(row["value"]), _number(row["standard_error"]))


def _number(value: float | None) -> float:
    return nan if value is None else value
