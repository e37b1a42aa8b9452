"""`ltrr tables`: list, show, digest and compare the tables of a home, and forget users."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.cli.options import AcceptQuality, Common, parse_date, with_common
from ltrr.cli.output import print_progress
from ltrr.config import Settings
from ltrr.core.hashing import user_key
from ltrr.errors import UsageError
from ltrr.logs.secret import read_secret
from ltrr.pipelines.entity_catalogue import find_titles
from ltrr.pipelines.forgetting import forget_users
from ltrr.spark.comparing import TOLERANCE, compare_rows, is_same
from ltrr.spark.delta import Warehouse
from ltrr.spark.quality import parse_accepted
from ltrr.spark.session import build_session
from ltrr.tables.catalog import CATALOG, table
from ltrr.tables.table import Table

tables = typer.Typer(help="List, show, digest and compare tables; forget users.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Names of tables; by default all.", show_default=False)]

# The log of commits has times, attempts and seconds, which differ between any two runs.
_NOT_DIGESTED = ("job_runs",)


@tables.command("list")
@with_common
def list_tables(common: Common) -> None:
    """List every table: version, rows, the job that writes it, and its meaning."""
    warehouse = _open(common.settings())
    rows = []
    for declared in CATALOG.values():
        version = warehouse.version(declared)
        rows.append(
            {
                "table": declared.name,
                "version": version,
                "rows": None if version is None else warehouse.read(declared, version).count(),
                "grain": ", ".join(declared.grain),
                "written by": declared.written_by,
                "holds": declared.meaning,
            }
        )
    common.show(rows, f"Tables in {warehouse.root}")


@tables.command("show")
@with_common
def show_table(
    common: Common,
    name: Annotated[str, typer.Argument(help="Name of the table.")],
    date_: Annotated[str | None, typer.Option("--date", help="Only rows of this date.")] = None,
    where: Annotated[str | None, typer.Option("--where", help="SQL condition; only rows that meet it.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of rows.")] = 20,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Names of columns, separated by commas; by default all.")
    ] = None,
) -> None:
    """Show rows of a table, in the order of its grain.

    Entities have their titles, if the home has a catalogue.
    """
    declared = table(name)
    settings = common.settings()
    warehouse = _open(settings)
    wanted = _list_columns(declared, columns)
    rows = _only_of_date(warehouse.read(declared), declared, date_)
    try:
        rows = rows.where(where) if where else rows
    except AnalysisException as fault:
        raise UsageError(
            "the condition cannot be read", which="--where", got=where or "", todo=str(fault).partition("\n")[0]
        ) from fault
    taken = rows.orderBy(*declared.grain).limit(limit).select(*wanted).collect()
    shown = [row.asDict(recursive=True) for row in taken]
    catalogue = settings.catalogue if name != "entities" and "entity_id" in wanted else ""
    titles = find_titles(warehouse, catalogue, [row["entity_id"] for row in shown]) if catalogue else {}
    common.show([_with_title(row, titles) for row in shown], f"{name} ({declared.meaning})")


@tables.command("digest")
@with_common
def digest_tables(
    common: Common,
    names: Names = None,
    date_: Annotated[str | None, typer.Option("--date", help="Only the partition of this date.")] = None,
) -> None:
    """Print rows and digest of the exact columns, equal for two equal runs in any order of rows."""
    warehouse = _open(common.settings())
    wanted = [table(name) for name in names] if names else [t for t in CATALOG.values() if t.name not in _NOT_DIGESTED]
    rows: list[dict[str, Any]] = []
    for declared in wanted:
        if date_ and not declared.date_column:
            continue
        where = f"{declared.date_column} = DATE'{parse_date(date_)}'" if date_ else ""
        count, digest = warehouse.digest(declared, where=where)
        rows.append({"table": declared.name, "rows": count, "digest": digest})
    common.show(rows, f"Digests of {date_ or 'all dates'}")


@tables.command("compare")
@with_common
def compare(
    common: Common,
    other: Annotated[Path, typer.Argument(help="Another home.")],
    names: Names = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Largest accepted difference of numbers, relative above 1.")
    ] = TOLERANCE,
) -> int:
    """Compare the tables of two homes row by row on their grain; exit 1 if they differ."""
    ours, theirs = common.settings(), replace(common, home=other).settings()
    warehouse = _open(ours)
    there = Warehouse(warehouse.spark, theirs.paths.tables)
    wanted = [table(name) for name in names] if names else [t for t in CATALOG.values() if t.name not in _NOT_DIGESTED]
    found = {one.name: compare_rows(warehouse.read(one), there.read(one), one, tolerance) for one in wanted}
    rows = [{"table": name, **counts} for name, counts in found.items()]
    common.show(rows, f"{ours.paths.home} compared with {theirs.paths.home}")
    return int(not all(is_same(counts) for counts in found.values()))


@tables.command("forget")
@with_common
def forget(
    common: Common,
    users: Annotated[list[str] | None, typer.Option("--user", help="User id, as in the logs. May be repeated.")] = None,
    keys: Annotated[
        list[str] | None, typer.Option("--user-key", help="User key, as in the tables. May be repeated.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--users-file", help="File of user ids, one per line.")] = None,
    accept_quality: AcceptQuality = None,
) -> None:
    """Forget users: rerun the dates of their searches without them, and remove earlier versions."""
    settings = common.settings()
    secret = read_secret(os.environ)
    ids = [*(users or ()), *(_read_ids(file) if file else ())]
    wanted = {*(keys or ()), *(user_key(secret, user) for user in ids)}
    if not wanted:
        raise UsageError("no user is given", which="--user", expected="one or more ids or keys", got="none")
    spark = build_session("ltrr tables forget", settings.spark)
    found = forget_users(
        spark,
        settings,
        wanted,
        datetime.now(UTC).date(),
        accept_quality=parse_accepted(accept_quality or ()),
        on_start=lambda job, day: print_progress(f"{day} {job}"),
    )
    rows: list[dict[str, Any]] = [
        {"what": "log dates of the users", "value": ", ".join(map(str, found.dates)) or "none"},
        {"what": "jobs run again", "value": len(found.runs)},
        {"what": "rows deleted from older dates", "value": sum(found.rows_deleted.values())},
        {"what": "bundles that were trained on their data", "value": ", ".join(found.bundles) or "none"},
        {"what": "log folders that still have their searches", "value": ", ".join(found.folders) or "none"},
        {"what": "left to do", "value": "delete the users' lines from these folders; ltrr only reads them"},
    ]
    common.show(rows, f"Users forgotten: {len(wanted)}")


def _read_ids(file: Path) -> list[str]:
    """User ids of a file, one per line; blank lines are left out.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(
            "the file of user ids cannot be read",
            which="--users-file",
            expected="UTF-8, one id per line",
            got=str(fault),
        ) from fault
    return [line.strip() for line in lines if line.strip()]


def _open(settings: Settings) -> Warehouse:
    return Warehouse(build_session("ltrr tables", settings.spark), settings.paths.tables)


def _list_columns(declared: Table, asked: str | None) -> list[str]:
    wanted = [name.strip() for name in asked.split(",")] if asked else list(declared.column_names)
    unknown = [name for name in wanted if name not in declared.column_names]
    if unknown:
        raise UsageError(
            "unknown column", which="--columns", expected=", ".join(declared.column_names), got=", ".join(unknown)
        )
    return wanted


def _with_title(row: dict[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """The row with the title next to the entity, if any row of the report has one."""
    if not titles:
        return row
    titled: dict[str, Any] = {}
    for name, value in row.items():
        titled[name] = value
        if name == "entity_id":
            titled["title"] = titles.get(value)
    return titled


def _only_of_date(rows: DataFrame, declared: Table, asked: str | None) -> DataFrame:
    if not asked:
        return rows
    if not declared.date_column:
        raise UsageError("the table has no date", which=declared.name, todo="use --where")
    return rows.where(F.col(declared.date_column) == F.lit(parse_date(asked)))
