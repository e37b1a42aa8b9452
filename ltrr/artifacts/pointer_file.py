"""Content of one pointer file: the served version, the reason, who moved it, and the canary."""

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
"""Characters that begin a line or change the direction of a text, and could forge a log line."""


@dataclass(frozen=True)
class Canary:
    """A version that serves a share of the users, drawn by hash, next to the champion.

    Attributes:
        version: Version of the canary.
        share: Share of the users, above 0 and below 1.
        begun: Begin of the canary, ISO 8601, UTC; the salt of the hash. It stays the same while the
            nights refresh both versions, so a user has the same side until the canary ends. The
            next canary has another begin and draws other users.
        manifest_sha256: Hash of the version's manifest file; `move_pointer` sets it.

    Raises:
        UsageError: the share is out of range.
    """

    version: str
    share: float
    begun: str
    manifest_sha256: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise UsageError(
                "the share of a canary is out of range",
                which="share",
                expected="above 0, below 1",
                got=f"{self.share}",
            )

    def serves(self, user: str) -> bool:
        """Whether the canary serves this user.

        >>> canary = Canary("2026-03-02-5b1f0c9e77aa", 0.25, begun="2026-03-03T09:00:00.000+00:00")
        >>> 0.24 < sum(canary.serves(f"user-{n}") for n in range(10_000)) / 10_000 < 0.26
        True
        """
        return unit_interval("canary", self.begun, user) < self.share


@dataclass(frozen=True)
class Mover:
    """Who moved a pointer: the job of a night, or a person.

    Attributes:
        kind: night | hand.
        action: Kind of the move, as in `releases`; empty if it is unknown.
        run_date: Logical date of the night; None by hand.
        attempt: Attempt of the night's job, 1-based; 0 by hand.
        person: Person who decided; empty for a night.

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
        """The mover for the job of a night."""
        return Mover(NIGHT, action, day, attempt)

    @staticmethod
    def of_person(person: str, action: str) -> Mover:
        """The mover for a person."""
        return Mover(HAND, action, person=person)

    def __str__(self) -> str:
        """Text for people.

        >>> str(Mover.of_night(date(2026, 3, 2), 2, "refreshed"))
        'night of 2026-03-02, attempt 2, refreshed'
        >>> str(Mover.of_person("ada", "rolled_back"))
        'ada, rolled_back'
        """
        night = f"night of {self.run_date}, attempt {self.attempt}" if self.run_date else ""
        return ", ".join(filter(None, (night or self.person or "by hand", self.action)))

    def to_json(self) -> dict[str, Any]:
        """The mover as a pointer file contains it, without empty values."""
        described = asdict(self) | {"run_date": self.run_date.isoformat() if self.run_date else None}
        return {name: value for name, value in described.items() if value}

    @staticmethod
    def of_json(described: Mapping[str, Any]) -> Mover:
        """The mover from a pointer file.

        Raises:
            ValueError, TypeError: the content is not a mover.
        """
        run_date = date.fromisoformat(described["run_date"]) if "run_date" in described else None
        mover = Mover(**{**described, "run_date": run_date})
        if mover.kind not in (NIGHT, HAND) or (mover.kind == NIGHT) != (run_date is not None):
            raise ValueError(f"neither a night with a date nor a person: {described}")
        return mover


@dataclass(frozen=True)
class Pointer:
    """One pointer.

    Args:
        sequence: Number of the pointer: 1, 2, ...
        version: Version that is served.
        manifest_sha256: Hash of that version's manifest file, so a change of it is noticed.
        at: Time of the move, ISO 8601, UTC.
        why: Reason, one line.
        canary: Canary that is served next to the version; None if the version serves all users.
        by: Who moved the pointer; None in a pointer written before ltrr recorded it.
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
        """The pointer from the content of its file.

        Raises:
            ArtifactError: the content has unknown keys. A later format may add keys about who is
                served by what, so a reader that ignored them would be silently wrong.
            LtrrError, KeyError, ValueError, TypeError, AttributeError: the content is not a
                pointer.
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
    r"""A text without line breaks and control characters, for a log or a pointer.

    >>> one_line("clicks fell\n2026-03-02 CRITICAL forged")
    'clicks fell 2026-03-02 CRITICAL forged'
    """
    return " ".join(CONTROL.sub(" ", text).split())


def path_of(sequence: int) -> str:
    """Path of the pointer of a sequence, below `<policies>/<name>`."""
    return f"{FOLDER}/{sequence:08d}.json"


def now() -> str:
    """The current time as pointers contain it: ISO 8601, UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class TornError(Exception):
    """The bytes of a pointer file are not a pointer."""


def parse_pointer(sequence: int, data: bytes) -> Pointer:
    """The pointer from the bytes of its file.

    Raises:
        TornError: the bytes are not a pointer.
        ArtifactError: the pointer is of a later format.
    """
    try:
        return Pointer.of_json(sequence, json.loads(data))
    except ArtifactError:
        raise
    except (LtrrError, KeyError, ValueError, TypeError, AttributeError) as fault:
        raise TornError(f"{type(fault).__name__}: {fault}") from fault
