"""Moves of the pointer by a person: promote a version, roll back, begin or end a canary.

Each move writes a new sequence of the pointer that names the person. A promotion and a rollback
also end a running canary.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ltrr.artifacts.bundle import BANDIT, RANKER, read_manifest
from ltrr.artifacts.learned_values import only_value_files
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.pointer import (
    Canary,
    Mover,
    Pointer,
    current_pointer,
    move_pointer,
    now,
    open_policy,
    pointers,
    top_sequence,
)
from ltrr.errors import ArtifactError, UsageError
from ltrr.evaluation.published import has_same_plans
from ltrr.publishing.release import CANARY_BEGUN, CANARY_ENDED, PROMOTED, REFRESHED, ROLLED_BACK, Release
from ltrr.serving.policy import Policy


def promote(root: str | os.PathLike[str], name: str, version: str, *, why: str, by_whom: str) -> Release | None:
    """Serve `version` to all users from now on; None if it already serves all users.

    The version is loaded first, as a service would load it, so the pointer never names a version
    that cannot be served. A torn pointer does not block the move, because the new pointer lies
    above it.

    Raises:
        ArtifactError: The version does not exist or is damaged.
        PointerMovedError: Another process moved the pointer at the same moment.
    """
    Policy.load(open_policy(root, name).url, version)
    # Read last: loading takes seconds.
    top = top_sequence(open_policy(root, name))
    return _move_pointer(root, name, pointers(root, name), top, version, PROMOTED, why, by_whom)


def roll_back(root: str | os.PathLike[str], name: str, *, why: str, by_whom: str) -> Release | None:
    """Serve the last version whose models differ from the current ones (`choose_rollback`).

    Raises:
        UsageError: There is no such version, or the manifests that identify it cannot be read.
        ArtifactError: The version is damaged.
        PointerMovedError: Another process moved the pointer at the same moment.
    """
    store = open_policy(root, name)
    top, found = top_sequence(store), pointers(root, name)
    version = choose_rollback(root, name, found)
    Policy.load(store.url, version)
    return _move_pointer(root, name, found, top, version, ROLLED_BACK, why, by_whom)


def choose_rollback(root: str | os.PathLike[str], name: str, found: Sequence[Pointer]) -> str:
    """The version that served immediately before the current models first served.

    Models are the bandit, values, ranker, exploration and the other settings. A night's refresh
    keeps the models and replaces memory and history, so a rollback skips refreshes. Two nights
    after a bad promotion, the rollback returns to the version before the promotion. The function
    reads one small manifest per move that is not a refresh.

    Args:
        root: Folder of the policies.
        name: Name of the policy.
        found: Pointers of the policy, oldest first.

    Raises:
        UsageError: The current models are the first, or a manifest that decides this cannot be
            read.
    """
    served: list[tuple[str, tuple[object, ...] | None]] = []
    for pointer in found:
        is_refresh = pointer.by is not None and pointer.by.action == REFRESHED and bool(served)
        served.append((pointer.version, served[-1][1] if is_refresh else _known_models(root, name, pointer.version)))
    current = served[-1] if served else ("no version", None)
    first = next((place for place, (_, models) in enumerate(served) if models == current[1]), 0)
    version, models = served[first - 1] if first else ("", None)
    if current[1] is None or (first and models is None):
        raise UsageError(
            "the version to roll back to is not known",
            which=current[0],
            expected="readable manifests of the versions that served",
            got="no pointer" if not served else f"none of {version if current[1] else current[0]}",
            todo="choose one: `ltrr policies list`, then `ltrr policies promote VERSION --why REASON`",
        )
    if not first:
        raise UsageError(
            "there is no version to roll back to",
            which=current[0],
            expected="an earlier version with another bandit, ranker, values or exploration",
            got="none",
            todo="for the same models with an older memory: `ltrr policies promote VERSION --why REASON`",
        )
    return version


def begin_canary(
    root: str | os.PathLike[str], name: str, version: str, share: float, *, why: str, by_whom: str
) -> Release:
    """Serve `version` to a share of the users from now on, and the current version to the others.

    Raises:
        NotReadyError: No version serves yet.
        UsageError: A canary already runs, the share is invalid, or the two versions cannot be
            compared.
        ArtifactError: The version does not exist or is damaged.
        PointerMovedError: Another process moved the pointer at the same moment.
    """
    store = open_policy(root, name)
    canary = Canary(version, share, begun=now())
    Policy.load(store.url, version)
    # Read last: loading takes seconds, and the version that serves now stays.
    top, pointer = top_sequence(store), current_pointer(store)
    if pointer.canary is not None:
        raise UsageError(
            "another canary runs already",
            which=version,
            expected="no running canary",
            got=f"{pointer.canary.version} since {pointer.canary.begun}",
            todo="end it first: `ltrr policies canary --end --why REASON`",
        )
    _check_comparable(read_manifest(root, name, pointer.version), read_manifest(root, name, version))
    by = Mover.of_person(by_whom, CANARY_BEGUN)
    sequence = move_pointer(root, name, pointer.version, why, canary, by=by, after=top)
    return Release(pointer.version, CANARY_BEGUN, None, why, by_whom, pointer.version, sequence, canary=canary)


def end_canary(root: str | os.PathLike[str], name: str, *, why: str, by_whom: str) -> Release:
    """Serve the champion to all users, also to those of the canary.

    Raises:
        NotReadyError: No version serves yet.
        UsageError: No canary runs.
        PointerMovedError: Another process moved the pointer at the same moment.
    """
    store = open_policy(root, name)
    top, pointer = top_sequence(store), current_pointer(store)
    if pointer.canary is None:
        raise UsageError("there is no canary to end", which=name, got=f"{pointer.version} serves all users")
    by = Mover.of_person(by_whom, CANARY_ENDED)
    sequence = move_pointer(root, name, pointer.version, why, by=by, after=top)
    return Release(pointer.version, CANARY_ENDED, None, why, by_whom, pointer.version, sequence)


def _move_pointer(
    root: str | os.PathLike[str],
    name: str,
    found: Sequence[Pointer],
    top: int,
    version: str,
    action: str,
    why: str,
    by_whom: str,
) -> Release | None:
    newest = found[-1] if found else None
    if newest is not None and newest.version == version:
        if newest.canary is None and newest.sequence == top:
            return None
        action = CANARY_ENDED if newest.canary is not None else action
    sequence = move_pointer(root, name, version, why, by=Mover.of_person(by_whom, action), after=top)
    return Release(version, action, None, why, by_whom, newest.version if newest else None, sequence)


def _check_comparable(champion: Manifest, canary: Manifest) -> None:
    """Check that nights can refresh both from one memory and history, and that they differ."""
    if canary.shadow:
        raise UsageError(
            "a canary in shadow mode would serve no page",
            which=canary.version,
            expected="a version that serves its choices",
            got="one in shadow mode",
            todo="`ltrr policies ramp` publishes such a version",
        )
    if not has_same_plans(champion.settings, canary.settings):
        raise UsageError(
            "the canary has other plans than the champion, so nights cannot refresh both from one memory and history",
            which=canary.version,
            expected=f"strategies, block_size, budget, observe, features and ranker_groups as in {champion.version}",
            got="others",
            todo="give the new plans a policy.name of their own and start it with `ltrr policies init`",
        )
    if _models(champion) == _models(canary):
        raise UsageError(
            "the canary has the models of the champion, so both are the same after the next refresh",
            which=canary.version,
            expected=f"another bandit, ranker, values or exploration than {champion.version}",
            got="the same",
        )


def _models(manifest: Manifest) -> tuple[object, ...]:
    names = {BANDIT, RANKER, *only_value_files(manifest.files)}
    files = {name: file.sha256 for name, file in manifest.files.items() if name in names}
    return manifest.settings, manifest.values, manifest.shadow, files


def _known_models(root: str | os.PathLike[str], name: str, version: str) -> tuple[object, ...] | None:
    try:
        return _models(read_manifest(root, name, version))
    except ArtifactError:
        return None
