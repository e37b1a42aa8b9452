"""`ltrr policies`: what is published, what serves, and deciding by hand."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ltrr.artifacts.bundle import BANDIT, RANKER, read_manifest, versions
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.artifacts.memory_part import PREFIX
from ltrr.artifacts.pointer import Pointer, current, pointers
from ltrr.cli.challengers import list_challengers
from ltrr.cli.explain import explain_policy
from ltrr.cli.options import Config, Date, Home, Json, Set, parse_date, settings_of
from ltrr.cli.output import show_json, show_rows
from ltrr.config import HOME_FILE, PathSettings, Settings, load_section, load_settings, write_home_file
from ltrr.core.feature_groups import DEFAULT_GROUPS, GROUPS
from ltrr.errors import ArtifactError, LeaseError, UsageError
from ltrr.evaluation.draws_by_class import DRAWS_BY_CLASS, short_rows
from ltrr.evaluation.replay_check import replay_date
from ltrr.publishing.by_hand import begin_canary, end_canary, promote, roll_back
from ltrr.publishing.challengers import GATE
from ltrr.publishing.exploration_price import EXPLORATION_PRICE
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.publishing.moves import collect_moves
from ltrr.publishing.release import Release, unrecorded
from ltrr.publishing.release_rows import RELEASES, append_releases
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import hold_lease
from ltrr.spark.session import build_session
from ltrr.tables.catalog import table

policies = typer.Typer(
    help="Start, list, show, explain, promote, try, roll back and replay policies.", no_args_is_help=True
)
policies.command("explain")(explain_policy)
policies.command("challengers")(list_challengers)

Why = Annotated[str, typer.Option("--why", help="The reason; recorded in `releases` and with the pointer.")]
By = Annotated[
    str, typer.Option("--by", help="Who decides; by default who is logged in.", default_factory=getpass.getuser)
]


@policies.command("init")
def init_policies(
    strategies: Annotated[
        str | None, typer.Option("--strategies", help="Names, separated by commas, in the order of every table.")
    ] = None,
    history_starts: Annotated[
        str | None, typer.Option("--history-starts", help="First date with logs, YYYY-MM-DD.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the policy.")] = "search",
    block_size: Annotated[int, typer.Option("--block-size", min=1, help="Candidates in one block.")] = 2,
    budget: Annotated[int, typer.Option("--budget", min=1, help="Blocks in one plan.")] = 4,
    observe: Annotated[str, typer.Option("--observe", help="blind | first_look | all_blocks.")] = "first_look",
    features: Annotated[
        str, typer.Option("--features", help=f"Groups of features, separated by commas, of {', '.join(GROUPS)}.")
    ] = ",".join(DEFAULT_GROUPS),
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Write the home's settings where there are none, and publish the first champion: uniform over all plans."""
    file = (home or load_section(PathSettings, None, config, changes or ()).home) / HOME_FILE
    if strategies is not None and not file.exists():
        policy = PolicySettings(
            name, _names(strategies), block_size, budget, observe=observe, features=_names(features)
        )
        _write_home(file.parent, history_starts, policy)
    elif strategies is None and not file.exists() and config is None:
        raise UsageError(
            "a new home needs to know among what it decides",
            which="--strategies",
            expected="name,name,...",
            got="nothing",
        )
    settings = load_settings(home, config, changes or ())
    if strategies is not None:
        _check_agrees(settings, strategies, name, block_size, budget)
    version, is_new = publish_first_champion(settings.paths.policies, settings.policy, settings.first_date)
    row = {
        "policy": settings.policy.name,
        "serves": version,
        "published now": is_new,
        "plans": len(settings.policy.space),
        "first date": settings.first_date,
        "home": str(settings.paths.home),
    }
    show_rows([row], "First champion" if is_new else "There is a champion already", as_json=as_json)


@policies.command("list")
def list_policies(home: Home = None, config: Config = None, changes: Set = None, as_json: Json = False) -> None:
    """Every published version, newest last, and which one serves."""
    settings = settings_of(home, config, changes)
    root, name = settings.paths.policies, settings.policy.name
    moves = pointers(root, name)
    rows = [_summary(root, name, version, moves) for version in versions(root, name)]
    show_rows(rows, f"Versions of {name} in {root}", as_json=as_json)


@policies.command("show")
def show_policy(
    version: Annotated[str | None, typer.Argument(help="Which; the one that serves by default.")] = None,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """The manifest of a version: how it decides, what it was made from, what was estimated of it, its files."""
    settings = settings_of(home, config, changes)
    root, name = settings.paths.policies, settings.policy.name
    manifest = read_manifest(root, name, version or current(root, name))
    described = {"serves": _serves(manifest.version, pointers(root, name))} | _described(manifest)
    if as_json:
        show_json(described)
        return
    facts = {key: value for key, value in described.items() if key not in ("files", "ope")}
    show_rows([{"what": key, "value": value} for key, value in facts.items()], manifest.version, as_json=False)
    ope = dict(manifest.ope)
    price, draws, gate = (ope.pop(name, {}) for name in (EXPLORATION_PRICE, DRAWS_BY_CLASS, GATE))
    show_rows([{"policy": policy, **row} for policy, row in ope.items()], "Estimates", as_json=False)
    show_rows([{"what": what, "value": value} for what, value in gate.items()], "Gate", as_json=False)
    show_rows([{"what": what, "value": value} for what, value in price.items()], "Exploration", as_json=False)
    title = "Blocks drawn a search, by query class; in brackets each strategy's 1st, 2nd, ... block"
    show_rows(short_rows(draws), title, as_json=False)
    files = [{"file": file, "bytes": kept.size, "sha256": kept.sha256} for file, kept in manifest.files.items()]
    show_rows(files, "Files", as_json=False)


@policies.command("promote")
def promote_policy(
    version: Annotated[str, typer.Argument(help="A published version.")],
    why: Why,
    by_whom: By,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Serve this version to everybody from now on; a canary ends. Tonight's refresh starts from it."""
    settings = settings_of(home, config, changes)
    root, name = settings.paths.policies, settings.policy.name
    release = promote(root, name, version, why=why, by_whom=by_whom)
    _show_release(settings, release, version, as_json=as_json)


@policies.command("rollback")
def rollback_policy(
    why: Why,
    by_whom: By,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Serve the last version with another bandit, ranker, values or exploration; a canary ends.

    Nightly refreshes of the current models are passed over. A new pointer is made; nothing is taken back.
    """
    settings = settings_of(home, config, changes)
    root, name = settings.paths.policies, settings.policy.name
    release = roll_back(root, name, why=why, by_whom=by_whom)
    _show_release(settings, release, release.version if release else current(root, name), as_json=as_json)


@policies.command("canary")
def canary_policy(
    why: Why,
    by_whom: By,
    version: Annotated[str | None, typer.Argument(help="A published version, to be tried.")] = None,
    share: Annotated[float | None, typer.Option("--share", help="Of the users, above 0 and below 1.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End the canary; the champion serves everybody.")] = False,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Try a version on a share of the users, drawn by hash, beside the one that serves the others; or end the trial."""
    settings = settings_of(home, config, changes)
    root, name = settings.paths.policies, settings.policy.name
    if end and version is None and share is None:
        release = end_canary(root, name, why=why, by_whom=by_whom)
    elif version is not None and share is not None and not end:
        release = begin_canary(root, name, version, share, why=why, by_whom=by_whom)
    else:
        raise UsageError(
            "what is to be tried?",
            which="canary",
            expected="VERSION --share SHARE, or --end",
            got="another combination",
        )
    _show_release(settings, release, release.version, as_json=as_json)


@policies.command("replay")
def replay_policies(
    date_: Date,
    sample: Annotated[int, typer.Option("--sample", min=1, help="Decisions, chosen by hash.")] = 1_000,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Make a sample of a date's logged decisions again from their bundles; exit 1 where a propensity differs."""
    day = parse_date(date_)
    settings = settings_of(home, config, changes)
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
    show_rows([{"date": day, **vars(found), "holds": found.passes}], f"Replay to {tolerance:g}", as_json=as_json)
    found.check(day, tolerance)


def _write_home(folder: Path, history_starts: str | None, policy: PolicySettings) -> None:
    if history_starts is None:
        raise UsageError(
            "a new home needs to know its first date",
            which="--history-starts",
            expected="YYYY-MM-DD, the first date with logs",
            got="nothing",
        )
    told: dict[str, Any] = {
        "history_starts": parse_date(history_starts),
        "policy": {
            "name": policy.name,
            "strategies": list(policy.strategies),
            "block_size": policy.block_size,
            "budget": policy.budget,
            "decide": policy.decide,
            "observe": policy.observe,
            "features": list(policy.features),
            "exploration": policy.exploration.to_json(),
        },
    }
    write_home_file(folder, told)


def _check_agrees(settings: Settings, strategies: str, name: str, block_size: int, budget: int) -> None:
    policy = settings.policy
    there = (policy.name, policy.strategies, policy.block_size, policy.budget)
    asked = (name, _names(strategies), block_size, budget)
    if there != asked:
        raise UsageError(
            "the home has other settings already",
            which=str(settings.paths.home / HOME_FILE),
            expected=str(there),
            got=str(asked),
            todo="leave the options out to keep them, or edit the file",
        )


def _names(strategies: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in strategies.split(","))


def _show_release(settings: Settings, release: Release | None, version: str, *, as_json: bool) -> None:
    """Record what was done; where a night is at work, it or the next one does."""
    is_recorded = True
    if release is not None:
        try:
            with hold_lease(settings.paths.home, f"policies {release.action}", tables=settings.paths.tables):
                _record(settings, release)
        except LeaseError as held:
            is_recorded = False
            sys.stderr.write(f"ltrr: it serves; the next night will record it in `releases`, because: {held}\n")
    row = {
        "serves": version,
        "done": release.action if release else "nothing: it serves already",
        "sequence": release.sequence if release else None,
        "before": release.previous if release else version,
        "canary": f"{release.canary.version} for {release.canary.share:.4g} of users"
        if release and release.canary
        else None,
        "recorded": is_recorded,
    } | _models_text(read_manifest(settings.paths.policies, settings.policy.name, version))
    show_rows([row], settings.policy.name, as_json=as_json)


def _record(settings: Settings, release: Release) -> None:
    warehouse = Warehouse(build_session("ltrr policies", settings.spark), settings.paths.tables)
    moves = collect_moves(warehouse.read(RELEASES), settings.paths.policies, settings.policy.name)
    others = [row for row in unrecorded(moves, None) if row.sequence != release.sequence]
    append_releases(warehouse, settings.policy.name, [*others, release])


def _serves(version: str, moves: list[Pointer]) -> str:
    """To whom, in words; empty where nobody."""
    newest = moves[-1] if moves else None
    canary = newest.canary if newest else None
    if newest and newest.version == version:
        return f"now, but for {canary.share:.4g} of users" if canary else "now"
    if canary and canary.version == version:
        return f"canary: {canary.share:.4g} of users since {canary.begun}"
    return ""


def _summary(root: str, name: str, version: str, moves: list[Pointer]) -> dict[str, Any]:
    naming = [
        pointer for pointer in moves if version in (pointer.version, pointer.canary.version if pointer.canary else None)
    ]
    damage = ""
    try:
        manifest: Manifest | None = read_manifest(root, name, version)
    except ArtifactError as fault:
        # One damaged version must not hide the others: they are what can be served instead.
        manifest, damage = None, str(fault)
    return {
        "version": version,
        "serves": _serves(version, moves),
        "sequences": [pointer.sequence for pointer in naming],
        "moved by": str(naming[-1].by or "not recorded") if naming else "",
        **_models_text(manifest),
        "memory parts": sum(file.startswith(PREFIX) for file in manifest.files) if manifest else None,
        "learned until": manifest.data_window.get("last", "") if manifest else "",
        "created": manifest.created_at if manifest else "",
        "damage": damage,
    }


def _models_text(manifest: Manifest | None) -> dict[str, Any]:
    """What a version serves: the night that made it, and its models; empty texts where nobody can tell."""
    if manifest is None:
        return dict.fromkeys(("night", "bandit", "values", "ranker"), "")
    bandit, ranker = (manifest.files.get(file) for file in (BANDIT, RANKER))
    return {
        "night": manifest.as_of_date,
        "bandit": bandit.sha256[:12] if bandit else "uniform" if _is_uniform(manifest) else "planner",
        "values": f"learned, {manifest.values.folds} folds" if manifest.values else "hit rates",
        "ranker": ranker.sha256[:12] if ranker else "fusion",
    }


def _is_uniform(manifest: Manifest) -> bool:
    return manifest.settings.exploration.floor_share >= 1.0


def _described(manifest: Manifest) -> dict[str, Any]:
    settings = manifest.settings
    features = {
        kind: len(getattr(settings, kind)) for kind in ("shared_features", "action_features", "ranker_features")
    }
    if manifest.values:
        learned = manifest.values.to_json(settings.space)
        features |= {kind: len(learned[kind]) for kind in ("candidate_features", "look_features")}
    return {
        "version": manifest.version,
        "as_of_date": manifest.as_of_date,
        "policy": settings.name,
        "strategies": list(settings.strategies),
        "block_size": settings.block_size,
        "budget": settings.budget,
        "decide": settings.decide,
        "observe": settings.observe,
        "exploration": settings.exploration.to_json(),
        "values": dict(vars(manifest.values)) if manifest.values else "hit rates",
        "feature_groups": list(settings.features),
        "features": features,
        "data_window": dict(manifest.data_window),
        "table_versions": dict(manifest.table_versions),
        "mlflow_run_id": manifest.run_id,
        "lineage": dict(manifest.lineage),
        "created_at": manifest.created_at,
        "ltrr_version": manifest.ltrr_version,
        "format": manifest.format,
        "ope": {policy: dict(row) for policy, row in manifest.ope.items()},
        "files": {name: {"sha256": file.sha256, "size": file.size} for name, file in manifest.files.items()},
    }
