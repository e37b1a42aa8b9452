"""`ltrr policies`: published versions, which of them serve, and the decisions of a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ltrr.artifacts.bundle import read_manifest, versions
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.pointer import current, pointers
from ltrr.cli.challengers import list_challengers
from ltrr.cli.decisions import canary_policy, promote_policy, rollback_policy
from ltrr.cli.explain import explain_policy
from ltrr.cli.options import Common, Date, parse_date, with_common
from ltrr.cli.output import show_json, show_rows
from ltrr.cli.policy_rows import manifest_facts, serves_text, version_row
from ltrr.cli.ramp import ramp_policy
from ltrr.config import HOME_FILE, PathSettings, Settings, home_layer, load_settings, write_home_file
from ltrr.core.feature_groups import DEFAULT_GROUPS, GROUPS
from ltrr.errors import UsageError
from ltrr.evaluation.draws_by_class import DRAWS_BY_CLASS, list_short_rows
from ltrr.evaluation.replay_check import replay_date
from ltrr.publishing.challengers import GATE
from ltrr.publishing.exploration_price import EXPLORATION_PRICE
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session
from ltrr.tables.catalog import table

policies = typer.Typer(
    help="Start, list, show, explain, promote, try, roll back and replay policies.", no_args_is_help=True
)


@policies.command("init")
@with_common
def init_policies(
    common: Common,
    strategies: Annotated[
        str | None,
        typer.Option("--strategies", help="Names, separated by commas; every table keeps this order."),
    ] = None,
    history_starts: Annotated[
        str | None, typer.Option("--history-starts", help="First date with logs, YYYY-MM-DD.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the policy.")] = "search",
    block_size: Annotated[int, typer.Option("--block-size", min=1, help="Number of candidates per block.")] = 2,
    budget: Annotated[int, typer.Option("--budget", min=1, help="Number of blocks per plan.")] = 4,
    observe: Annotated[
        str, typer.Option("--observe", help="What a plan may observe: blind | first_look | all_blocks.")
    ] = "first_look",
    features: Annotated[
        str, typer.Option("--features", help=f"Feature groups, separated by commas, out of {', '.join(GROUPS)}.")
    ] = ",".join(DEFAULT_GROUPS),
    shadow: Annotated[
        bool | None,
        typer.Option(
            "--shadow/--no-shadow",
            help="In shadow mode, services show their static page and log what the policy would draw. "
            "By default, a new policy is not in shadow mode, and an older one stays as it is.",
        ),
    ] = None,
) -> None:
    """Write the settings of a new home, and publish the first champion: uniform over all plans."""
    file = common.section(PathSettings).home / HOME_FILE
    if strategies is not None and not file.exists():
        policy = PolicySettings(
            name, _split_names(strategies), block_size, budget, observe=observe, features=_split_names(features)
        )
        _write_home(file.parent, history_starts, policy)
    elif strategies is None and not file.exists() and common.config is None:
        raise UsageError(
            "a new home needs the names of its strategies",
            which="--strategies",
            expected="name,name,...",
            got="nothing",
        )
    settings = load_settings(common.home, common.config, common.changes or ())
    if strategies is not None:
        _check_agrees(settings, strategies, name, block_size, budget)
    version, is_new = publish_first_champion(
        settings.paths.policies, settings.policy, settings.first_date, shadow=shadow
    )
    row = {
        "policy": settings.policy.name,
        "serves": version,
        "published now": is_new,
        "plans": len(settings.policy.space),
        "first date": settings.first_date,
        "shadow mode": read_manifest(settings.paths.policies, settings.policy.name, version).shadow,
        "home": str(settings.paths.home),
    }
    common.show([row], "First champion" if is_new else "There is a champion already")


@policies.command("list")
@with_common
def list_policies(common: Common) -> None:
    """List every published version, newest last, and the users that it serves."""
    settings = common.settings()
    root, name = settings.paths.policies, settings.policy.name
    moves = pointers(root, name)
    rows = [version_row(root, name, version, moves) for version in versions(root, name)]
    common.show(rows, f"Versions of {name} in {root}")


@policies.command("show")
@with_common
def show_policy(
    common: Common,
    version: Annotated[str | None, typer.Argument(help="A published version; by default the one that serves.")] = None,
) -> None:
    """Show the manifest of a version: how it decides, its inputs, its estimates and its files."""
    settings = common.settings()
    root, name = settings.paths.policies, settings.policy.name
    manifest = read_manifest(root, name, version or current(root, name))
    described = {"serves": serves_text(manifest.version, pointers(root, name))} | manifest_facts(manifest)
    if common.as_json:
        show_json(described)
        return
    facts = {key: value for key, value in described.items() if key not in ("files", "ope")}
    show_rows([{"what": key, "value": value} for key, value in facts.items()], manifest.version, as_json=False)
    ope = dict(manifest.ope)
    price, draws, gate = (ope.pop(name, {}) for name in (EXPLORATION_PRICE, DRAWS_BY_CLASS, GATE))
    show_rows([{"policy": policy, **row} for policy, row in ope.items()], "Estimates", as_json=False)
    show_rows([{"what": what, "value": value} for what, value in gate.items()], "Gate", as_json=False)
    show_rows([{"what": what, "value": value} for what, value in price.items()], "Exploration", as_json=False)
    title = "Blocks drawn per search, by query class; in brackets each strategy's 1st, 2nd, ... block"
    show_rows(list_short_rows(draws), title, as_json=False)
    files = [{"file": file, "bytes": kept.size, "sha256": kept.sha256} for file, kept in manifest.files.items()]
    show_rows(files, "Files", as_json=False)


@policies.command("replay")
@with_common
def replay_policies(
    common: Common,
    date_: Date,
    sample: Annotated[int, typer.Option("--sample", min=1, help="Number of decisions, chosen by hash.")] = 1_000,
) -> None:
    """Replay a sample of a date's logged decisions; exit 1 if a propensity differs."""
    day = parse_date(date_)
    settings = common.settings()
    warehouse = Warehouse(build_session("ltrr policies replay", settings.spark), settings.paths.tables)
    tolerance = settings.evaluation.replay_tolerance
    found = replay_date(
        warehouse.read(table("decisions")),
        warehouse.read(table("impressions")),
        settings.paths.policies,
        settings.policy.name,
        day,
        sample=sample,
        tolerance=tolerance,
    )
    common.show([{"date": day, **vars(found), "holds": found.passes}], f"Replay to {tolerance:g}")
    found.check(day, tolerance)


def _write_home(folder: Path, history_starts: str | None, policy: PolicySettings) -> None:
    if history_starts is None:
        raise UsageError(
            "a new home needs its first date",
            which="--history-starts",
            expected="YYYY-MM-DD, the first date with logs",
            got="nothing",
        )
    write_home_file(folder, home_layer(policy, parse_date(history_starts)))


def _check_agrees(settings: Settings, strategies: str, name: str, block_size: int, budget: int) -> None:
    policy = settings.policy
    there = (policy.name, policy.strategies, policy.block_size, policy.budget)
    asked = (name, _split_names(strategies), block_size, budget)
    if there != asked:
        raise UsageError(
            "the home already has other settings",
            which=str(settings.paths.home / HOME_FILE),
            expected=str(there),
            got=str(asked),
            todo="leave the options out to keep them, or edit the file",
        )


def _split_names(strategies: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in strategies.split(","))


# In the order of `ltrr policies --help`.
policies.command("promote")(promote_policy)
policies.command("rollback")(rollback_policy)
policies.command("canary")(canary_policy)
policies.command("ramp")(ramp_policy)
policies.command("explain")(explain_policy)
policies.command("challengers")(list_challengers)
