"""Which bundles may have answered on a date: those pointed at then, and those that services may not have left yet."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import date, timedelta

from ltrr.artifacts.bundle import policy_names
from ltrr.artifacts.pointer import Pointer, open_policy, pointer_at, read_manifest_bytes, sequences
from ltrr.artifacts.store import Store
from ltrr.errors import ArtifactError

log = logging.getLogger(__name__)


def served_strategies(root: str | os.PathLike[str], night: date, first_date: date, reload_days: int) -> frozenset[str]:
    """Strategies of every bundle, of any policy, that may have answered on the dates `first_date` to `night`.

    At 1,000x the data as many small files are read: two a night within the promise and policy.

    Args:
        root: the policies' folder.
        night: bundles that this night or a later one made have not served its log yet.
        first_date: oldest date whose records the night takes.
        reload_days: days within which every service follows the pointer.
    """
    found: set[str] = set()
    for name in policy_names(root):
        store = open_policy(root, name)
        for version in served_versions(store, night, first_date, reload_days):
            try:
                settings = json.loads(read_manifest_bytes(store, version))["settings"]
                found.update(settings["strategies"])
            except (ArtifactError, ValueError, KeyError, TypeError) as fault:
                # Records of its strategies are then rejected by name, and counted by the night's
                # check.
                log.warning("policy=%s version=%s strategies=unknown reason=%s", name, version, fault)
    return frozenset(found)


def served_versions(store: Store, night: date, first_date: date, reload_days: int) -> list[str]:
    """Versions of one policy that may have answered on the dates `first_date` to `night`, oldest first.

    A pointer is dated by the newest night whose bundle has been pointed at so far, so that nights
    that are run again, or late, see what they saw. It holds until the next pointer's night is over,
    and for `reload_days` more. The newest a version is current until the pointer moves, however old
    its bundle is.

    >>> from ltrr.artifacts.manifest import Manifest, PolicySettings
    >>> from ltrr.artifacts.bundle import move_pointer, publish_bundle
    >>> root = "memory://doctest-served"
    >>> for day in (1, 2, 9):
    ...     manifest = Manifest(PolicySettings("search", ("title", "memory")), date(2026, 3, day))
    ...     sequence = move_pointer(root, "search", publish_bundle(root, "search", manifest, {}))
    >>> def days(night, since, reload_days):
    ...     dates = (date(2026, 3, night), date(2026, 3, since))
    ...     found = served_versions(open_policy(root, "search"), *dates, reload_days)
    ...     return [version[8:10] for version in found]
    >>> days(3, 2, 0), days(3, 3, 1), days(9, 8, 1), days(12, 11, 0), days(12, 11, 1)
    (['01', '02'], ['01', '02'], ['02'], ['09'], ['02', '09'])
    """
    since = first_date - timedelta(days=reload_days + 1)
    moves: list[tuple[date, Pointer]] = []
    reached = date.min
    for pointer in reversed(list(_back_to(store, since))):
        reached = max(reached, _made(pointer))
        if reached < night:
            moves.append((reached, pointer))
    versions: dict[str, None] = {}
    for place, (_, pointer) in enumerate(moves):
        is_newest = place + 1 == len(moves)
        if is_newest or moves[place + 1][0] >= since:
            versions[pointer.version] = None
            if pointer.canary is not None:
                versions[pointer.canary.version] = None
    return list(versions)


def _back_to(store: Store, since: date) -> Iterator[Pointer]:
    """Pointers, newest first, down to the first that was moved, and whose bundle was made, before `since`.

    A night runs after its date, so a pointer moved before `since` and all pointers before it are
    dated before `since`.
    """
    for sequence in reversed(sequences(store)):
        try:
            pointer = pointer_at(store, sequence)
        except ArtifactError as fault:
            log.warning("policies=%s pointer=%d left out: %s", store.url, sequence, fault)
            continue
        yield pointer
        if pointer.at[:10] < since.isoformat() and _made(pointer) < since:
            return


def _made(pointer: Pointer) -> date:
    """The night that made the bundle: its version begins with it."""
    return date.fromisoformat(pointer.version[:10])
