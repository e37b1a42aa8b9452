"""`ltrr ope`: what a policy would have earned, from any log of decisions."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import is_published, read_manifest, versions
from ltrr.cli.options import Config, Home, Json, Set, settings_of
from ltrr.cli.output import show_json, show_rows, stdout
from ltrr.config import Settings, load_section
from ltrr.errors import UsageError
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.evaluation.judged_impressions import served_by_version
from ltrr.evaluation.published import read_planning_part
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.ope.bundle_log import bundle_columns, judged_rows, list_alike_versions, with_probabilities
from ltrr.ope.estimates import OpeSettings, estimate_log, estimate_policies
from ltrr.ope.formats import FORMATS, foreign_log
from ltrr.ope.log_files import find_log_files
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

_NAMES = ", ".join(ESTIMATORS)
_COLUMNAR = ("parquet", "delta")
"""Formats whose files tasks can read directly."""

Name = Annotated[
    str | None, typer.Option(help="Name of this column; by default that of the format.", show_default=False)
]


def ope(
    log: Annotated[str, typer.Argument(help="File, folder or address of the log.")],
    target_propensity: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of the policy to judge: its probability of the action taken, or an array of its "
            "probabilities of all actions. Repeat the option to judge several policies."
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Published version of the home's policy, to judge instead on ltrr's own tables; "
            "LOG is then the folder of the tables (HOME/tables)."
        ),
    ] = None,
    format_: Annotated[str, typer.Option("--format", help=f"Format of the log: {' | '.join(FORMATS)}.")] = "parquet",
    reward: Name = None,
    logging_propensity: Name = None,
    action: Name = None,
    action_propensities: Name = None,
    fold_by: Name = None,
    user: Annotated[str | None, typer.Option(help="Column of the user. A user's decisions are one cluster.")] = None,
    q_taken: Annotated[
        str | None, typer.Option(help="Column of the value of the action taken under your own reward model.")
    ] = None,
    q_target: Annotated[
        list[str] | None,
        typer.Option(help="Column of that model's mean under the policy; one for each policy, in order."),
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="Column known before the decision; may be repeated.")
    ] = None,
    slice_: Annotated[
        list[str] | None, typer.Option("--slice", help="Column whose values become slices; may be repeated.")
    ] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option(help=f"Estimator to report, by default all; may be repeated: {_NAMES}."),
    ] = None,
    largest_weight: Annotated[
        str,
        typer.Option(help="M, the largest value of a cut weight; auto: SLOPE chooses it."),
    ] = "100",
    folds: Annotated[int, typer.Option(help="Number of folds of cross-fitting.")] = OpeSettings().folds,
    bootstrap: Annotated[
        int,
        typer.Option(help="Number of bootstrap replicates by user, such as 200; needs --user. 0: no bootstrap."),
    ] = 0,
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
    if (policy is None) == (not target_propensity):
        raise UsageError(
            "name one policy source",
            expected="either --target-propensity COLUMN of the log, or --policy VERSION of a home",
            got="both" if policy else "neither",
        )
    if policy is not None:
        chosen = OpeSettings(tuple(estimator or ()), _parse_limit(largest_weight), folds, replicates=bootstrap)
        _judge_bundle(log, policy, settings_of(home, config, changes), chosen, tuple(slice_ or ()), as_json=as_json)
        return
    policies = _list_policies(
        target_propensity or [],
        q_target or [],
        format_,
        reward=reward,
        logging_propensity=logging_propensity,
        action=action,
        action_propensities=action_propensities,
        fold_by=fold_by,
        user=user,
        q_taken=q_taken,
        features=tuple(feature) if feature else None,
        slices=tuple(slice_ or ()),
    )
    verdict = load_section(EvaluationSettings, None, config, changes or ())
    settings = OpeSettings(
        tuple(estimator or ()), _parse_limit(largest_weight), folds, replicates=bootstrap, verdict=verdict
    )
    spark = build_session("ltrr-ope", load_section(SparkSettings, None, config, changes or ()))
    with explain_engine_faults("the log cannot be read", which=log):
        reports = _estimate(spark, log, format_, policies, settings)
    if as_json:
        shown = {"log": log, "format": format_, "settings": asdict(settings)}
        answers = [_answer(columns, report) for columns, report in zip(policies, reports, strict=True)]
        show_json(shown | (answers[0] if len(answers) == 1 else {"policies": answers}))
        return
    for columns, report in zip(policies, reports, strict=True):
        _show(log, columns.target_propensity, report)


def _estimate(
    spark: SparkSession, log: str, format_: str, policies: list[LogColumns], settings: OpeSettings
) -> list[OpeReport]:
    decisions = foreign_log(spark, log, format_, policies[0])
    if format_ in _COLUMNAR:
        files = find_log_files(decisions, policies, delta_path=log if format_ == "delta" else None)
        return estimate_policies(decisions, policies, settings, files)
    if len(policies) == 1:
        return estimate_policies(decisions, policies, settings)
    # The column of each policy is a path into the record, which each reading has to find by itself.
    return [estimate_log(foreign_log(spark, log, format_, one), one, settings) for one in policies]


def _parse_limit(text: str) -> float | None:
    """M; None where SLOPE chooses it."""
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            "this is no limit of weights", which="--largest-weight", expected="a number above 1, or auto", got=text
        ) from None


def _judge_bundle(
    log: str, version: str, settings: Settings, chosen: OpeSettings, slices: tuple[str, ...], *, as_json: bool
) -> None:
    """Judge a published version on tables of ltrr."""
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
        foreign_log(spark, f"{log}/{table(kind).name}", "delta", LogColumns("")) for kind in ("decisions", "slate_rows")
    )
    logged = {one for one, _ in served_by_version(decisions) if is_published(root, name, one)}
    alike = list_alike_versions(part, {one: read_manifest(root, name, one) for one in logged})
    limited_users = Warehouse(spark, log).read(table("limited_users"))
    decisions = with_is_counted(decisions, limited_users, settings.users)
    newest = decisions.agg(F.max("log_date")).collect()[0][0]
    rows = judged_rows(
        decisions,
        slate_rows,
        part.manifest,
        alike,
        last_closed=settings.logs.first_open(newest),
        held_out_percent=settings.evaluation.held_out_percent,
    )
    columns = replace(bundle_columns(part.manifest.settings), slices=slices)
    judging = replace(chosen, verdict=settings.evaluation)
    report = estimate_log(with_probabilities(rows, part), columns, judging)
    if as_json:
        show_json({"log": log, "policy": version, "settings": asdict(judging)} | _answer(columns, report))
    else:
        _show(log, version, report)


def _answer(columns: LogColumns, report: OpeReport) -> dict[str, Any]:
    return {
        "columns": columns.named(),
        "estimates": report.rows,
        "left_out": report.left_out,
        "skipped": report.skipped,
        "propensities": report.propensities.to_json(),
    }


def _list_policies(targets: list[str], means: list[str], format_: str, **names: Any) -> list[LogColumns]:
    """The columns that are read for each policy."""
    if format_ not in FORMATS:
        raise UsageError("unknown log format", which="--format", expected=", ".join(FORMATS), got=format_)
    if means and len(means) != len(targets):
        raise UsageError(
            "each policy needs its own mean of the reward model",
            which="--q-target",
            expected=f"{len(targets)}, one for each --target-propensity",
            got=str(len(means)),
        )
    given = {name: value for name, value in names.items() if value is not None}
    columns = FORMATS[format_].columns
    pairs = zip(targets, means, strict=True) if means else [(target, None) for target in targets]
    return [replace(columns, target_propensity=target, q_target=mean, **given) for target, mean in pairs]


def _show(log: str, target: str, report: OpeReport) -> None:
    for name in dict.fromkeys(row["slice"] for row in report.rows):
        rows = [row for row in report.rows if row["slice"] == name]
        title = f"{target} judged on {log}, {name}: {rows[0]['decisions']:,} decisions"
        show_rows(
            [{shown: row[key] for key, shown in _SHOWN.items() if key in row} for row in rows], title, as_json=False
        )
    stdout().print(report.propensities.sentence(), soft_wrap=True)
    for reason in dict.fromkeys(report.left_out.values()):
        names = ", ".join(name for name, why in report.left_out.items() if why == reason)
        stdout().print(f"left out: {names}: {reason}")
    for reason, count in report.skipped.items():
        stdout().print(f"skipped: {count:,} rows: {reason}")
