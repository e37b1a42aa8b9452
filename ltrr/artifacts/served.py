"""Bundles that may have answered on a date, including those that services had not replaced yet."""

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
    """Strategies of all bundles that may have answered on the dates `first_date` to `night`.

    The number of small files that are read does not depend on the amount of data: two for each
    policy and each night within `reload_days`.

    Args:
        root: Folder of the policies.
        night: Logical date. Bundles of this night or a later one have not served its log yet.
        first_date: Oldest date whose records the night reads.
        reload_days: Days within which every service follows the pointer.
    """
    found: set[str] = set()
    for name in policy_names(root):
        store = open_policy(root, name)
        for version in served_versions(store, night, first_date, reload_days):
            try:
                settings = json.loads(read_manifest_bytes(store, version))["settings"]
                found.update(settings["strategies"])
            except (ArtifactError, ValueError, KeyError, TypeError) as fault:
                # The night then rejects records of its strategies, and its check counts them.
                log.warning("policy=%s version=%s strategies=unknown reason=%s", name, version, fault)
    return frozenset(found)


def served_versions(store: Store, night: date, first_date: date, reload_days: int) -> list[str]:
    """Versions that may have answered on the dates `first_date` to `night`, oldest first.

    The date of a pointer is the newest night whose bundle it or an earlier pointer names. So a
    night that is run again, or late, gets the same result. A pointer is in force until the night
    of the next pointer is over, and for `reload_days` more. The newest pointer is in force however
    old its bundle is.

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
    for pointer in reversed(list(_pointers_since(store, since))):
        reached = max(reached, _night_of(pointer))
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


def _pointers_since(store: Store, since: date) -> Iterator[Pointer]:
    """Pointers, newest first, down to the first whose move and whose bundle are before `since`.

    A night runs after its date, so earlier pointers are dated before `since` too.
    """
    for sequence in reversed(sequences(store)):
        try:
            pointer = pointer_at(store, sequence)
        except ArtifactError as fault:
            log.warning("policies=%s pointer=%d left out: %s", store.url, sequence, fault)
            continue
        yield pointer
        if pointer.at[:10] < since.isoformat() and _night_of(pointer) < since:
            return


def _night_of(pointer: Pointer) -> date:
    """The night that made the bundle, from its version."""
    return date.fromisoformat(pointer.version[:10])
