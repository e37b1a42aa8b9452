"""`ltrr tables`: look at what the nights left."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.cli.options import AcceptQuality, Config, Home, Json, Set, parse_date, settings_of
from ltrr.cli.output import print_progress, show_rows
from ltrr.config import Settings
from ltrr.core.hashing import user_key
from ltrr.errors import UsageError
from ltrr.logs.secret import read_secret
from ltrr.pipelines.forgetting import forget_users
from ltrr.spark.comparing import TOLERANCE, compare_rows, is_same
from ltrr.spark.delta import Warehouse
from ltrr.spark.quality import parse_accepted
from ltrr.spark.session import build_session
from ltrr.tables.catalog import CATALOG, table
from ltrr.tables.table import Table

tables = typer.Typer(help="List, show, digest and compare tables.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Tables; all by default.", show_default=False)]

# The log of commits differs between any two runs: it says when, how often and how long.
_NOT_DIGESTED = ("job_runs",)


@tables.command("list")
def list_tables(home: Home = None, config: Config = None, changes: Set = None, as_json: Json = False) -> None:
    """Every table: version, rows, who writes it, and what it holds."""
    warehouse = _open(settings_of(home, config, changes))
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
    show_rows(rows, f"Tables in {warehouse.root}", as_json=as_json)


@tables.command("show")
def show_table(
    name: Annotated[str, typer.Argument(help="Which table.")],
    date_: Annotated[str | None, typer.Option("--date", help="Only rows of this date.")] = None,
    where: Annotated[str | None, typer.Option("--where", help="Only rows for which this SQL condition holds.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")] = 20,
    columns: Annotated[str | None, typer.Option("--columns", help="Only these, separated by commas.")] = None,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Rows of a table, in the order of its grain."""
    declared = table(name)
    warehouse = _open(settings_of(home, config, changes))
    wanted = _columns(declared, columns)
    rows = _of_date(warehouse.read(declared), declared, date_)
    try:
        rows = rows.where(where) if where else rows
    except AnalysisException as fault:
        raise UsageError(
            "the condition cannot be read", which="--where", got=where or "", todo=str(fault).partition("\n")[0]
        ) from fault
    taken = rows.orderBy(*declared.grain).limit(limit).select(*wanted).collect()
    show_rows([row.asDict(recursive=True) for row in taken], f"{name} ({declared.meaning})", as_json=as_json)


@tables.command("digest")
def digest_tables(
    names: Names = None,
    date_: Annotated[str | None, typer.Option("--date", help="Only the partition of this date.")] = None,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Rows and digest of the exact columns, the same in any order: two equal runs print the same."""
    warehouse = _open(settings_of(home, config, changes))
    wanted = [table(name) for name in names] if names else [t for t in CATALOG.values() if t.name not in _NOT_DIGESTED]
    rows: list[dict[str, Any]] = []
    for declared in wanted:
        if date_ and not declared.date_column:
            continue
        where = f"{declared.date_column} = DATE'{parse_date(date_)}'" if date_ else ""
        count, digest = warehouse.digest(declared, where=where)
        rows.append({"table": declared.name, "rows": count, "digest": digest})
    show_rows(rows, f"Digests of {date_ or 'all dates'}", as_json=as_json)


@tables.command("compare")
def compare(
    other: Annotated[Path, typer.Argument(help="Another home.")],
    names: Names = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Largest difference of numbers, relative above 1.")
    ] = TOLERANCE,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> int:
    """Compare two homes' tables row by row on their grain; exit 1 where they differ."""
    ours, theirs = settings_of(home, config, changes), settings_of(other, config, changes)
    warehouse = _open(ours)
    there = Warehouse(warehouse.spark, theirs.paths.tables)
    wanted = [table(name) for name in names] if names else [t for t in CATALOG.values() if t.name not in _NOT_DIGESTED]
    found = {one.name: compare_rows(warehouse.read(one), there.read(one), one, tolerance) for one in wanted}
    rows = [{"table": name, **counts} for name, counts in found.items()]
    show_rows(rows, f"{ours.paths.home} compared with {theirs.paths.home}", as_json=as_json)
    return int(not all(is_same(counts) for counts in found.values()))


@tables.command("forget")
def forget(
    users: Annotated[list[str] | None, typer.Option("--user", help="Id of a user, as the logs have it.")] = None,
    keys: Annotated[list[str] | None, typer.Option("--user-key", help="Key of a user, as the tables have it.")] = None,
    accept_quality: AcceptQuality = None,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Forget users: reruns the dates on which they searched without them, and removes all earlier versions."""
    settings = settings_of(home, config, changes)
    secret = read_secret(os.environ)
    wanted = {*(keys or ()), *(user_key(secret, user) for user in users or ())}
    if not wanted:
        raise UsageError("no user is named", which="--user", expected="one or more ids or keys", got="none")
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
        {"what": "bundles whose training data had them", "value": ", ".join(found.bundles) or "none"},
        {"what": "left to you", "value": "delete the users' lines from the log folders, which ltrr only reads"},
    ]
    show_rows(rows, f"Users forgotten: {len(wanted)}", as_json=as_json)


def _open(settings: Settings) -> Warehouse:
    return Warehouse(build_session("ltrr tables", settings.spark), settings.paths.tables)


def _columns(declared: Table, asked: str | None) -> list[str]:
    wanted = [name.strip() for name in asked.split(",")] if asked else list(declared.column_names)
    unknown = [name for name in wanted if name not in declared.column_names]
    if unknown:
        raise UsageError(
            "unknown column", which="--columns", expected=", ".join(declared.column_names), got=", ".join(unknown)
        )
    return wanted


def _of_date(rows: DataFrame, declared: Table, asked: str | None) -> DataFrame:
    if not asked:
        return rows
    if not declared.date_column:
        raise UsageError("the table has no date", which=declared.name, todo="use --where")
    return rows.where(F.col(declared.date_column) == F.lit(parse_date(asked)))
