"""From the rows of `ope_estimates` to what the gate judges."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

from ltrr.core.intervals import UNDEFINED, Estimate, quantile
from ltrr.evaluation.estimates import DIFFERENCE
from ltrr.evaluation.judged_policy import CHAMPION
from ltrr.evaluation.verdict import DO_NOT_USE
from ltrr.publishing.gate import Judgement


def judgement_of(
    rows: Mapping[str, Mapping[str, Any]],
    *,
    confidence: float,
    nights: int,
    held_out_share: float,
    objections: tuple[str, ...],
) -> Judgement:
    """What a night's doubly robust estimates say of its challenger.

    Args:
        rows: doubly robust estimates on all impressions, by policy.
        confidence: of the two-sided intervals in the rows; their half width gives the standard error back.
        nights: closed dates judged on.
        held_out_share: of the users, 0..1.
        objections: found elsewhere; an estimate that is not to be used adds its reasons.
    """
    difference, champion = rows.get(DIFFERENCE), rows.get(CHAMPION)
    if difference is None or champion is None:
        return Judgement(UNDEFINED, nan, nan, nan, 0, 0, nights, held_out_share, objections)
    half_width = (_number(difference["high"]) - _number(difference["low"])) / 2.0
    if difference["verdict"] == DO_NOT_USE:
        objections = (*objections, *difference["reasons"])
    return Judgement(
        difference=Estimate(_number(difference["value"]), half_width / quantile((1.0 + confidence) / 2.0)),
        champion_value=_number(champion["value"]),
        evidence=_number(difference["evidence"]),
        effective_sample_size=_number(difference["effective_sample_size"]),
        impressions=difference["impressions"],
        users=difference["users"],
        nights=nights,
        held_out_share=held_out_share,
        objections=objections,
    )


def ope_summary(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the manifest keeps of them."""
    columns = ("policy_version", "value", "low", "high", "evidence", "verdict")
    return {policy: {name: row[name] for name in columns} for policy, row in sorted(rows.items())}


def _number(value: float | None) -> float:
    return nan if value is None else value
