"""The first champion: the uniform bundle that serves before anything has been logged."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.pointer import Mover, current_pointer, open_policy, sequences
from ltrr.publishing.release import PUBLISHED

FIRST = "first champion: uniform over all plans"
FIRST_SHADOW = "first policy in shadow mode: services show their static page"


def publish_first_champion(
    root: str | os.PathLike[str], settings: PolicySettings, history_starts: date, *, shadow: bool = False
) -> tuple[str, bool]:
    """Publish the uniform bundle and move the pointer to it, unless a version already serves.

    Its date is the day before the first night. The first night judges against it and records it in
    `releases`.

    Args:
        root: Folder of the policies.
        settings: Settings of the policy.
        history_starts: First date with logs.
        shadow: Whether services show their own static page and only log the policy's choices.

    Returns:
        The version that serves, and whether this call published it.
    """
    store = open_policy(root, settings.name)
    if sequences(store):
        return current_pointer(store).version, False
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    manifest, files = uniform_bundle(settings, history_starts - timedelta(days=1), created_at)
    version = publish_bundle(root, settings.name, replace(manifest, shadow=shadow), files)
    # Two simultaneous calls publish the same bundle: the second finds that it already serves.
    by = Mover(action=PUBLISHED, person="ltrr policies init")
    move_pointer(root, settings.name, version, why=FIRST_SHADOW if shadow else FIRST, by=by)
    return version, True
