"""The first champion: the uniform bundle that serves before anything has been logged."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta

from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.pointer import open_policy, pointer_at, sequences


def publish_first_champion(
    root: str | os.PathLike[str], settings: PolicySettings, history_starts: date
) -> tuple[str, bool]:
    """Publish the uniform bundle and point at it, unless something serves already.

    It is dated the day before the first night, which is then judged against it and records it in `releases`.

    Returns:
        the version that serves, and whether it was published now.
    """
    store = open_policy(root, settings.name)
    moved = sequences(store)
    if moved:
        return pointer_at(store, moved[-1]).version, False
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    made = uniform_bundle(settings, history_starts - timedelta(days=1), created_at)
    version = publish_bundle(root, settings.name, *made)
    move_pointer(root, settings.name, version, why="first champion: uniform over all plans")
    return version, True
