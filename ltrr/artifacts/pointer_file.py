"""What one pointer file says: which version is served, why, by whose decision, and which canary next to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

from ltrr.artifacts.manifest import check_version
from ltrr.core.hashing import unit_interval
from ltrr.errors import ArtifactError, LtrrError, UsageError

FOLDER = "current"
NIGHT, HAND = "night", "hand"

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that begin a line or turn the direction of a text: with them a reason could forge a line of a log."""


@dataclass(frozen=True)
class Canary:
    """A version on trial: it serves a share of the users, drawn by hash, while the pointer's own serves the others.

    Attributes:
        version: on trial.
        share: of the users, above 0 and below 1.
        begun: ISO 8601, UTC; the salt of the hash. It stays while both versions are refreshed night
            by night, so a user stays on a side for the canary's whole life; the next canary begins
            at another time and draws other users.
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
        action: Kind of the move, as in `releases`; empty where it is unknown.
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

    def __str__(self) -> str:
        """For people.

        >>> str(Mover.of_night(date(2026, 3, 2), 2, "refreshed")), str(Mover.of_person("ada", "rolled_back"))
        ('night of 2026-03-02, attempt 2, refreshed', 'ada, rolled_back')
        """
        night = f"night of {self.run_date}, attempt {self.attempt}" if self.run_date else ""
        return ", ".join(filter(None, (night or self.person or "by hand", self.action)))

    def to_json(self) -> dict[str, Any]:
        """As a pointer file holds it: without what is empty."""
        described = asdict(self) | {"run_date": self.run_date.isoformat() if self.run_date else None}
        return {name: value for name, value in described.items() if value}

    @staticmethod
    def of_json(described: Mapping[str, Any]) -> Mover:
        """Read it back; ValueError or TypeError where it is none."""
        run_date = date.fromisoformat(described["run_date"]) if "run_date" in described else None
        mover = Mover(**{**described, "run_date": run_date})
        if mover.kind not in (NIGHT, HAND) or (mover.kind == NIGHT) != (run_date is not None):
            raise ValueError(f"neither a night with a date nor a hand: {described}")
        return mover


@dataclass(frozen=True)
class Pointer:
    """One move of the pointer.

    Args:
        sequence: 1, 2, ...
        version: served from then on.
        manifest_sha256: of that version's manifest file, so that not even its remarks can change
            unseen.
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
    by: Mover | None = None

    @staticmethod
    def of_json(sequence: int, content: Mapping[str, Any]) -> Pointer:
        """As a pointer file holds it.

        Raises:
            ArtifactError: it says more than this version of ltrr knows. A reader that passed over
                what a later format says of who is served by what would be silently wrong.
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
            for part, (described, names) in parts.items()
            if isinstance(described, Mapping)
            for name in sorted(described.keys() - names)
        ]
        if unknown:
            raise ArtifactError(
                "a pointer is of a later format",
                which=path_of(sequence),
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
        if any(CONTROL.search(name) for name in names):
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
    return " ".join(CONTROL.sub(" ", text).split())


def path_of(sequence: int) -> str:
    """Where the pointer of a sequence lies below `<policies>/<name>`."""
    return f"{FOLDER}/{sequence:08d}.json"


def now() -> str:
    """As pointers say when: ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class TornError(Exception):
    """The bytes of a pointer file are no pointer."""


def parse_pointer(sequence: int, data: bytes) -> Pointer:
    """The pointer from the bytes of its file.

    Raises:
        TornError: they are no pointer.
        ArtifactError: they are one of a later format.
    """
    try:
        return Pointer.of_json(sequence, json.loads(data))
    except ArtifactError:
        raise
    except (LtrrError, KeyError, ValueError, TypeError, AttributeError) as fault:
        raise TornError(f"{type(fault).__name__}: {fault}") from fault
