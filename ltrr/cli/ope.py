"""`ltrr ope`: what a policy would have earned, from any log of decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from pyspark.sql import functions as F

from ltrr.artifacts.bundle import is_published, read_manifest, versions
from ltrr.cli.ope_options import (
    Bootstrap,
    Estimator,
    ExportVw,
    Feature,
    Folds,
    Format,
    LargestWeight,
    Log,
    Name,
    Pdrop,
    PolicyVersion,
    QTaken,
    QTarget,
    Slice,
    TargetPolicy,
    TargetPropensity,
    User,
)
from ltrr.cli.ope_sources import estimate_columns, estimate_tables, export_log, read_policy_tables
from ltrr.cli.options import Config, Home, Json, Set, settings_of
from ltrr.cli.output import show_json, show_rows, stdout
from ltrr.config import Settings, load_section
from ltrr.errors import UsageError
from ltrr.evaluation.judged_impressions import count_by_version
from ltrr.evaluation.published import read_planning_part
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.ope.bundle_log import list_comparable_versions, name_bundle_columns, to_judged_rows, with_probabilities
from ltrr.ope.estimates import OpeSettings, estimate_log
from ltrr.ope.formats import choose_format, find_default_columns, read_foreign_log
from ltrr.ope.log_paths import CANNOT_READ
from ltrr.ope.report import OpeReport
from ltrr.ope.rows import LogColumns
from ltrr.spark.delta import Warehouse
from ltrr.spark.faults import explain_engine_faults
from ltrr.spark.session import SparkSettings, build_session
from ltrr.tables.catalog import table
from ltrr.users.limits import with_is_counted

_SHOWN = {
    "estimator": "estimator",
    "value": "value",
    "low": "low",
    "high": "high",
    "bootstrap_low": "bootstrap low",
    "bootstrap_high": "bootstrap high",
    "evidence": "R",
    "effective_sample_size": "ESS",
    "largest_weight": "largest weight",
    "largest_share": "its share",
    "mean_weight": "mean weight",
    "verdict": "verdict",
    "reasons": "reasons",
}

_FOLDS = OpeSettings().folds


def ope(
    log: Log,
    target_propensity: TargetPropensity = None,
    target_policy: TargetPolicy = None,
    policy: PolicyVersion = None,
    format_: Format = None,
    reward: Name = None,
    logging_propensity: Name = None,
    action: Name = None,
    action_propensities: Name = None,
    fold_by: Name = None,
    user: User = None,
    q_taken: QTaken = None,
    q_target: QTarget = None,
    pdrop: Pdrop = None,
    feature: Feature = None,
    slice_: Slice = None,
    estimator: Estimator = None,
    largest_weight: LargestWeight = "100",
    folds: Folds = _FOLDS,
    bootstrap: Bootstrap = 0,
    export_vw: ExportVw = None,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Estimate what a policy would have earned from a log that another policy made.

    The log needs three values for each decision: its reward, the probability with which the action
    taken was chosen, and the probability with which the policy to judge would have chosen it.
    docs/how-to/judge-a-log.md explains the report.
    """
    if export_vw is not None and policy is not None:
        raise UsageError(
            "ltrr's own tables are no log for Vowpal Wabbit", which="--export-vw", expected="a log without --policy"
        )
    if export_vw is None:
        _check_one_source(policy, [*(target_propensity or []), *(target_policy or [])])
    settings = OpeSettings(tuple(estimator or ()), _parse_limit(largest_weight), folds, replicates=bootstrap)
    slices = tuple(slice_ or ())
    if policy is not None:
        _judge_bundle(log, policy, settings_of(home, config, changes), settings, slices, as_json=as_json)
        return
    columns: dict[str, Any] = {
        "reward": reward,
        "logging_propensity": logging_propensity,
        "action": action,
        "fold_by": fold_by,
    }
    columns |= {"action_propensities": action_propensities, "user": user, "q_taken": q_taken, "pdrop": pdrop}
    lists = {"features": tuple(feature) if feature else None, "slices": slices}
    targets, means = target_propensity or [], q_target or []
    _check_means(targets, means)
    settings = replace(settings, verdict=load_section(EvaluationSettings, None, config, changes or ()))
    found = choose_format(log, format_)
    spark = build_session("ltrr-ope", load_section(SparkSettings, None, config, changes or ()))
    with explain_engine_faults(CANNOT_READ, which=log):
        default = find_default_columns(spark, log, found.name)
        if export_vw is not None:
            [named] = _list_policies([""], [], default, columns | lists)
            export_log(spark, log, found.name, named, export_vw)
            if not targets and not target_policy:
                return
        policies = _list_policies(targets, means, default, columns | lists)
        tables = read_policy_tables(
            spark, log, found.name, target_policy or [], default.action if action is None else action
        )
        judged = _list_policies([table.name for table in tables], [], default, columns | lists)
        reports = estimate_columns(spark, log, found.name, policies, settings)
        reports += estimate_tables(spark, log, found.name, list(zip(judged, tables, strict=True)), settings)
        policies += judged
    if as_json:
        answers = [_to_json(one, report) for one, report in zip(policies, reports, strict=True)]
        shown = {"log": log, "format": found.name, "detected_by": found.sign or None, "settings": asdict(settings)}
        show_json(shown | (answers[0] if len(answers) == 1 else {"policies": answers}))
        return
    if found.sign:
        stdout().print(f"format: {found.name}, recognised by {found.sign}", markup=False, soft_wrap=True)
    for one, report in zip(policies, reports, strict=True):
        _show(log, one.target_propensity, report)


def _check_one_source(policy: str | None, target_propensity: list[str] | None) -> None:
    if (policy is None) == (not target_propensity):
        raise UsageError(
            "name one policy source",
            expected="either --target-propensity COLUMN of the log, or --target-policy FILE, or --policy VERSION",
            got="both" if policy else "neither",
        )


def _parse_limit(text: str) -> float | None:
    """M; None if SLOPE chooses it."""
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            "not a limit of weights", which="--largest-weight", expected="a number above 1, or auto", got=text
        ) from None


def _judge_bundle(
    log: str, version: str, settings: Settings, limits: OpeSettings, slices: tuple[str, ...], *, as_json: bool
) -> None:
    """Estimate and show the value of a published version on tables of ltrr."""
    root, name = settings.paths.policies, settings.policy.name
    if not is_published(root, name, version):
        raise UsageError(
            "no such version of the policy",
            which=version,
            expected="one of " + (", ".join(versions(root, name)[-5:]) or "none: no version is published yet"),
            todo="list the versions with `ltrr policies list`",
        )
    part = read_planning_part(root, name, version)
    spark = build_session("ltrr-ope", settings.spark)
    decisions, slate_rows = (
        read_foreign_log(spark, f"{log}/{table(kind).name}", "delta", LogColumns(""))
        for kind in ("decisions", "slate_rows")
    )
    logged = {one for one, _ in count_by_version(decisions) if is_published(root, name, one)}
    alike = list_comparable_versions(part, {one: read_manifest(root, name, one) for one in logged})
    limited_users = Warehouse(spark, log).read(table("limited_users"))
    decisions = with_is_counted(decisions, limited_users, settings.users)
    newest = decisions.agg(F.max("log_date")).collect()[0][0]
    rows = to_judged_rows(
        decisions,
        slate_rows,
        part.manifest,
        alike,
        last_closed=settings.logs.first_open(newest),
        held_out_percent=settings.evaluation.held_out_percent,
    )
    columns = replace(name_bundle_columns(part.manifest.settings), slices=slices)
    judging = replace(limits, verdict=settings.evaluation)
    report = estimate_log(with_probabilities(rows, part), columns, judging)
    if as_json:
        show_json({"log": log, "policy": version, "settings": asdict(judging)} | _to_json(columns, report))
    else:
        _show(log, version, report)


def _to_json(columns: LogColumns, report: OpeReport) -> dict[str, Any]:
    return {
        "columns": columns.map_meanings(),
        "estimates": report.rows,
        "left_out": report.left_out,
        "skipped": report.skipped,
        "skipped_examples": report.skipped_at,
        "propensities": report.propensities.to_json(),
    }


def _check_means(targets: list[str], means: list[str]) -> None:
    if means and len(means) != len(targets):
        raise UsageError(
            "each policy needs its own mean of the reward model",
            which="--q-target",
            expected=f"{len(targets)}, one for each --target-propensity",
            got=str(len(means)),
        )


def _list_policies(
    targets: list[str], means: list[str], columns: LogColumns, names: Mapping[str, Any]
) -> list[LogColumns]:
    """Columns of the log to read for each policy.

    Args:
        targets: Columns of the policies.
        means: Columns of the reward model's mean under each policy; empty if there are none.
        columns: Default columns of the log.
        names: Other columns, by field of `LogColumns`; None for the default.
    """
    given = {name: value for name, value in names.items() if value is not None}
    pairs = zip(targets, means, strict=True) if means else [(target, None) for target in targets]
    return [replace(columns, target_propensity=target, q_target=mean, **given) for target, mean in pairs]


def _show(log: str, target: str, report: OpeReport) -> None:
    for name in dict.fromkeys(row["slice"] for row in report.rows):
        rows = [row for row in report.rows if row["slice"] == name]
        title = f"{target} judged on {log}, {name}: {rows[0]['decisions']:,} decisions"
        if "decisions_before_drop" in rows[0] and rows[0]["decisions_before_drop"] > rows[0]["decisions"]:
            title += f", a sample of about {rows[0]['decisions_before_drop']:,.0f} (pdrop)"
        show_rows(
            [{shown: row[key] for key, shown in _SHOWN.items() if key in row} for row in rows], title, as_json=False
        )
    stdout().print(report.propensities.to_sentence(), soft_wrap=True)
    for reason in dict.fromkeys(report.left_out.values()):
        names = ", ".join(name for name, why in report.left_out.items() if why == reason)
        stdout().print(f"left out: {names}: {reason}")
    for reason, count in report.skipped.items():
        place = f", such as {report.skipped_at[reason]}" if reason in report.skipped_at else ""
        stdout().print(f"skipped: {count:,} rows: {reason}{place}", markup=False, soft_wrap=True)
    if report.lost:
        stdout().print(report.lost, markup=False, soft_wrap=True)
