"""The report on a log: value, interval, evidence, verdict and reasons of each estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any

from ltrr.errors import DataQualityError
from ltrr.estimation.bootstrap import Replicates
from ltrr.estimation.diagnostics import build_diagnostic_figures, find_diagnostic_reasons
from ltrr.estimation.estimators import DecisionEstimator, ModelUse
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.slope import choose_by_slope
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE, VerdictThresholds, judge_evidence
from ltrr.logs.service_records import NO_LABEL, NO_SLOT_LABEL
from ltrr.ope.csv_rows import WRONG_WIDTH
from ltrr.ope.json_lines import MALFORMED, REPEATED
from ltrr.ope.propensities import PropensityReport
from ltrr.ope.sums import ALL, LogSums

LOST = frozenset({MALFORMED, REPEATED, WRONG_WIDTH, NO_LABEL, NO_SLOT_LABEL})
"""Reasons of skipped rows that may be decisions: they are missing from the estimates."""

LARGEST_SHARE = 0.05
"""Share of all weight on one decision, above which an estimate is marked "take care"."""


@dataclass(frozen=True)
class OpeReport:
    """The estimates of one policy on one log.

    Attributes:
        rows: One row for each slice and estimator: value, interval, evidence, weights, verdict and
            reasons.
        left_out: Estimator -> why the log does not allow it.
        skipped: Reason -> number of rows of the log that are no decisions.
        propensities: Check of the logged propensities of the whole log.
        skipped_at: Reason -> file and line of one of its rows, if the format knows it.
        most_slots: Largest number of slots of a decision, 0 if none has several.
    """

    rows: list[dict[str, Any]]
    left_out: dict[str, str]
    skipped: dict[str, int]
    propensities: PropensityReport
    skipped_at: dict[str, str] = field(default_factory=dict)
    most_slots: int = 0

    @property
    def lost(self) -> str:
        """Warning that decisions are missing from the estimates; empty if none is."""
        return describe_lost(self.skipped)

    def with_slots(self, slots: OpeReport) -> OpeReport:
        """The report with the rows of a report on single slots after its own."""
        return replace(self, rows=[*self.rows, *(row for row in slots.rows if row["slice"] != ALL)])


def describe_lost(skipped: Mapping[str, int]) -> str:
    """Warning that decisions are missing from the estimates; empty if none is.

    >>> describe_lost({"malformed JSON: cut off, or not JSON": 2, "not activated": 7})
    'up to 2 decisions are missing from all estimates: their rows are damaged or ambiguous'
    """
    count = sum(number for reason, number in skipped.items() if reason in LOST)
    one = "up to 1 decision is" if count == 1 else f"up to {count:,} decisions are"
    return f"{one} missing from all estimates: their rows are damaged or ambiguous" if count else ""


def build_report(
    scans: Sequence[LogSums],
    estimators: Sequence[DecisionEstimator],
    left_out: dict[str, str],
    grid: Sequence[float],
    verdict: VerdictThresholds,
    replicates: Mapping[str, Replicates],
) -> OpeReport:
    """The report of one policy.

    Args:
        scans: Sums of the log at each M of the grid.
        estimators: The requested estimators.
        left_out: Estimator -> why the log does not allow it.
        grid: All values of M, the least biased first.
        verdict: Thresholds of verdicts, and the confidence of intervals.
        replicates: Bootstrap replicates by slice; empty without a bootstrap.

    Raises:
        DataQualityError: The log has faulty values, or no decision.
    """
    sums = scans[0]
    check_log_sums(sums)
    propensities = PropensityReport.of(sums.drawn, sums.slices[ALL].design_effect)
    rows = []
    for name in sorted(sums.slices, key=lambda name: (name != ALL, name)):
        for estimator in estimators:
            if estimator.name in left_out:
                continue
            tried = [scan.slices[name] for scan in scans] if estimator.cut else [sums.slices[name]]
            place = choose_by_slope([moments.estimate(estimator) for moments in tried])
            row = {"slice": name} | _build_row(tried[place], estimator, propensities, verdict)
            row = _add_choice(row, estimator, place, grid)
            if lost := describe_lost(sums.skipped):
                verdict_so_far = DO_NOT_USE if row["verdict"] == DO_NOT_USE else TAKE_CARE
                row |= {"verdict": verdict_so_far, "reasons": [*row["reasons"], lost]}
            if name in replicates:
                low, high = replicates[name].interval(estimator.ratios, verdict.confidence)
                row |= {"bootstrap_low": low, "bootstrap_high": high}
            rows.append(row)
    return OpeReport(rows, left_out, dict(sums.skipped), propensities, dict(sums.skipped_at), sums.most_slots)


def check_log_sums(sums: LogSums) -> None:
    """Check that a log has no faulty values, and at least one decision.

    Raises:
        DataQualityError: The check fails; all reasons are in one message.
    """
    if sums.faults:
        faults = [f"{reason}, {count:,} rows, such as {example}" for reason, (count, example) in sums.faults.items()]
        raise DataQualityError(
            "the log contains impossible values",
            got="; ".join(faults),
            todo="correct these rows, or leave them out",
        )
    if ALL not in sums.slices or not sums.slices[ALL].decisions:
        places = {reason: f" ({place})" for reason, place in sums.skipped_at.items() if reason in LOST}
        counts = [f"{count} x {reason}{places.get(reason, '')}" for reason, count in sums.skipped.items()]
        shown = ", ".join(counts) or "no row"
        raise DataQualityError("there is no decision in this log", got=shown, todo="check the path and the format")


def _build_row(
    moments: LoggedMoments, estimator: DecisionEstimator, propensities: PropensityReport, settings: VerdictThresholds
) -> dict[str, Any]:
    estimate, summary = moments.estimate(estimator), moments.summarize_evidence(estimator)
    cut, one_sided = moments.share_cut(estimator), (1.0 + settings.confidence) / 2.0
    figures = build_diagnostic_figures(moments, one_sided)
    grave, light = _find_reservations(estimator, moments, cut, settings)
    (grave if propensities.is_grave else light).extend(propensities.list_reasons())
    for reasons_so_far, more in zip(
        (grave, light), find_diagnostic_reasons(estimator, moments, cut, figures), strict=True
    ):
        reasons_so_far.extend(more)
    verdict, reasons = judge_evidence(summary, settings)
    if verdict != DO_NOT_USE and (grave or light):
        verdict = DO_NOT_USE if grave else TAKE_CARE
    return {
        "estimator": estimator.name,
        "value": estimate.value,
        "low": estimate.low(one_sided),
        "high": estimate.high(one_sided),
        "evidence": summary.least_evidence,
        "effective_sample_size": summary.effective_sample_size,
        "largest_weight": moments.largest_weight,
        "largest_share": moments.largest_share,
        "mean_weight": summary.mean_weight,
        "share_cut": cut,
        "unsupported": summary.unsupported,
        "decisions": moments.decisions,
        **({"decisions_before_drop": moments.sampled_from} if moments.is_sampled else {}),
        "users": summary.users,
        **figures,
        "verdict": verdict,
        "reasons": [*reasons, *grave, *light],
    }


def _add_choice(row: dict[str, Any], estimator: DecisionEstimator, place: int, grid: Sequence[float]) -> dict[str, Any]:
    """The row with M; if SLOPE chose M, also with a reason to take care."""
    cut_at = grid[place] if estimator.cut else None
    if not estimator.cut or len(grid) == 1:
        return row | {"cut_at": cut_at}
    why = "the smallest tried" if place == len(grid) - 1 else f"{grid[place + 1]:g} disagrees with a larger one"
    reason = f"M = {cut_at:g} was chosen by SLOPE ({why}) on these data: the interval does not contain this choice"
    verdict = row["verdict"] if row["verdict"] == DO_NOT_USE else TAKE_CARE
    return row | {"cut_at": cut_at, "verdict": verdict, "reasons": [*row["reasons"], reason]}


def _find_reservations(
    estimator: DecisionEstimator, moments: LoggedMoments, cut: float, settings: VerdictThresholds
) -> tuple[list[str], list[str]]:
    """Reasons not to use an estimate, and to take care, from its model and its weights."""
    grave: list[str] = []
    light: list[str] = []
    if estimator.model is ModelUse.ALONE:
        light.append("rests on the reward model alone: the interval does not contain its error")
    if cut > settings.unsupported_limit and estimator.model is ModelUse.NONE:
        grave.append(f"{cut:.1%} of all weight is cut off")
    elif cut > settings.unsupported_care:
        light.append(f"{cut:.1%} of all weight is cut off")
    if not isnan(moments.largest_share) and moments.largest_share > LARGEST_SHARE:
        light.append(f"one decision carries {moments.largest_share:.1%} of all weight")
    return grave, light
