"""Which version is served: `<policies>/<name>/current/<sequence>.json`, created exclusively and never overwritten.

The highest sequence that can be read wins. Two publishers that want the same sequence: one creates
it; the other takes the next, or gives up where its decision rests on what it read (`after`).
Rolling back is a new sequence that names an old version; nothing is ever taken away. Each pointer
says who moved it (`by`).

Next to the version a pointer may name a canary: a second version that serves a share of the users.
A new sequence that names none ends it.

A torn pointer is skipped with a warning that names its file, by readers and writers alike: the
newest readable one holds until a writer creates a sequence above both. A pointer of a later format
is not torn: it is refused.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, replace

from ltrr.artifacts.manifest import Manifest, check_version
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.pointer_file import (
    CONTROL,
    FOLDER,
    Canary,
    Mover,
    Pointer,
    TornError,
    now,
    one_line,
    parse_pointer,
    path_of,
)
from ltrr.artifacts.store import Store
from ltrr.errors import ArtifactError, NotReadyError, PointerMovedError, UsageError

__all__ = [
    "Canary",
    "Mover",
    "Pointer",
    "current",
    "current_pointer",
    "move_pointer",
    "now",
    "one_line",
    "open_policy",
    "pointer_at",
    "pointers",
    "read_manifest_bytes",
    "read_pointer",
    "sequences",
    "top_sequence",
]

_SEQUENCE = re.compile(r"[0-9]{8,18}")
log = logging.getLogger(__name__)


def open_policy(root: str | os.PathLike[str], name: str) -> Store:
    """The store of one policy, `<policies>/<name>`."""
    return Store(f"{os.fspath(root).rstrip('/')}/{name}")


def pointer_at(store: Store, sequence: int) -> Pointer:
    """Read one move.

    Raises:
        ArtifactError: it is not there, torn, or of a later format.
    """
    try:
        return parse_pointer(sequence, _read(store, sequence))
    except TornError as fault:
        raise ArtifactError(
            "a pointer cannot be read",
            which=path_of(sequence),
            got=str(fault),
            todo="choose what is served with `ltrr policies promote VERSION`: it creates the next pointer",
        ) from fault


def read_pointer(store: Store, sequence: int) -> Pointer | None:
    """One move; None, with a warning, where its file is torn.

    Raises:
        ArtifactError: it is of a later format, or the store does not answer, which says nothing
            about the pointer.
    """
    try:
        return parse_pointer(sequence, _read(store, sequence))
    except TornError as fault:
        log.warning("pointer=%s/%s skipped: it cannot be read: %s", store.url, path_of(sequence), one_line(str(fault)))
        return None


def sequences(store: Store) -> list[int]:
    """Every sequence there is, ascending, those of torn pointers among them."""
    stems = (name.removesuffix(".json") for name in store.names(FOLDER) if name.endswith(".json"))
    return sorted(int(stem) for stem in stems if _SEQUENCE.fullmatch(stem) and stem == f"{int(stem):08d}")


def top_sequence(store: Store) -> int:
    """The newest sequence, readable or not; 0 where there is none. For `after` of `move_pointer`."""
    return max(sequences(store), default=0)


def pointers(root: str | os.PathLike[str], name: str) -> list[Pointer]:
    """The history of what was served, oldest first, without torn pointers."""
    store = open_policy(root, name)
    found = (read_pointer(store, sequence) for sequence in sequences(store))
    return [pointer for pointer in found if pointer is not None]


def current_pointer(store: Store) -> Pointer:
    """The move that holds now: the newest that can be read.

    Raises:
        NotReadyError: nothing was ever published here.
        ArtifactError: none of the pointers can be read, or the newest is of a later format.
    """
    found = sequences(store)
    newest = next(_newest_first(store, found), None)
    if newest is not None:
        return newest
    if found:
        raise ArtifactError(
            "no pointer can be read",
            which=f"{store.url}/{FOLDER}",
            expected="at least one whole pointer",
            got=f"{len(found)} torn",
            todo="choose what is served with `ltrr policies promote VERSION`",
        )
    raise NotReadyError(
        "no policy is published", which=store.url, todo="run `ltrr policies init` or publish a first bundle"
    )


def current(root: str | os.PathLike[str], name: str) -> str:
    """The version that is served now.

    Raises:
        NotReadyError: nothing was ever published here.
    """
    return current_pointer(open_policy(root, name)).version


def _check_texts(**texts: str) -> None:
    """Check that the texts of a pointer have one line each.

    Raises:
        UsageError: one has a control character.
    """
    for which, text in texts.items():
        if CONTROL.search(text):
            raise UsageError(
                "a pointer's text has one line", which=which, expected="no control characters", got=repr(text)
            )


def move_pointer(
    root: str | os.PathLike[str],
    name: str,
    version: str,
    why: str = "",
    canary: Canary | None = None,
    *,
    by: Mover | None = None,
    after: int | None = None,
) -> int:
    """Serve this version from now on, and the canary next to it; without one, a canary that was served ends.

    Where all that is served already nothing happens, so that a night may be run again.

    Args:
        root: the policies' folder.
        name: of the policy.
        version: to be served.
        why: the reason, one line.
        canary: to be served next to it.
        by: who moves it; None: a person who is not named.
        after: `top_sequence` as the caller read it before it decided: exactly the next sequence is
            created. None: the wish does not depend on what is served, and takes the next free
            sequence.

    Returns:
        the sequence that names it.

    Raises:
        ArtifactError: a version is missing or its manifest is invalid.
        ConfigError: the store cannot create exclusively.
        PointerMovedError: another process or person has moved the pointer since `after`; nothing
            was created.
        UsageError: the canary is the version itself, or the reason is not one line.
    """
    if canary is not None and canary.version == version:
        raise UsageError("a canary must differ from the version that it is compared with", which=version)
    mover = by or Mover()
    _check_texts(why=why, by=mover.person)
    store = open_policy(root, name)
    store.prove_exclusive()
    content: dict[str, object] = {
        "version": version,
        "manifest_sha256": _manifest_sha256(store, version),
        "why": why,
        "by": mover.to_json(),
    }
    pinned = canary and replace(canary, manifest_sha256=_manifest_sha256(store, canary.version))
    return _create_next(store, content, version, pinned, after)


def _create_next(
    store: Store, content: dict[str, object], version: str, pinned: Canary | None, after: int | None
) -> int:
    """Create the next pointer, unless the newest one serves the same; returns its sequence.

    Raises:
        PointerMovedError: the pointer has moved since `after`.
    """
    while True:
        taken = sequences(store)
        top = taken[-1] if taken else 0
        newest = next(_newest_first(store, taken), None)
        if after is not None and top != after:
            raise _moved(store, after, newest)
        if newest is not None and (newest.sequence, newest.version, newest.canary) == (top, version, pinned):
            return top
        # A pointer without a canary has no such key.
        named = content | {"at": now()} | ({"canary": asdict(pinned)} if pinned else {})
        try:
            store.create(path_of(top + 1), json.dumps(named, sort_keys=True).encode())
        except FileExistsError:
            # Another publisher was first: asked again above.
            continue
        return top + 1


def _moved(store: Store, after: int, newest: Pointer | None) -> PointerMovedError:
    mover = newest.by if newest and newest.by else "another process or person"
    return PointerMovedError(
        "the pointer was moved meanwhile",
        which=f"{store.url}/{FOLDER}",
        expected=f"sequence {after} to be the newest",
        got=f"sequence {newest.sequence} of {newest.version} by {mover}" if newest else "another",
        todo="look at `ltrr policies list` and decide again",
    )


def _read(store: Store, sequence: int) -> bytes:
    try:
        return store.read(path_of(sequence))
    except OSError as fault:
        raise ArtifactError(
            "a pointer cannot be read",
            which=path_of(sequence),
            got=f"{type(fault).__name__}: {fault}",
            todo=f"try again; look at {store.url}",
        ) from fault


def _newest_first(store: Store, taken: list[int]) -> Iterator[Pointer]:
    found = (read_pointer(store, sequence) for sequence in reversed(taken))
    return (pointer for pointer in found if pointer is not None)


def _manifest_sha256(store: Store, version: str) -> str:
    manifest = read_manifest_bytes(store, version)
    Manifest.of_bytes(manifest, version)
    return Payload.of(manifest).sha256


def read_manifest_bytes(store: Store, version: str) -> bytes:
    """The manifest file of a version; without it a version does not exist, whatever lies in its folder.

    Raises:
        ArtifactError: there is none, or it is not the name of a version.
    """
    try:
        check_version(version)
    except UsageError as fault:
        raise ArtifactError(
            "no such version",
            which=repr(version),
            got=str(fault),
            todo="`ltrr policies list` shows the versions there are",
        ) from fault
    try:
        return store.read(f"{version}/manifest.json")
    except FileNotFoundError as missing:
        raise ArtifactError(
            "no such version", which=str(missing), todo="`ltrr policies list` shows the versions there are"
        ) from None
