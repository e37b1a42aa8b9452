"""Off-policy evaluation of a policy on any log made draw by draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.errors import DataQualityError, SupportError, UsageError
from ltrr.estimation.draw_moments import WEIGHTS, DrawMoments
from ltrr.estimation.estimators import DRAW_ESTIMATORS
from ltrr.estimation.fixed_point import to_fixed
from ltrr.estimation.inclusion import check_whole_union_shown
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.verdict import TAKE_CARE, TRUST, VerdictThresholds, judge_evidence
from ltrr.ope.draw_checks import check_draw_rows
from ltrr.ope.draw_rows import (
    LARGEST_TERM,
    DrawColumns,
    read_terms,
    to_draw_rows,
)
from ltrr.spark.merging import merge

REWARDS = ("page_reward", "found_reward")

_ENTITY_WEIGHTS = (
    "each entity has a weight of its own: a rare entity of large weight may be missing from the log, "
    "and R does not show it"
)
"""Reason of estimators that weight entities.

In logs whose draws all differ, 95 % intervals of inclusion and placement covered 52 to 94 % with R
of 150 to 2,400 (docs/how-to/judge-draws.md)."""

_UNLIMITED = "term"
"""Key of `DrawMoments.largest`: the largest term, before terms are limited to `LARGEST_TERM`."""


@dataclass(frozen=True)
class DrawLogSettings:
    """Settings of an evaluation; choose them before you look at the log.

    Args:
        reward: Kind of the log's rewards: page_reward or found_reward.
        page_size: Number of entities that a page shows. found_reward needs it, because rewards
            beyond the page cannot be corrected.
        estimators: Names of the estimators; empty for all that the log allows.
        verdict: Amount of evidence that an estimate needs, and the confidence of intervals.
    """

    reward: str = "page_reward"
    page_size: int | None = None
    estimators: tuple[str, ...] = ()
    verdict: VerdictThresholds = field(default_factory=VerdictThresholds)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.estimators) - set(DRAW_ESTIMATORS))
        for which, is_bad, expected, got in (
            ("reward", self.reward not in REWARDS, " or ".join(REWARDS), self.reward),
            ("estimators", bool(unknown), ", ".join(DRAW_ESTIMATORS), ", ".join(unknown)),
        ):
            if is_bad:
                raise UsageError("this setting is not supported", which=which, expected=expected, got=got)


@dataclass(frozen=True)
class DrawLogReport:
    """The estimates of one policy on one log.

    Attributes:
        rows: One row for each estimator: value, interval, evidence, weights, verdict and reasons.
        left_out: Estimator -> why the log does not allow it.
        agreement: The result of `compare_weights`; empty for page_reward.
    """

    rows: list[dict[str, Any]]
    left_out: dict[str, str]
    agreement: str


def estimate_draw_log(log: DataFrame, columns: DrawColumns, settings: DrawLogSettings | None = None) -> DrawLogReport:
    """Estimates of a policy by every estimator, from impressions made draw by draw.

    The log is read twice, whatever the number of estimators: once to check it, once to add up. No
    row is collected.

    Args:
        log: Impressions, any columns.
        columns: Meaning of the columns.
        settings: Settings of the evaluation.

    Raises:
        UsageError: Columns are missing or of an unsupported type, or an estimator or reward is
            unknown.
        DataQualityError: Values are faulty, all reasons in one message; or the log has no
            impression.
        SupportError: The log does not allow a requested estimator; or slots depend on each other;
            or found_reward is requested, and unions exceed the page or have an unknown size.

    >>> rows = [([1.0, 0.0], [0.5, 0.5], [0.8, 0.5]), ([0.0, 1.0], [0.5, 0.5], [0.2, 0.5])] * 2
    >>> names = ("rewards", "logging_propensities", "target_propensities")
    >>> log = spark.createDataFrame(rows, ", ".join(f"{name} array<double>" for name in names))
    >>> report = estimate_draw_log(log, DrawColumns())
    >>> [(row["estimator"], round(row["value"], 6), row["verdict"]) for row in report.rows]
    [('sequence_ips', 1.0, 'do not use')]
    >>> report.left_out["union"], report.left_out["pdis"]
    ('it needs propensities in every state that leads to the same draws, not only in the order of
    the log', 'it is right on found_reward alone')
    """
    chosen = settings or DrawLogSettings()
    rows = to_draw_rows(log, columns)
    shape = check_draw_rows(rows)
    if chosen.reward == "found_reward":
        _check_shown(shape.largest_union, chosen.page_size)
    moments = _sum_draws(rows, has_orders=shape.has_orders, has_users=columns.user is not None)
    left_out = _find_left_out(moments, chosen)
    if asked := [name for name in chosen.estimators if name in left_out]:
        raise SupportError(
            "the log does not allow this estimator",
            which=", ".join(asked),
            got="; ".join(dict.fromkeys(left_out[name] for name in asked)),
            todo="ask for " + ", ".join(name for name in DRAW_ESTIMATORS if name not in left_out),
        )
    kept = [name for name in chosen.estimators or DRAW_ESTIMATORS if name not in left_out]
    agreement = compare_weights(moments) if chosen.reward == "found_reward" else ""
    return DrawLogReport([_row(name, moments, chosen.verdict) for name in kept], left_out, agreement)


def compare_weights(moments: DrawMoments, errors: float = 3.0) -> str:
    """One line on whether `pdis` agrees with `union`; empty if the log does not allow `pdis`.

    `union` is correct for any reward, `pdis` only if later draws do not change the rewards of
    earlier ones. A significant difference, paired by user, means that rewards were not corrected
    for examination, or that the correction is wrong. A correct log exceeds 3 standard errors with
    probability 1 / 370.

    Args:
        moments: Sums of the log.
        errors: Number of standard errors up to which the two agree.

    >>> from ltrr.estimation.draw_orders import DrawWeights
    >>> from ltrr.estimation.draw_terms import Draws
    >>> ratios = np.array([2.0, 0.5, 0.5])
    >>> draws = Draws(DrawWeights(ratios[:, None], ratios, ratios), np.array([[1.0], [0.0], [1.0]]))
    >>> compare_weights(DrawMoments.of(draws))
    'pdis and union agree: pdis differs by +0.0 %, standard error 50.0 %'
    """
    [one] = [estimator for estimator in DRAW_ESTIMATORS.values() if estimator.equals]
    pair = f"{one.name} and {one.equals}"
    if one.name not in moments.allowed:
        return ""
    if one.equals not in moments.allowed:
        return f"{pair} cannot be compared: the log has propensities in its own order only"
    safe, difference = moments.estimate(one.equals), moments.difference(one.name, one.equals)
    if not difference.is_defined or not safe.value:
        return f"{pair} cannot be compared: undefined on this log"
    off, error = difference.value / abs(safe.value), difference.standard_error / abs(safe.value)
    figures = f"{one.name} differs by {off:+.1%}, standard error {error:.1%}".replace("%", " %")
    if abs(difference.value) <= errors * difference.standard_error:
        return f"{pair} agree: {figures}"
    return f"{pair} disagree: {figures}; what a draw earns depends on later draws, so use {one.equals}"


def _check_shown(largest_union: int | None, page_size: int | None) -> None:
    if largest_union is None or page_size is None:
        raise SupportError(
            "found_reward cannot be used: it is unknown whether whole unions were shown",
            expected="a column union_size and a page_size",
            todo="name both, or use page_reward",
        )
    check_whole_union_shown(np.array([largest_union]), page_size)


def _find_left_out(moments: DrawMoments, settings: DrawLogSettings) -> dict[str, str]:
    reasons = {}
    for name, one in DRAW_ESTIMATORS.items():
        if one.found_only and settings.reward != "found_reward":
            reasons[name] = "it is right on found_reward alone"
        elif one.page_only and settings.reward != "page_reward":
            reasons[name] = "it is meant for page_reward"
        elif name not in moments.allowed:
            reasons[name] = f"it needs {one.needs}"
    return reasons


def _sum_draws(rows: DataFrame, *, has_orders: bool, has_users: bool) -> DrawMoments:
    """Moments of checked rows, computed on executors and merged in a tree."""
    names = tuple(read_terms(_no_rows(rows), has_orders=has_orders))
    largest = [*(name for name in WEIGHTS if name in names), _UNLIMITED]

    def rows_to_terms(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            terms = read_terms(batch, has_orders=has_orders)
            beyond = np.max(np.abs(list(terms.values())), axis=0, initial=0.0)
            fixed = {name: to_fixed(np.clip(values, -LARGEST_TERM, LARGEST_TERM)) for name, values in terms.items()}
            most = {f"largest_{name}": fixed[name] for name in largest if name in fixed}
            most[f"largest_{_UNLIMITED}"] = to_fixed(np.minimum(beyond, 2.0 * LARGEST_TERM))
            yield pa.RecordBatch.from_pydict({"user": batch.column("user"), **most, **fixed})

    def users_to_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = DrawMoments.of_clusters(names, np.zeros((0, len(names)), dtype=np.int64), dict.fromkeys(largest, 0))
        for batch in batches:
            sums = np.column_stack([batch.column(name).to_numpy() for name in names])
            most = {name: int(batch.column(f"largest_{name}").to_numpy().max(initial=0)) for name in largest}
            total += DrawMoments.of_clusters(names, sums, most)
        yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})

    wide = [*(f"largest_{name}" for name in largest), *names]
    terms = rows.mapInArrow(rows_to_terms, ", ".join(f"{name} bigint" for name in ("user", *wide)))
    if has_users:
        most = [F.max(f"largest_{name}").alias(f"largest_{name}") for name in largest]
        terms = terms.groupBy("user").agg(*most, *(F.sum(name).alias(name) for name in names))
    moments = merge(terms.mapInArrow(users_to_sums, "sums string"), DrawMoments.from_json)
    if moments is None:
        raise DataQualityError("there is no impression in this log", todo="check the path and the format")
    if moments.largest[_UNLIMITED] > int(to_fixed(LARGEST_TERM)):
        raise DataQualityError(
            "a weighted reward is too large",
            expected=f"up to {LARGEST_TERM:,.0f}",
            todo="check the logged propensities: a value this small is usually a mistake",
        )
    return moments


def _no_rows(rows: DataFrame) -> pa.RecordBatch:
    """An empty batch with the columns of these rows; it gives the names of the terms."""
    kinds: Mapping[str, pa.DataType] = {"bigint": pa.int64(), "double": pa.float64()}
    columns = {name: pa.array([], kinds.get(kind, pa.list_(pa.float64()))) for name, kind in rows.dtypes}
    return pa.RecordBatch.from_pydict(columns)


def _row(name: str, moments: DrawMoments, settings: VerdictThresholds) -> dict[str, Any]:
    estimate: Estimate = moments.estimate(name)
    has_own_weight = bool(DRAW_ESTIMATORS[name].weight)
    summary = moments.summarize_evidence(name)
    verdict, reasons = judge_evidence(summary, settings)
    if not has_own_weight:
        reasons = [*reasons, _ENTITY_WEIGHTS]
        verdict = TAKE_CARE if verdict == TRUST else verdict
    one_sided = (1.0 + settings.confidence) / 2.0
    return {
        "estimator": name,
        "value": estimate.value,
        "low": estimate.low(one_sided),
        "high": estimate.high(one_sided),
        "evidence": summary.evidence,
        "effective_sample_size": summary.effective_sample_size,
        "largest_weight": moments.largest_weight(name),
        "mean_weight": summary.mean_weight,
        "impressions": summary.impressions,
        "users": summary.users,
        "verdict": verdict,
        "reasons": reasons,
    }
