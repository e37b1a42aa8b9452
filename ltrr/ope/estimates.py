"""Off-policy evaluation of policies on any log of decisions with known propensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame

from ltrr.errors import SupportError, UsageError, check_ranges
from ltrr.estimation.bootstrap import Replicates
from ltrr.estimation.estimators import ESTIMATORS, DecisionEstimator, list_names_without_model
from ltrr.estimation.reward_model import RewardModel
from ltrr.estimation.slope import GRID
from ltrr.estimation.verdict import VerdictThresholds
from ltrr.ope.batches import LogBatch
from ltrr.ope.bootstrap import bootstrap_log
from ltrr.ope.file_sums import sum_files
from ltrr.ope.log_files import LogFiles
from ltrr.ope.report import OpeReport, build_report
from ltrr.ope.reward_model import LogShape, find_log_shape, fit_fold_models
from ltrr.ope.rows import LogColumns, to_decision_rows
from ltrr.ope.sums import sum_log

_ONLY_ACTION_TAKEN = LogShape(1, actions=(0, 0))


@dataclass(frozen=True)
class OpeSettings:
    """Settings of an evaluation; choose them before you look at the log.

    Args:
        estimators: Names of the estimators; empty for all that the log allows.
        largest_weight: M, the largest value of a cut weight, for all estimators that cut weights.
            100 is sqrt(n) of 10,000. None: SLOPE chooses M for each slice and estimator
            (`estimation.slope`), which takes a pass over the log for each M of its grid.
        folds: Number of folds of cross-fitting.
        ridge: Ridge penalty of q-hat's coefficients.
        replicates: Number of replicates of the Poisson bootstrap by user, which takes another pass
            over the log; 0 for no bootstrap.
        verdict: Amount of evidence that an estimate needs, and the confidence of intervals.
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
            ("replicates", not (self.replicates and self.largest_weight is None), "0 where SLOPE chooses M"),
        )
        check_ranges("", self, rules)

    @property
    def grid(self) -> tuple[float, ...]:
        """All values of M, the least biased first."""
        return GRID if self.largest_weight is None else (self.largest_weight,)

    @property
    def chosen_estimators(self) -> list[DecisionEstimator]:
        """The requested estimators, in order."""
        return [ESTIMATORS[name] for name in self.estimators or ESTIMATORS]


def estimate_log(log: DataFrame, columns: LogColumns, settings: OpeSettings | None = None) -> OpeReport:
    """Estimates of a policy by every estimator and slice, from a log of decisions.

    One pass over the log computes all of them. Estimators with a reward model need passes before
    it: one to find the log's shape, and one for each Newton step. No row is collected. The result
    has a few rows, whatever the size of the log.

    Args:
        log: Decisions, any columns.
        columns: Meaning of the columns.
        settings: Settings of the evaluation.

    Raises:
        UsageError: Columns are missing or of an unsupported type, or an estimator is unknown.
        DataQualityError: Values are faulty, all reasons in one message; or the log has no decision.
        SupportError: The log does not allow a requested estimator.

    >>> rows = [(0.5, 0.8, 1.0), (0.5, 0.2, 0.0), (0.5, 0.8, 1.0), (0.5, 0.2, 1.0)]
    >>> log = spark.createDataFrame(rows, "logging_propensity double, pi double, reward double")
    >>> report = estimate_log(log, LogColumns("pi"), OpeSettings(estimators=("ips", "snips")))
    >>> [(row["estimator"], round(row["value"], 6), row["verdict"]) for row in report.rows]
    [('ips', 0.9, 'do not use'), ('snips', 0.9, 'do not use')]
    """
    chosen = settings or OpeSettings()
    decisions = to_decision_rows(log, columns, chosen.folds)
    needs_fit = any(estimator.needs_model for estimator in chosen.chosen_estimators) and not columns.has_values
    objection = _object_to_columns(columns) if needs_fit else ""
    is_fitted = needs_fit and not objection
    if is_fitted:
        decisions.persist()  # The log is read and parsed once for about a dozen passes.
    try:
        models = None
        if is_fitted:
            models, objection = _fit_models(decisions, chosen)
        left_out = _find_left_out(objection, chosen)
        sums = [
            sum_log(
                decisions,
                models,
                limit,
                has_users=columns.user is not None,
                has_values=columns.has_values,
                is_sampled=columns.pdrop is not None,
            )
            for limit in chosen.grid
        ]
        replicates = _draw_replicates(decisions, columns, models, chosen)
    finally:
        if is_fitted:
            decisions.unpersist()
    return build_report(sums, chosen.chosen_estimators, left_out, chosen.grid, chosen.verdict, replicates)


def estimate_policies(
    log: DataFrame, policies: Sequence[LogColumns], settings: OpeSettings | None = None, files: LogFiles | None = None
) -> list[OpeReport]:
    """`estimate_log` of several policies, in the same order, with one scan of the log if possible.

    Args:
        log: Decisions, any columns.
        policies: Columns of each policy; they differ in `target_propensity` and `q_target` alone.
        settings: Settings of the evaluation.
        files: Files of the log, if tasks can read them directly (`log_files.find_log_files`).

    Raises:
        LtrrError: As `estimate_log`.
    """
    chosen = settings or OpeSettings()
    if files is None:
        return [estimate_log(log, columns, chosen) for columns in policies]
    left_out: dict[str, str] = {}
    if not policies[0].has_values:
        left_out = _find_left_out(_object_to_columns(policies[0]) or _ONLY_ACTION_TAKEN.find_objection(), chosen)
    scans = [sum_files(log.sparkSession, files, policies, limit) for limit in chosen.grid]
    reports = []
    for columns, sums in zip(policies, zip(*scans, strict=True), strict=True):
        replicates = _draw_replicates(to_decision_rows(log, columns, chosen.folds), columns, None, chosen)
        reports.append(build_report(sums, chosen.chosen_estimators, left_out, chosen.grid, chosen.verdict, replicates))
    return reports


def _draw_replicates(
    decisions: DataFrame, columns: LogColumns, models: RewardModel[LogBatch] | None, settings: OpeSettings
) -> Mapping[str, Replicates]:
    """Bootstrap replicates by slice; empty without a bootstrap."""
    if not settings.replicates or settings.largest_weight is None:
        return {}
    if columns.user is None:
        raise UsageError(
            "the bootstrap needs users",
            which="replicates",
            expected="a column of the user",
            todo="name the column, or leave out the bootstrap",
        )
    return bootstrap_log(
        decisions,
        models,
        settings.largest_weight,
        settings.replicates,
        has_values=columns.has_values,
        is_sampled=columns.pdrop is not None,
    )


def _find_left_out(objection: str, settings: OpeSettings) -> dict[str, str]:
    """Estimator -> the objection to a reward model, for the estimators that need one.

    Raises:
        SupportError: Such an estimator was requested by name.
    """
    left_out = {
        estimator.name: objection for estimator in settings.chosen_estimators if estimator.needs_model and objection
    }
    if left_out and settings.estimators:
        raise SupportError(
            "the log does not allow this estimator",
            which=", ".join(left_out),
            got=objection,
            todo="ask for " + ", ".join(list_names_without_model()),
        )
    return left_out


def _fit_models(decisions: DataFrame, settings: OpeSettings) -> tuple[RewardModel[LogBatch] | None, str]:
    """The models, or the reason why there are none.

    Neither if rows are faulty: the next pass reports the faults.
    """
    shape = find_log_shape(decisions)
    if shape.faulty or not shape.decisions:
        return None, ""
    objection = shape.find_objection()
    return (None, objection) if objection else (fit_fold_models(decisions, shape, settings.folds, settings.ridge), "")


def _object_to_columns(columns: LogColumns) -> str:
    """The reason why no reward model can be fitted with these columns; empty if it can."""
    if columns.action is None:
        return "a reward model needs the action taken: name its column"
    if columns.fold_column is None:
        return "cross-fitting needs the rows that belong together: name a column to fold by, an event's id or a query"
    return ""
