"""Pointers: files that name the served version, created exclusively and never overwritten.

A pointer is `<policies>/<name>/current/<sequence>.json`. The highest sequence that can be read is
in force. If two publishers create the same sequence, one succeeds. The other takes the next
sequence, or fails if its decision depends on what it read (`after`). A rollback is a new sequence
that names an old version; no pointer is ever deleted. Each pointer names who moved it (`by`).

A pointer may also name a canary: a second version that serves a share of the users. A new sequence
without a canary ends it.

Readers and writers skip a torn pointer, with a warning that names its file. The newest readable
pointer is in force until a writer creates a higher sequence. A pointer of a later format is not
torn: it is refused.
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
    """Read one pointer.

    Raises:
        ArtifactError: the pointer is missing, torn, or of a later format.
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
    """Read one pointer; None, with a warning, if its file is torn.

    Raises:
        ArtifactError: the pointer is of a later format, or the store does not answer.
    """
    try:
        return parse_pointer(sequence, _read(store, sequence))
    except TornError as fault:
        log.warning("pointer=%s/%s skipped: it cannot be read: %s", store.url, path_of(sequence), one_line(str(fault)))
        return None


def sequences(store: Store) -> list[int]:
    """All sequences, ascending, including those of torn pointers."""
    stems = (name.removesuffix(".json") for name in store.names(FOLDER) if name.endswith(".json"))
    return sorted(int(stem) for stem in stems if _SEQUENCE.fullmatch(stem) and stem == f"{int(stem):08d}")


def top_sequence(store: Store) -> int:
    """The highest sequence, readable or not, 0 without a pointer: `after` of `move_pointer`."""
    return max(sequences(store), default=0)


def pointers(root: str | os.PathLike[str], name: str) -> list[Pointer]:
    """All pointers of a policy, oldest first, without torn ones."""
    store = open_policy(root, name)
    found = (read_pointer(store, sequence) for sequence in sequences(store))
    return [pointer for pointer in found if pointer is not None]


def current_pointer(store: Store) -> Pointer:
    """The pointer in force: the newest that can be read.

    Raises:
        NotReadyError: nothing is published yet.
        ArtifactError: no pointer can be read, or the newest is of a later format.
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
        NotReadyError: nothing is published yet.
    """
    return current_pointer(open_policy(root, name)).version


def _check_texts(**texts: str) -> None:
    """Check that each text of a pointer is one line.

    Raises:
        UsageError: a text has a control character.
    """
    for which, text in texts.items():
        if CONTROL.search(text):
            raise UsageError(
                "a text of a pointer is not one line", which=which, expected="no control characters", got=repr(text)
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
    """Serve this version from now on, with this canary or with none.

    If exactly this is served already, nothing is created, so a night may be run again.

    Args:
        root: Folder of the policies.
        name: Name of the policy.
        version: Version to serve.
        why: Reason, one line.
        canary: Canary to serve next to it; None ends a canary.
        by: Who moves the pointer; None: a person without a name.
        after: `top_sequence` that the caller read before it decided. Exactly the next sequence is
            created. None: the decision does not depend on the served version, and the next free
            sequence is created.

    Returns:
        The sequence of the pointer.

    Raises:
        ArtifactError: a version is missing, or its manifest is invalid.
        ConfigError: the store cannot create exclusively.
        PointerMovedError: the pointer was moved since `after`; nothing is created.
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
    """Create the next pointer, unless the newest one serves the same; return its sequence.

    Raises:
        PointerMovedError: the pointer was moved since `after`.
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
            # Another publisher was first: read the sequences again.
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
    """The manifest file of a version. A version without one does not exist.

    Raises:
        ArtifactError: there is no manifest, or the name is not that of a version.
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
