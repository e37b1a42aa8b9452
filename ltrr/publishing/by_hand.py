"""What a person does: promote a version, roll back to the one before, try one on some of the users.

Each is a new sequence of the pointer; promoting and rolling back end a canary that runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ltrr.artifacts.bundle import BANDIT, RANKER, read_manifest
from ltrr.artifacts.learned_values import only_value_files
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.pointer import Canary, current_pointer, move_pointer, now, open_policy
from ltrr.errors import UsageError
from ltrr.evaluation.published import plans_alike
from ltrr.publishing.moves import Move, version_before
from ltrr.publishing.release import CANARY_BEGUN, CANARY_ENDED, PROMOTED, ROLLED_BACK, Release
from ltrr.serving.policy import Policy


def promote(
    root: str | os.PathLike[str], name: str, moves: Sequence[Move], version: str, *, why: str, by_whom: str
) -> Release | None:
    """Serve `version` to everybody from now on; None where it does already.

    It is loaded first as a service would load it: what cannot be served is not pointed at.

    Raises:
        ArtifactError: no such version, or it is damaged.
    """
    return _point(root, name, moves, version, PROMOTED, why, by_whom)


def roll_back(
    root: str | os.PathLike[str], name: str, moves: Sequence[Move], *, why: str, by_whom: str
) -> Release | None:
    """Serve what served before the current version first did.

    Raises:
        UsageError: there was nothing before.
        ArtifactError: it is damaged.
    """
    return _point(root, name, moves, version_before(moves), ROLLED_BACK, why, by_whom)


def begin_canary(
    root: str | os.PathLike[str], name: str, version: str, share: float, *, why: str, by_whom: str
) -> Release:
    """Serve `version` to a share of the users from now on, and what serves now to the others.

    Raises:
        NotReadyError: nothing serves yet.
        UsageError: a canary runs already, the share is none, or there is nothing that the two could be compared in.
        ArtifactError: no such version, or it is damaged.
    """
    store = open_policy(root, name)
    canary = Canary(version, share, begun=now())
    Policy.load(store.url, version)
    # Asked last: loading takes seconds, and what serves now is what goes on.
    pointer = current_pointer(store)
    if pointer.canary is not None:
        raise UsageError(
            "one canary at a time",
            which=version,
            expected="none that runs",
            got=f"{pointer.canary.version} since {pointer.canary.begun}",
            todo="end it first: `ltrr policies canary --end --why REASON`",
        )
    _check_comparable(read_manifest(root, name, pointer.version), read_manifest(root, name, version))
    sequence = move_pointer(root, name, pointer.version, why=f"{why} ({by_whom})", canary=canary)
    return Release(pointer.version, CANARY_BEGUN, None, why, by_whom, pointer.version, sequence, canary=canary)


def end_canary(root: str | os.PathLike[str], name: str, *, why: str, by_whom: str) -> Release:
    """Serve what serves beside the canary to everybody.

    Raises:
        NotReadyError: nothing serves yet.
        UsageError: no canary runs.
    """
    pointer = current_pointer(open_policy(root, name))
    if pointer.canary is None:
        raise UsageError("there is no canary to end", which=name, got=f"{pointer.version} serves everybody")
    sequence = move_pointer(root, name, pointer.version, why=f"{why} ({by_whom})")
    return Release(pointer.version, CANARY_ENDED, None, why, by_whom, pointer.version, sequence)


def _point(
    root: str | os.PathLike[str],
    name: str,
    moves: Sequence[Move],
    version: str,
    action: str,
    why: str,
    by_whom: str,
) -> Release | None:
    store = open_policy(root, name)
    Policy.load(store.url, version)
    previous = moves[-1].version if moves else None
    if version == previous:
        if current_pointer(store).canary is None:
            return None
        action = CANARY_ENDED
    sequence = move_pointer(root, name, version, why=f"{why} ({by_whom})")
    return Release(version, action, None, why, by_whom, previous, sequence)


def _check_comparable(champion: Manifest, tried: Manifest) -> None:
    if not plans_alike(champion.settings, tried.settings):
        raise UsageError(
            "a canary plans with what the champion plans with: nights refresh both from one memory and history",
            which=tried.version,
            expected=f"strategies, block_size, budget, observe and features as in {champion.version}",
            got="others",
            todo="give the new plans a policy.name of their own and start it with `ltrr policies init`",
        )
    if _models(champion) == _models(tried):
        raise UsageError(
            "the canary would be the champion from the next night on: a refresh gives both the same memory and history",
            which=tried.version,
            expected=f"another bandit, ranker, values or exploration than {champion.version}",
            got="the same",
        )


def _models(manifest: Manifest) -> tuple[object, ...]:
    names = {BANDIT, RANKER, *only_value_files(manifest.files)}
    files = {name: file.sha256 for name, file in manifest.files.items() if name in names}
    return manifest.settings, manifest.values, files
