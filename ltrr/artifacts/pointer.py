"""Which version is served: `<policies>/<name>/current/<sequence>.json`, created exclusively and never overwritten.

The highest sequence that can be read wins. Two publishers that want the same sequence: one creates it; the other takes
the next, or gives up where its decision rests on what it read (`after`). Rolling back is a new sequence that names an
old version; nothing is ever taken away. Each pointer says who moved it (`by`).

Next to the version a pointer may name a canary: a second version that serves a share of the users. A new sequence that
names none ends it.

A torn pointer is skipped with a warning that names its file, by readers and writers alike: the newest readable one
holds until a writer creates a sequence above both. A pointer of a later format is not torn: it is refused.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime
from typing import Any

from ltrr.artifacts.manifest import Manifest, check_version
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.store import Store
from ltrr.core.hashing import unit_interval
from ltrr.errors import ArtifactError, LtrrError, NotReadyError, PointerMovedError, UsageError

FOLDER = "current"
NIGHT, HAND = "night", "hand"

_SEQUENCE = re.compile(r"[0-9]{8,18}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that begin a line or turn the direction of a text: with them a reason could forge a line of a log."""

log = logging.getLogger(__name__)


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
class Mover:
    """Who moved a pointer: a night's job, or a person.

    Attributes:
        kind: night | hand.
        action: what the move was, as in `releases`; empty where nobody says.
        run_date: logical date of the night; None by hand.
        attempt: of the night's job, 1-based; 0 by hand.
        person: who decided; empty for a night.

    >>> Mover.of_night(date(2026, 3, 2), 1, "refreshed").to_json()
    {'kind': 'night', 'action': 'refreshed', 'run_date': '2026-03-02', 'attempt': 1}
    >>> Mover.of_json({"kind": "hand", "person": "ada"})
    Mover(kind='hand', action='', run_date=None, attempt=0, person='ada')
    """

    kind: str = HAND
    action: str = ""
    run_date: date | None = None
    attempt: int = 0
    person: str = ""

    @staticmethod
    def of_night(day: date, attempt: int, action: str) -> Mover:
        """The job of a night."""
        return Mover(NIGHT, action, day, attempt)

    @staticmethod
    def of_person(person: str, action: str) -> Mover:
        """A person."""
        return Mover(HAND, action, person=person)

    def to_json(self) -> dict[str, Any]:
        """As a pointer file holds it: without what is empty."""
        told = asdict(self) | {"run_date": self.run_date.isoformat() if self.run_date else None}
        return {name: value for name, value in told.items() if value}

    @staticmethod
    def of_json(told: Mapping[str, Any]) -> Mover:
        """Read it back; ValueError or TypeError where it is none."""
        run_date = date.fromisoformat(told["run_date"]) if "run_date" in told else None
        mover = Mover(**{**told, "run_date": run_date})
        if mover.kind not in (NIGHT, HAND) or (mover.kind == NIGHT) != (run_date is not None):
            raise ValueError(f"neither a night with a date nor a hand: {told}")
        return mover


@dataclass(frozen=True)
class Pointer:
    """One move of the pointer.

    Args:
        sequence: 1, 2, ...
        version: served from then on.
        manifest_sha256: of that version's manifest file, so that not even its remarks can change unseen.
        at: ISO 8601, UTC.
        why: the reason, one line.
        canary: serves next to the version; None where the version serves everybody.
        by: who moved it; None: written before ltrr recorded it.
    """

    sequence: int
    version: str
    manifest_sha256: str
    at: str
    why: str
    canary: Canary | None = None
    by: Mover | None = field(default=None)

    @staticmethod
    def of_json(sequence: int, content: Mapping[str, Any]) -> Pointer:
        """As a pointer file holds it.

        Raises:
            ArtifactError: it says more than this version of ltrr knows. A reader that passed over what a later format
                says of who is served by what would be silently wrong.
            LtrrError, KeyError, ValueError, TypeError, AttributeError: it is no pointer.
        """
        known = {one.name for one in fields(Pointer)} - {"sequence"}
        plain = {name: content[name] for name in ("version", "manifest_sha256", "at", "why")}
        if any(not isinstance(value, str) for value in plain.values()):
            raise TypeError(f"not texts: {plain}")
        canary, by = content.get("canary"), content.get("by")
        parts = {"": (content, known), "canary": (canary, _names(Canary)), "by": (by, _names(Mover))}
        unknown = [
            f"{part}.{name}".removeprefix(".")
            for part, (told, names) in parts.items()
            if isinstance(told, Mapping)
            for name in sorted(told.keys() - names)
        ]
        if unknown:
            raise ArtifactError(
                "a pointer is of a later format",
                which=_path(sequence),
                expected=", ".join(sorted(known)),
                got=", ".join(unknown),
                todo="serve and publish with the version of ltrr that wrote it, or a later one",
            )
        pointer = Pointer(
            sequence,
            **plain | {"at": one_line(plain["at"]), "why": one_line(plain["why"])},
            canary=None if canary is None else Canary(**canary),
            by=None if by is None else Mover.of_json(by),
        )
        names = (
            pointer.canary.begun if pointer.canary else "",
            *([pointer.by.person, pointer.by.action] if pointer.by else []),
        )
        if any(_CONTROL.search(name) for name in names):
            raise ValueError(f"control characters in {names}")
        for version in (pointer.version, *([pointer.canary.version] if pointer.canary else [])):
            check_version(version)
        return pointer


def _names(kind: type) -> set[str]:
    return {one.name for one in fields(kind)}


def one_line(text: str) -> str:
    r"""A text without line breaks and other control characters, for a log or a pointer.

    >>> one_line("clicks fell\n2026-03-02 CRITICAL forged")
    'clicks fell 2026-03-02 CRITICAL forged'
    """
    return " ".join(_CONTROL.sub(" ", text).split())


def open_policy(root: str | os.PathLike[str], name: str) -> Store:
    """The store of one policy, `<policies>/<name>`."""
    return Store(f"{os.fspath(root).rstrip('/')}/{name}")


def pointer_at(store: Store, sequence: int) -> Pointer:
    """Read one move.

    Raises:
        ArtifactError: it is not there, torn, or of a later format.
    """
    try:
        return _parse(sequence, _read(store, sequence))
    except _TornError as fault:
        raise ArtifactError(
            "a pointer cannot be read",
            which=_path(sequence),
            got=str(fault),
            todo="choose what is served with `ltrr policies promote VERSION`: it creates the next pointer",
        ) from fault


def read_pointer(store: Store, sequence: int) -> Pointer | None:
    """One move; None, with a warning, where its file is torn.

    Raises:
        ArtifactError: it is of a later format, or the store does not answer, which says nothing about the pointer.
    """
    try:
        return _parse(sequence, _read(store, sequence))
    except _TornError as fault:
        log.warning("pointer=%s/%s skipped: it cannot be read: %s", store.url, _path(sequence), one_line(str(fault)))
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
        after: `top_sequence` as the caller read it before it decided: exactly the next sequence is created. None: the
            wish does not depend on what is served, and takes the next free sequence.

    Returns:
        the sequence that names it.

    Raises:
        ArtifactError: a version is not there or its manifest does not hold.
        ConfigError: the store cannot create exclusively.
        PointerMovedError: somebody else has moved the pointer since `after`; nothing was created.
        UsageError: the canary is the version itself, or the reason is not one line.
    """
    if canary is not None and canary.version == version:
        raise UsageError("a canary is another version than the one it is tried beside", which=version)
    mover = by or Mover()
    for which, text in (("why", why), ("by", mover.person)):
        if _CONTROL.search(text):
            raise UsageError(
                "a pointer's text has one line", which=which, expected="no control characters", got=repr(text)
            )
    store = open_policy(root, name)
    store.prove_exclusive()
    manifest_sha256 = _manifest_sha256(store, version)
    beside = canary and replace(canary, manifest_sha256=_manifest_sha256(store, canary.version))
    while True:
        taken = sequences(store)
        top = taken[-1] if taken else 0
        newest = next(_newest_first(store, taken), None)
        if after is not None and top != after:
            raise _moved(store, after, newest)
        if newest is not None and (newest.sequence, newest.version, newest.canary) == (top, version, beside):
            return top
        content: dict[str, Any] = {
            "version": version,
            "manifest_sha256": manifest_sha256,
            "at": now(),
            "why": why,
            "by": mover.to_json(),
        }
        # Said only while there is one.
        if beside is not None:
            content["canary"] = asdict(beside)
        try:
            store.create(_path(top + 1), json.dumps(content, sort_keys=True).encode())
        except FileExistsError:
            # Another publisher was first: asked again above.
            continue
        return top + 1


def _moved(store: Store, after: int, newest: Pointer | None) -> PointerMovedError:
    mover = newest.by if newest else None
    person = (
        f"the night of {mover.run_date}" if mover and mover.run_date else (mover.person if mover else "") or "somebody"
    )
    return PointerMovedError(
        "the pointer was moved meanwhile",
        which=f"{store.url}/{FOLDER}",
        expected=f"sequence {after} to be the newest",
        got=f"sequence {newest.sequence} of {newest.version} by {person}" if newest else "another",
        todo="look at `ltrr policies list` and decide again",
    )


def _path(sequence: int) -> str:
    return f"{FOLDER}/{sequence:08d}.json"


def _read(store: Store, sequence: int) -> bytes:
    try:
        return store.read(_path(sequence))
    except OSError as fault:
        raise ArtifactError(
            "a pointer cannot be read",
            which=_path(sequence),
            got=f"{type(fault).__name__}: {fault}",
            todo=f"try again; look at {store.url}",
        ) from fault


class _TornError(Exception):
    """The bytes of a pointer file are no pointer."""


def _parse(sequence: int, data: bytes) -> Pointer:
    try:
        return Pointer.of_json(sequence, json.loads(data))
    except ArtifactError:
        raise
    except (LtrrError, KeyError, ValueError, TypeError, AttributeError) as fault:
        raise _TornError(f"{type(fault).__name__}: {fault}") from fault


def _newest_first(store: Store, taken: list[int]) -> Iterator[Pointer]:
    found = (read_pointer(store, sequence) for sequence in reversed(taken))
    return (pointer for pointer in found if pointer is not None)


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
