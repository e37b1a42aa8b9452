"""Which version is served: `<policies>/<name>/current/<sequence>.json`, created exclusively and never overwritten.

The highest sequence wins. Two publishers that want the same sequence: one creates it, the other is told and takes the
next. Rolling back is a new sequence that names an old version; nothing is ever taken away.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.store import Store
from ltrr.errors import ArtifactError, NotReadyError

FOLDER = "current"


@dataclass(frozen=True)
class Pointer:
    """One move of the pointer.

    Args:
        sequence: 1, 2, ...
        version: served from then on.
        manifest_sha256: of that version's manifest file, so that not even its remarks can change unseen.
        at: ISO 8601, UTC.
        why: in words.
    """

    sequence: int
    version: str
    manifest_sha256: str
    at: str
    why: str


def open_policy(root: str | os.PathLike[str], name: str) -> Store:
    """The store of one policy, `<policies>/<name>`."""
    return Store(f"{os.fspath(root).rstrip('/')}/{name}")


def pointer_at(store: Store, sequence: int) -> Pointer:
    """Read one move.

    Raises:
        ArtifactError: it is not there or not readable.
    """
    which = f"{FOLDER}/{sequence:08d}.json"
    try:
        return Pointer(sequence=sequence, **json.loads(store.read(which)))
    except (OSError, ValueError, TypeError) as fault:
        raise ArtifactError(
            "a pointer cannot be read", which=which, got=f"{type(fault).__name__}: {fault}", todo="point again"
        ) from fault


def sequences(store: Store) -> list[int]:
    """Every sequence there is, ascending."""
    stems = (name.removesuffix(".json") for name in store.names(FOLDER) if name.endswith(".json"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def pointers(root: str | os.PathLike[str], name: str) -> list[Pointer]:
    """The history of what was served, oldest first."""
    store = open_policy(root, name)
    return [pointer_at(store, sequence) for sequence in sequences(store)]


def current_pointer(store: Store) -> Pointer:
    """The move that holds now.

    Raises:
        NotReadyError: nothing was ever published here.
    """
    found = sequences(store)
    if not found:
        raise NotReadyError(
            "no policy is published", which=store.url, todo="run `ltrr policies init` or publish a first bundle"
        )
    return pointer_at(store, found[-1])


def current(root: str | os.PathLike[str], name: str) -> str:
    """The version that is served now.

    Raises:
        NotReadyError: nothing was ever published here.
    """
    return current_pointer(open_policy(root, name)).version


def move_pointer(root: str | os.PathLike[str], name: str, version: str, why: str = "") -> int:
    """Serve this version from now on.

    Where it is served already nothing happens, so that a night may be run again.

    Returns:
        the sequence that names it.

    Raises:
        ArtifactError: the version is not there or its manifest does not hold.
        ConfigError: the store cannot create exclusively.
    """
    store = open_policy(root, name)
    store.prove_exclusive()
    manifest = read_manifest_bytes(store, version)
    Manifest.of_bytes(manifest, version)
    while True:
        taken = sequences(store)
        if taken and pointer_at(store, taken[-1]).version == version:
            return taken[-1]
        sequence = taken[-1] + 1 if taken else 1
        content = {
            "version": version,
            "manifest_sha256": Payload.of(manifest).sha256,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "why": why,
        }
        try:
            store.create(f"{FOLDER}/{sequence:08d}.json", json.dumps(content, sort_keys=True).encode())
        except FileExistsError:
            # Another publisher was first. Ours is the later wish: it takes the next sequence.
            continue
        return sequence


def read_manifest_bytes(store: Store, version: str) -> bytes:
    """The manifest file of a version; without it a version does not exist, whatever lies in its folder.

    Raises:
        ArtifactError: there is none.
    """
    try:
        return store.read(f"{version}/manifest.json")
    except FileNotFoundError as missing:
        raise ArtifactError(
            "no such version", which=str(missing), todo="`ltrr policies list` shows the versions there are"
        ) from None
