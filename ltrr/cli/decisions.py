"""`ltrr policies promote`, `rollback` and `canary`: recorded decisions of a person."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from ltrr.artifacts.bundle import read_manifest
from ltrr.artifacts.pointer import current
from ltrr.cli.options import Common, with_common
from ltrr.cli.output import print_progress
from ltrr.cli.policy_rows import models_text
from ltrr.config import Settings
from ltrr.errors import LeaseError, UsageError
from ltrr.publishing.by_hand import begin_canary, end_canary, promote, roll_back
from ltrr.publishing.moves import collect_moves
from ltrr.publishing.release import Release, unrecorded_releases
from ltrr.publishing.release_rows import RELEASES, append_releases
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import hold_lease
from ltrr.spark.session import build_session

Why = Annotated[str, typer.Option("--why", help="The reason; recorded in `releases` and with the pointer.")]
By = Annotated[
    str,
    typer.Option(
        "--by", help="Name of the person who decides; by default the logged-in user.", default_factory=getpass.getuser
    ),
]


@with_common
def promote_policy(
    common: Common,
    version: Annotated[str, typer.Argument(help="A published version.")],
    why: Why,
    by_whom: By,
) -> None:
    """Serve this version to all users from now on; a canary ends. The next night starts from it."""
    settings = common.settings()
    root, name = settings.paths.policies, settings.policy.name
    release = promote(root, name, version, why=why, by_whom=by_whom)
    show_release(common, settings, release, version)


@with_common
def rollback_policy(
    common: Common,
    why: Why,
    by_whom: By,
) -> None:
    """Serve the last version with another bandit, ranker, values or exploration; a canary ends.

    Nightly refreshes of the current models are skipped. The rollback is a new pointer; no earlier
    one is deleted.
    """
    settings = common.settings()
    root, name = settings.paths.policies, settings.policy.name
    release = roll_back(root, name, why=why, by_whom=by_whom)
    show_release(common, settings, release, release.version if release else current(root, name))


@with_common
def canary_policy(
    common: Common,
    why: Why,
    by_whom: By,
    version: Annotated[str | None, typer.Argument(help="A published version.")] = None,
    share: Annotated[float | None, typer.Option("--share", help="Share of the users, above 0 and below 1.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End the canary; the champion serves all users.")] = False,
) -> None:
    """Serve a version to a share of the users, drawn by hash, or end such a canary."""
    settings = common.settings()
    root, name = settings.paths.policies, settings.policy.name
    if end and version is None and share is None:
        release = end_canary(root, name, why=why, by_whom=by_whom)
    elif version is not None and share is not None and not end:
        release = begin_canary(root, name, version, share, why=why, by_whom=by_whom)
    else:
        raise UsageError(
            "a canary needs a version and its share of the users",
            which="canary",
            expected="VERSION --share SHARE, or --end",
            got="another combination",
        )
    show_release(common, settings, release, release.version)


def show_release(common: Common, settings: Settings, release: Release | None, version: str) -> None:
    """Record the release and show it.

    While a night holds the lease, that night or the next one records it.
    """
    is_recorded = True
    if release is not None:
        try:
            with hold_lease(settings.paths.home, f"policies {release.action}", tables=settings.paths.tables):
                _record(settings, release)
        except LeaseError as held:
            is_recorded = False
            print_progress(f"ltrr: the version serves; the next night records it in `releases`, because: {held}")
    row = {
        "serves": version,
        "done": release.action if release else "nothing: the version serves already",
        "sequence": release.sequence if release else None,
        "before": release.previous if release else version,
        "canary": f"{release.canary.version} for {release.canary.share:.4g} of users"
        if release and release.canary
        else None,
        "recorded": is_recorded,
    } | models_text(read_manifest(settings.paths.policies, settings.policy.name, version))
    common.show([row], settings.policy.name)


def _record(settings: Settings, release: Release) -> None:
    warehouse = Warehouse(build_session("ltrr policies", settings.spark), settings.paths.tables)
    moves = collect_moves(warehouse.read(RELEASES), settings.paths.policies, settings.policy.name)
    others = [row for row in unrecorded_releases(moves, None) if row.sequence != release.sequence]
    append_releases(warehouse, settings.policy.name, [*others, release])
