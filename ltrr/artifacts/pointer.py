"""Which version is served: `<policies>/<name>/current/<sequence>.json`, created exclusively and never overwritten.

The highest sequence wins. Two publishers that want the same sequence: one creates it, the other is told and takes the
next. Rolling back is a new sequence that names an old version; nothing is ever taken away.

Beside the version a pointer may name a canary: a second version that serves a share of the users. A new sequence that
names none ends it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.store import Store
from ltrr.core.hashing import unit_interval
from ltrr.errors import ArtifactError, NotReadyError, UsageError

FOLDER = "current"


@dataclass(frozen=True)
class Canary:
    """A version on trial: it serves a share of the users, drawn by hash, while the pointer's own serves the others.

    Attributes:
        version: on trial.
        share: of the users, above 0 and below 1.
        begun: ISO 8601, UTC; the salt of the hash. It stays while both versions are refreshed night by night, so a user
            stays on a side for the canary's whole life; the next canary begins at another time and draws other users.
        manifest_sha256: of that version's manifest file; filled in by `move_pointer`.

    Raises:
        UsageError: the share is not one that a draw can have.
    """

    version: str
    share: float
    begun: str
    manifest_sha256: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise UsageError(
                "a canary serves some users and not all",
                which="share",
                expected="above 0, below 1",
                got=f"{self.share}",
            )

    def serves(self, user: str) -> bool:
        """Whether this user is on the canary's side.

        >>> canary = Canary("2026-03-02-5b1f0c9e77aa", 0.25, begun="2026-03-03T09:00:00.000+00:00")
        >>> 0.24 < sum(canary.serves(f"user-{n}") for n in range(10_000)) / 10_000 < 0.26
        True
        """
        return unit_interval("canary", self.begun, user) < self.share


@dataclass(frozen=True)
class Pointer:
    """One move of the pointer.

    Args:
        sequence: 1, 2, ...
        version: served from then on.
        manifest_sha256: of that version's manifest file, so that not even its remarks can change unseen.
        at: ISO 8601, UTC.
        why: in words.
        canary: serves beside the version; None where the version serves everybody.
    """

    sequence: int
    version: str
    manifest_sha256: str
    at: str
    why: str
    canary: Canary | None = None

    @staticmethod
    def of_json(sequence: int, content: Mapping[str, Any]) -> Pointer:
        """As a pointer file holds it.

        A key that is not known here is refused (TypeError): a reader that passed over what a later format says of who
        is served by what would be silently wrong. So did readers from before there were canaries.
        """
        told = content.get("canary")
        return Pointer(**{**content, "sequence": sequence, "canary": None if told is None else Canary(**told)})


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
        return Pointer.of_json(sequence, json.loads(store.read(which)))
    except (OSError, ValueError, TypeError, AttributeError, UsageError) as fault:
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


def move_pointer(
    root: str | os.PathLike[str], name: str, version: str, why: str = "", canary: Canary | None = None
) -> int:
    """Serve this version from now on, and the canary beside it; without one, a canary that was served ends.

    Where all that is served already nothing happens, so that a night may be run again.

    Returns:
        the sequence that names it.

    Raises:
        ArtifactError: a version is not there or its manifest does not hold.
        ConfigError: the store cannot create exclusively.
        UsageError: the canary is the version itself.
    """
    if canary is not None and canary.version == version:
        raise UsageError("a canary is another version than the one it is tried beside", which=version)
    store = open_policy(root, name)
    store.prove_exclusive()
    manifest_sha256 = _manifest_sha256(store, version)
    beside = canary and replace(canary, manifest_sha256=_manifest_sha256(store, canary.version))
    while True:
        taken = sequences(store)
        if taken:
            newest = pointer_at(store, taken[-1])
            if (newest.version, newest.canary) == (version, beside):
                return taken[-1]
        sequence = taken[-1] + 1 if taken else 1
        content: dict[str, Any] = {
            "version": version,
            "manifest_sha256": manifest_sha256,
            "at": now(),
            "why": why,
        }
        # Said only while there is one: between canaries, readers that know of none follow the pointer as ever.
        if beside is not None:
            content["canary"] = asdict(beside)
        try:
            store.create(f"{FOLDER}/{sequence:08d}.json", json.dumps(content, sort_keys=True).encode())
        except FileExistsError:
            # Another publisher was first. Ours is the later wish: it takes the next sequence.
            continue
        return sequence


def now() -> str:
    """As pointers say when: ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _manifest_sha256(store: Store, version: str) -> str:
    manifest = read_manifest_bytes(store, version)
    Manifest.of_bytes(manifest, version)
    return Payload.of(manifest).sha256


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
