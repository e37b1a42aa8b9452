"""What a policy would have earned, from anyone's log of decisions with known propensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

from pyspark.sql import DataFrame

from ltrr.errors import DataQualityError, SupportError, UsageError, check_ranges
from ltrr.estimation.bootstrap import Replicates
from ltrr.estimation.diagnostics import diagnostic_figures, diagnostic_reasons
from ltrr.estimation.estimators import ESTIMATORS, DecisionEstimator, ModelUse
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.slope import GRID, choose_by_slope
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE, VerdictThresholds, judge_evidence
from ltrr.ope.bootstrap import bootstrap_log
from ltrr.ope.file_sums import sum_files
from ltrr.ope.log_files import LogFiles
from ltrr.ope.propensities import PropensityReport
from ltrr.ope.reward_model import FoldModels, LogShape, fit_fold_models, shape_of
from ltrr.ope.rows import LogColumns, to_decision_rows
from ltrr.ope.sums import ALL, LogSums, sum_log

_LARGEST_SHARE = 0.05
"""Of all weight on one decision, above which to take care."""


@dataclass(frozen=True)
class OpeSettings:
    """How a log is judged; fixed before looking at it.

    Args:
        estimators: which; all that the log allows where empty.
        largest_weight: M, what a weight may become in clipped_ips, clipped_snips, sg, switch_dr and dros. 100 is
            sqrt(n) of 10,000. None: for each slice and estimator the one that SLOPE chooses (`estimation.slope`),
            which takes a pass over the log for each M of its grid.
        folds: of cross-fitting.
        ridge: penalty of q-hat's coefficients.
        replicates: of the Poisson bootstrap by user, at the price of a pass over the log; 0: none.
        verdict: what evidence is enough, and the confidence of intervals.
    """

    estimators: tuple[str, ...] = ()
    largest_weight: float | None = 100.0
    folds: int = 3
    ridge: float = 1.0
    replicates: int = 0
    verdict: VerdictThresholds = field(default_factory=VerdictThresholds)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.estimators) - set(ESTIMATORS))
        if unknown:
            raise UsageError(
                "unknown estimator", which="estimators", expected=", ".join(ESTIMATORS), got=", ".join(unknown)
            )
        rules = (
            ("largest_weight", self.largest_weight is None or 1.0 < self.largest_weight < float("inf"), "> 1"),
            ("folds", 2 <= self.folds <= 20, "2..20"),
            ("ridge", self.ridge > 0.0, "> 0"),
            ("replicates", self.replicates == 0 or 20 <= self.replicates <= 2_000, "0, or 20..2000"),
            ("replicates", not (self.replicates and self.largest_weight is None), "0 where M is to be chosen"),
        )
        check_ranges("", self, rules)

    @property
    def grid(self) -> tuple[float, ...]:
        """Every M that is tried, the least biased first."""
        return GRID if self.largest_weight is None else (self.largest_weight,)


@dataclass(frozen=True)
class OpeReport:
    """The answer.

    Attributes:
        rows: of every slice and estimator: value, interval, evidence, weights, verdict and reasons.
        left_out: estimator -> why the log does not allow it.
        skipped: reason -> rows of the log that are no decisions.
        propensities: whether the logged ones can be right, for the whole log.
    """

    rows: list[dict[str, Any]]
    left_out: dict[str, str]
    skipped: dict[str, int]
    propensities: PropensityReport


def estimate_log(log: DataFrame, columns: LogColumns, settings: OpeSettings | None = None) -> OpeReport:
    """Every estimator of every slice of a log; a row is one decision.

    One pass over the log for all of them. Estimators with a reward model need passes before it: one to see the log's
    shape, and one a Newton step. No row is collected; the result is a few rows whatever the size of the log.

    Args:
        log: decisions, any columns.
        columns: which of them is what.
        settings: how to judge.

    Raises:
        UsageError: columns are missing or of another type; an unknown estimator.
        DataQualityError: rows with values that cannot be right, all reasons in one message; or no decision at all.
        SupportError: an estimator was asked for that this log does not allow.

    >>> rows = [(0.5, 0.8, 1.0), (0.5, 0.2, 0.0), (0.5, 0.8, 1.0), (0.5, 0.2, 1.0)]
    >>> log = spark.createDataFrame(rows, "logging_propensity double, pi double, reward double")
    >>> report = estimate_log(log, LogColumns("pi"), OpeSettings(estimators=("ips", "snips")))
    >>> [(row["estimator"], round(row["value"], 6), row["verdict"]) for row in report.rows]
    [('ips', 0.9, 'do not use'), ('snips', 0.9, 'do not use')]
    """
    chosen = settings or OpeSettings()
    decisions = to_decision_rows(log, columns, chosen.folds)
    wanted = [ESTIMATORS[name] for name in chosen.estimators or ESTIMATORS]
    needs_fit = any(estimator.needs_model for estimator in wanted) and not columns.has_values
    objection = _objection(columns) if needs_fit else ""
    has_passes = needs_fit and not objection
    if has_passes:
        decisions.persist()  # a dozen passes follow: read and parsed once
    try:
        models = None
        if has_passes:
            models, objection = _fit(decisions, chosen)
        left_out = _left_out(wanted, objection, chosen)
        sums = [
            sum_log(decisions, models, limit, has_users=columns.user is not None, has_values=columns.has_values)
            for limit in chosen.grid
        ]
        replicates = _replicates(decisions, columns, models, chosen)
    finally:
        if has_passes:
            decisions.unpersist()
    return _report(sums, wanted, left_out, chosen, replicates)


def estimate_policies(
    log: DataFrame, policies: Sequence[LogColumns], settings: OpeSettings | None = None, files: LogFiles | None = None
) -> list[OpeReport]:
    """`estimate_log` of several policies, in the same order; in one scan of the log where its files are known.

    Args:
        log: decisions, any columns.
        policies: what each reads; they differ in `target_propensity` and `q_target` alone.
        settings: how to judge.
        files: what the log lies in, where it can be read as it lies (`log_files.files_of`).

    Raises:
        LtrrError: as `estimate_log`.
    """
    chosen = settings or OpeSettings()
    if files is None:
        return [estimate_log(log, columns, chosen) for columns in policies]
    wanted = [ESTIMATORS[name] for name in chosen.estimators or ESTIMATORS]
    left_out: dict[str, str] = {}
    if not policies[0].has_values:
        objection = _objection(policies[0]) or LogShape(1, actions=(0, 0)).objection()
        left_out = _left_out(wanted, objection, chosen)
    scans = [sum_files(log.sparkSession, files, policies, limit) for limit in chosen.grid]
    reports = []
    for columns, sums in zip(policies, zip(*scans, strict=True), strict=True):
        replicates = _replicates(to_decision_rows(log, columns, chosen.folds), columns, None, chosen)
        reports.append(_report(sums, wanted, left_out, chosen, replicates))
    return reports


def _replicates(
    decisions: DataFrame, columns: LogColumns, models: FoldModels | None, settings: OpeSettings
) -> Mapping[str, Replicates]:
    """By slice; nothing where no bootstrap is asked for."""
    if not settings.replicates or settings.largest_weight is None:
        return {}
    if columns.user is None:
        raise UsageError(
            "the bootstrap draws users",
            which="replicates",
            expected="a column of the user",
            todo="name it, or leave out",
        )
    limit, has_values = settings.largest_weight, columns.has_values
    return bootstrap_log(decisions, models, limit, settings.replicates, has_values=has_values)


def _left_out(wanted: Sequence[DecisionEstimator], objection: str, settings: OpeSettings) -> dict[str, str]:
    left_out = {estimator.name: objection for estimator in wanted if estimator.needs_model and objection}
    if left_out and settings.estimators:
        raise SupportError(
            "the log does not allow this estimator",
            which=", ".join(left_out),
            got=objection,
            todo="ask for " + ", ".join(name for name, one in ESTIMATORS.items() if not one.needs_model),
        )
    return left_out


def _report(
    scans: Sequence[LogSums],
    wanted: Sequence[DecisionEstimator],
    left_out: dict[str, str],
    settings: OpeSettings,
    replicates: Mapping[str, Replicates],
) -> OpeReport:
    """From the sums of one policy at each M of the grid, and their replicates by slice."""
    sums = scans[0]
    _check(sums)
    kept = [estimator for estimator in wanted if estimator.name not in left_out]
    names = sorted(sums.slices, key=lambda name: (name != ALL, name))
    propensities = PropensityReport.of(sums.drawn, sums.slices[ALL].design_effect)
    rows = []
    for name in names:
        for estimator in kept:
            tried = [scan.slices[name] for scan in scans] if estimator.cut else [sums.slices[name]]
            place = choose_by_slope([moments.estimate(estimator) for moments in tried])
            row = _row(name, tried[place], estimator, propensities, settings.verdict)
            row = _with_choice(row, estimator, place, settings.grid)
            if name in replicates:
                low, high = replicates[name].interval(estimator.ratios, settings.verdict.confidence)
                row |= {"bootstrap_low": low, "bootstrap_high": high}
            rows.append(row)
    return OpeReport(rows, left_out, dict(sums.skipped), propensities)


def _with_choice(
    row: dict[str, Any], estimator: DecisionEstimator, place: int, grid: Sequence[float]
) -> dict[str, Any]:
    """The M that cut the weights, and that it was chosen where it was: the interval does not know."""
    cut_at = grid[place] if estimator.cut else None
    if not estimator.cut or len(grid) == 1:
        return row | {"cut_at": cut_at}
    why = "the smallest tried" if place == len(grid) - 1 else f"{grid[place + 1]:g} disagrees with a larger one"
    told = f"M = {cut_at:g} was chosen by SLOPE ({why}) on these data: the interval does not know"
    verdict = row["verdict"] if row["verdict"] == DO_NOT_USE else TAKE_CARE
    return row | {"cut_at": cut_at, "verdict": verdict, "reasons": [*row["reasons"], told]}


def _fit(decisions: DataFrame, settings: OpeSettings) -> tuple[FoldModels | None, str]:
    """Models, or why there are none; neither where the rows are at fault, which the pass over them then tells."""
    shape = shape_of(decisions)
    if shape.faulty or not shape.decisions:
        return None, ""
    objection = shape.objection()
    return (None, objection) if objection else (fit_fold_models(decisions, shape, settings.folds, settings.ridge), "")


def _objection(columns: LogColumns) -> str:
    if columns.action is None:
        return "a reward model needs the action taken: name its column"
    if columns.folding is None:
        return (
            "cross-fitting needs to know which rows belong together: name a column to fold by, an event's id or a query"
        )
    return ""


def _check(sums: LogSums) -> None:
    if sums.faults:
        told = [f"{reason}, {count:,} rows, such as {example}" for reason, (count, example) in sums.faults.items()]
        raise DataQualityError(
            "the log holds values that cannot be right",
            got="; ".join(told),
            todo="correct these rows, or leave them out on purpose",
        )
    if ALL not in sums.slices or not sums.slices[ALL].decisions:
        shown = ", ".join(f"{count} x {reason}" for reason, count in sums.skipped.items()) or "no row"
        raise DataQualityError("there is no decision in this log", got=shown, todo="check the path and the format")


def _row(
    name: str,
    moments: LoggedMoments,
    estimator: DecisionEstimator,
    propensities: PropensityReport,
    settings: VerdictThresholds,
) -> dict[str, Any]:
    estimate, summary = moments.estimate(estimator), moments.summarize_evidence(estimator)
    cut = moments.share_cut(estimator)
    grave, light = _reservations(estimator, moments, cut, settings)
    (grave if propensities.is_grave else light).extend(propensities.reasons())
    one_sided = (1.0 + settings.confidence) / 2.0
    figures = diagnostic_figures(moments, one_sided)
    for said, more in zip((grave, light), diagnostic_reasons(estimator, moments, cut, figures), strict=True):
        said.extend(more)
    verdict, reasons = judge_evidence(summary, settings)
    if verdict != DO_NOT_USE and (grave or light):
        verdict = DO_NOT_USE if grave else TAKE_CARE
    return {
        "slice": name,
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
        "decisions": summary.impressions,
        "users": summary.users,
        **figures,
        "verdict": verdict,
        "reasons": [*reasons, *grave, *light],
    }


def _reservations(
    estimator: DecisionEstimator, moments: LoggedMoments, cut: float, settings: VerdictThresholds
) -> tuple[list[str], list[str]]:
    """Reasons not to use, and to take care, that a policy's evidence alone does not show."""
    grave: list[str] = []
    light: list[str] = []
    if estimator.model is ModelUse.ALONE:
        light.append("rests on the reward model alone: its error is not in the interval")
    if cut > settings.unsupported_limit and estimator.model is ModelUse.NONE:
        grave.append(f"{cut:.1%} of all weight is cut off")
    elif cut > settings.unsupported_care:
        light.append(f"{cut:.1%} of all weight is cut off")
    if not isnan(moments.largest_share) and moments.largest_share > _LARGEST_SHARE:
        light.append(f"one decision carries {moments.largest_share:.1%} of all weight")
    return grave, light
