"""`ltrr ingest` and `ltrr logs inspect`: logs of other systems, and histories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ltrr.artifacts.manifest import PolicySettings
from ltrr.cli.options import AcceptQuality, Common, with_common
from ltrr.cli.output import print_progress, show, show_json, show_rows
from ltrr.config import HOME_FILE, PathSettings, Settings, home_layer, load_settings, write_home_file
from ltrr.core.entity_groups import DEFAULT_RANKER_GROUPS
from ltrr.errors import UsageError
from ltrr.logs.delta_folders import only_current
from ltrr.logs.formats import AUTO, GROUPS, MAPPING_ENDINGS, formats_named
from ltrr.logs.inspection import Inspection, inspect_files
from ltrr.logs.landing import list_log_files
from ltrr.logs.secret import read_secret
from ltrr.logs.settings import LogSettings
from ltrr.pipelines import runner
from ltrr.pipelines.entity_catalogue import store_catalogue
from ltrr.pipelines.history import DateRange, find_range, keep_mapping, land_history, prepare_home
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.preflight import check_before_landing, prove_shared_paths
from ltrr.publishing.first_champion import has_champion, publish_first_champion
from ltrr.spark.commits import JobRun
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import hold_lease
from ltrr.spark.quality import parse_accepted
from ltrr.spark.session import SparkSettings, build_session
from ltrr.tables.catalog import table

logs = typer.Typer(help="Look into log files before anything is written.", no_args_is_help=True)

Paths = Annotated[list[str], typer.Argument(help="Log files, or folders of them.", show_default=False)]
FormatName = Annotated[
    str,
    typer.Option(
        "--format",
        help=f"Format of all files: {' | '.join(GROUPS)}, or the path of a YAML file that maps the columns of a table.",
    ),
]
NEW_HOME: dict[str, Any] = {
    "strategies": ("search", "memory"),
    "block_size": 2,
    "budget": 4,
    "observe": "first_look",
}
"""Options of the policy of a new home."""


def _of_new_home(text: str, name: str) -> str:
    default = NEW_HOME[name]
    shown = ",".join(default) if isinstance(default, tuple) else default
    return f"{text}, of a new home: {shown} by default."


@logs.command("inspect")
@with_common
def inspect_logs(common: Common, paths: Paths, format_: FormatName = AUTO) -> None:
    """Show what a log holds, what ltrr would reject, and what ltrr could do with it."""
    formats_named(format_)
    files = list_log_files(paths)
    settings = common.section(LogSettings)
    spark = build_session("ltrr logs inspect", common.section(SparkSettings))
    files = only_current(spark, map(Path, paths), files)
    print_progress(f"reading {_described(files)}")
    found = inspect_files(spark, files, settings, format_)
    if common.as_json:
        show_json(_to_json(found, settings))
        return
    _show(found, settings, _described(files))


@with_common
def ingest(
    common: Common,
    paths: Paths,
    format_: FormatName = AUTO,
    dates: Annotated[
        str | None, typer.Option("--dates", help="Dates to take, A..B; by default all of the log.")
    ] = None,
    strategies: Annotated[
        str | None,
        typer.Option("--strategies", help=_of_new_home("Strategies, separated by commas", "strategies")),
    ] = None,
    entities: Annotated[
        str | None,
        typer.Option("--entities", help="Catalogue of the entities: a file or folder, as for `ltrr entities`."),
    ] = None,
    shadow: Annotated[
        bool | None,
        typer.Option(
            "--shadow/--no-shadow",
            help="Whether services show their static page and log what the first policy would draw. By default they do "
            "in a new home if no search of the log has propensities; a policy that exists stays as it is.",
        ),
    ] = None,
    block_size: Annotated[
        int | None,
        typer.Option("--block-size", min=1, help=_of_new_home("Number of candidates per block", "block_size")),
    ] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, help=_of_new_home("Number of blocks per plan", "budget"))
    ] = None,
    observe: Annotated[
        str | None,
        typer.Option(
            "--observe",
            help=_of_new_home("What a plan may observe (blind | first_look | all_blocks)", "observe"),
        ),
    ] = None,
    accept_quality: AcceptQuality = None,
) -> None:
    """Take a history: log files of many dates become the first night of a home.

    A new home is created. The files are copied into its logs folder; a file that is there already
    is not copied again. Run `ltrr nightly` of the last date next. Without --dates, the files are
    read once more before anything is written, to find their dates.
    """
    formats_named(format_)
    names = None if strategies is None else tuple(part.strip() for part in strategies.split(","))
    options = {"strategies": names, "block_size": block_size, "budget": budget, "observe": observe}
    given = {name: value for name, value in options.items() if value is not None}
    PolicySettings("search", **{**NEW_HOME, **given})  # Raises before anything is read.
    read_secret(os.environ)
    asked = DateRange.parse(dates) if dates else None
    files = list_log_files(paths)
    catalogue = list_log_files([entities]) if entities else []
    accepted = parse_accepted(accept_quality or ())
    spark = build_session("ltrr ingest", common.section(SparkSettings))
    files = only_current(spark, map(Path, paths), files)
    print_progress(f"reading {_described(files)}")
    found = None
    if asked is None:
        found = inspect_files(spark, files, common.section(LogSettings), format_)
        asked = find_range(found)
    print_progress(f"history of {asked.first} to {asked.last}")
    places = common.section(PathSettings)
    # One process at a time creates or changes the home, lands files and runs the job.
    with hold_lease(places.home, "taking a history", tables=places.tables) as lease:
        settings = _open_home(common, spark, given, asked, has_catalogue=bool(catalogue))
        if catalogue:
            version, counts = store_catalogue(spark, settings, catalogue)
            print_progress(f"catalogue {version}: {counts.entities:,} entities, {counts.titles:,} with a title")
            settings = load_settings(common.home, common.config, common.changes or ())
        prefix = format_
        if format_.endswith(MAPPING_ENDINGS):
            prefix = keep_mapping(settings, Path(format_))
            settings = load_settings(common.home, common.config, common.changes or ())
        night = settings.first_night_date
        new = land_history(settings, files, night, prefix)
        print_progress(f"{len(new)} of {len(files)} files are new in the logs of {night}")
        prove_shared_paths(spark, settings.paths)
        run = runner.run_leased_job(spark, settings, lease, JOBS[0], night, accept_quality=accepted)
        _publish_first(settings, run, shadow)
    rows = _quality(spark, settings, night)
    if common.as_json:
        show_json(
            {"first_date": asked.first, "night": night, "files": len(files), "new_files": len(new), "checks": rows}
        )
        return
    show_rows(rows, f"Logs of {asked.first} to {asked.last}, {run.seconds:.0f} s", as_json=False)
    if found is not None:
        _show_uses(found, settings.logs)
    print_progress(f"next: ltrr nightly --home {settings.paths.home} --date {night}")


def _open_home(
    common: Common, spark: SparkSession, given: Mapping[str, Any], span: DateRange, *, has_catalogue: bool
) -> Settings:
    """Settings of the home, which is created if it does not exist; the caller holds its lease.

    The ranker of a new home with a catalogue has the features of text overlap.

    Raises:
        UsageError: The home exists, and its policy has other values than `given`.
    """
    home = common.section(PathSettings).home
    if not (home / HOME_FILE).exists() and common.config is None:
        groups = (*DEFAULT_RANKER_GROUPS, "overlaps") if has_catalogue else DEFAULT_RANKER_GROUPS
        policy = PolicySettings("search", **{**NEW_HOME, **given}, ranker_groups=groups)
        write_home_file(home, {**home_layer(policy, span.first), "first_night": span.last})
        print_progress(
            f"new home {home}: strategies {', '.join(policy.strategies)}; ranker features {', '.join(groups)}"
        )
        check_before_landing(load_settings(common.home, common.config, common.changes or ()))
    else:
        settings = load_settings(common.home, common.config, common.changes or ())
        _check_same(settings.policy, given)
        check_before_landing(settings)
        prepare_home(spark, settings, span)
    return load_settings(common.home, common.config, common.changes or ())


def _check_same(policy: PolicySettings, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        own = getattr(policy, name)
        if value != own:
            raise UsageError(
                "the home has another policy",
                which=f"--{name.replace('_', '-')}",
                expected=",".join(own) if isinstance(own, tuple) else str(own),
                got=",".join(value) if isinstance(value, tuple) else str(value),
                todo="leave the option out, or take the log into a new home",
            )


def _publish_first(settings: Settings, run: JobRun, shadow: bool | None) -> None:
    """Publish the first policy of a home, or change its mode if the team asks for it.

    A team whose log has no propensities has not drawn plans at random. So services keep their page
    unless the team says otherwise.
    """
    root, policy = settings.paths.policies, settings.policy
    if shadow is None and not has_champion(root, policy.name):
        shadow = int(run.notes["with_propensities"]) == 0
    version, is_new = publish_first_champion(root, policy, settings.first_date, shadow=shadow)
    if is_new:
        mode = (
            "in shadow mode: services show their static page" if shadow else "uniform over all plans: services explore"
        )
        print_progress(f"first policy {version}, {mode}")


def _quality(spark: SparkSession, settings: Settings, night: date) -> list[dict[str, Any]]:
    rows = Warehouse(spark, settings.paths.tables).read(table("data_quality"))
    taken = rows.where(F.col("log_date") == F.lit(night)).orderBy("check").collect()
    return [{name: row[name] for name in ("check", "figure", "verdict", "detail")} for row in taken]


def _described(files: list[Path]) -> str:
    size = sum(file.stat().st_size for file in files) / 1e6
    named = files[0].name if len(files) == 1 else f"{len(files)} files"
    return f"{named} ({size:.1f} MB)"


def _show(found: Inspection, settings: LogSettings, title: str) -> None:
    kinds = [
        ("decisions with propensities", found.decisions),
        ("choices of a decision service", found.choices),
        ("decision records without a choice", found.static),
        ("searches", found.searches),
        ("searches that name their response", found.responses),
        *((f"events: {kind}", n) for kind, n in found.events.items()),
        ("lines of the layout", found.structure),
    ]
    show_rows([{"what": what, "lines": n} for what, n in kinds if n], f"{title}: {found.lines:,} lines", as_json=False)
    rejected = [{"reason": reason, "lines": n, "for example": detail} for reason, (n, detail) in found.rejected.items()]
    show_rows(rejected, "Would be rejected", as_json=False)
    if found.dates:
        show_rows([_dates_row(found)], "Dates and times (UTC)", as_json=False)
    _show_uses(found, settings)
    if found.proposal:
        show("Mapping to start from; save it as mapping.yaml, correct it, and use --format mapping.yaml:")
        show(found.proposal)


def _dates_row(found: Inspection) -> dict[str, Any]:
    return {
        "first date": min(found.dates),
        "last date": max(found.dates),
        "dates with lines": len(found.dates),
        "times": ", ".join(f"{n} {form}" for form, n in found.clocks.items()) or "as the log contract says",
        "searches with a user": found.with_user,
    }


def _show_uses(found: Inspection, settings: LogSettings) -> None:
    uses = found.list_uses(settings.shown_kinds)
    show_rows(
        [{"part": part, "can learn from this log": text} for part, text in uses], "What ltrr can do", as_json=False
    )


def _to_json(found: Inspection, settings: LogSettings) -> dict[str, Any]:
    return {
        **{
            name: getattr(found, name)
            for name in ("lines", "structure", "decisions", "static", "searches", "choices", "responses")
        },
        "events": found.events,
        "rejected": {reason: {"lines": n, "example": detail} for reason, (n, detail) in found.rejected.items()},
        "dates": found.dates,
        "clocks": found.clocks,
        "with_user": found.with_user,
        "proposal": found.proposal or None,
        "uses": dict(found.list_uses(settings.shown_kinds)),
    }
