"""What `ltrr ope` computes: estimates by column or by table of a policy, and the log as VW text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from ltrr.cli.output import print_progress
from ltrr.errors import UsageError
from ltrr.ope.estimates import OpeSettings, estimate_log, estimate_policies
from ltrr.ope.formats import FORMATS, read_foreign_log
from ltrr.ope.log_files import find_log_files
from ltrr.ope.log_paths import find_log
from ltrr.ope.policy_table import PolicyTable, read_policy_table
from ltrr.ope.report import OpeReport
from ltrr.ope.rows import LogColumns
from ltrr.ope.slots import estimate_slots
from ltrr.ope.vw_export import export_dsjson, export_rows, export_vw_lines

_COLUMNAR = ("parquet", "delta")
"""Formats whose files tasks can read directly."""


def estimate_columns(
    spark: SparkSession, log: str, format_: str, policies: list[LogColumns], settings: OpeSettings
) -> list[OpeReport]:
    """Reports of policies whose probabilities are columns of the log.

    Args:
        spark: Spark session.
        log: Path of the log.
        format_: Name of its format.
        policies: Columns of each policy.
        settings: Settings of the evaluation.
    """
    if not policies:
        return []
    if format_ in _COLUMNAR:
        every = replace(policies[0], others=tuple(name for one in policies[1:] for name in one.map_meanings().values()))
        decisions = read_foreign_log(spark, log, format_, every)
        files = find_log_files(decisions, policies, delta_path=find_log(log).root if format_ == "delta" else None)
        return estimate_policies(decisions, policies, settings, files)
    # The column of each policy is a path into the record, so each policy needs a pass of its own.
    reports = []
    for one in policies:
        rows = read_foreign_log(spark, log, format_, one)
        report = estimate_log(rows, one, settings)
        reports.append(report.with_slots(estimate_slots(rows, one, settings)) if report.most_slots else report)
    return reports


def read_policy_tables(
    spark: SparkSession, log: str, format_: str, paths: list[str], action: str | None
) -> list[PolicyTable]:
    """Policies from files.

    Args:
        spark: Spark session.
        log: Path of the log.
        format_: Name of its format.
        paths: Files of the policies.
        action: Column of the action in the log.
    """
    listing = FORMATS[format_].list_columns
    held = listing(spark, find_log(log)) if listing and paths else None
    return [read_policy_table(spark, path, action, held) for path in paths]


def estimate_tables(
    spark: SparkSession,
    log: str,
    format_: str,
    judged: list[tuple[LogColumns, PolicyTable]],
    settings: OpeSettings,
) -> list[OpeReport]:
    """Reports of policies from tables; each needs a pass of its own."""
    reports = []
    for columns, table in judged:
        # The judged column is no column of the log. A key is read in its place.
        needed = replace(columns, target_propensity=columns.reward, others=table.keys)
        rows = table.add_to(read_foreign_log(spark, log, format_, needed))
        reports.append(estimate_log(rows, columns, settings))
    return reports


def export_log(spark: SparkSession, log: str, format_: str, columns: LogColumns, target: Path) -> None:
    """Write the log as VW's text and report the number of decisions."""
    where = target.absolute()
    if str(where) in find_log(log).files or not where.parent.is_dir():
        raise UsageError(
            "the text of the log cannot be written there",
            which="--export-vw",
            expected="a file in a folder that exists, other than the log",
            got=str(target),
        )
    if format_ in ("dsjson", "vw"):
        write = export_dsjson if format_ == "dsjson" else export_vw_lines
        written, skipped = write(find_log(log), target)
    else:
        needed = replace(columns, target_propensity=columns.reward)
        written, skipped = export_rows(read_foreign_log(spark, log, format_, needed), columns, target)
    left_out = "".join(f"; left out: {count:,} x {reason}" for reason, count in sorted(skipped.items()))
    print_progress(f"wrote {written:,} decisions to {target}{left_out}")
