"""The first champion: the uniform bundle that serves before anything has been logged."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from ltrr.artifacts.bundle import BANDIT, move_pointer, publish_bundle, read_manifest, uniform_bundle
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.pointer import Mover, current_pointer, open_policy, sequences, top_sequence
from ltrr.errors import UsageError
from ltrr.publishing.release import PUBLISHED


def _enter_shadow_mode(root: str | os.PathLike[str], name: str, version: str) -> str:
    """Publish the first champion in shadow mode, as long as it has learned no choice.

    Raises:
        UsageError: The champion has a bandit or values, so users may be served by what it learned.
    """
    manifest = read_manifest(root, name, version)
    if BANDIT in manifest.files or manifest.values is not None:
        raise UsageError(
            "the policy serves what it has learned, and cannot enter shadow mode",
            which=version,
            expected="a first champion, or one in shadow mode",
            got="one with a bandit or learned values",
            todo="give the policy in shadow mode a policy.name of its own",
        )
    top = top_sequence(open_policy(root, name))
    shadowed = publish_bundle(root, name, replace(manifest, shadow=True), dict(manifest.files))
    by = Mover(action=PUBLISHED, person="ltrr policies init")
    move_pointer(root, name, shadowed, why=FIRST_SHADOW, by=by, after=top)
    return shadowed


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

    Raises:
        UsageError: Shadow mode is asked for, and a policy already serves its choices.
    """
    store = open_policy(root, settings.name)
    if sequences(store):
        version = current_pointer(store).version
        if shadow and not read_manifest(root, settings.name, version).shadow:
            return _enter_shadow_mode(root, settings.name, version), True
        return version, False
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    manifest, files = uniform_bundle(settings, history_starts - timedelta(days=1), created_at)
    version = publish_bundle(root, settings.name, replace(manifest, shadow=shadow), files)
    # Two simultaneous calls publish the same bundle: the second finds that it already serves.
    by = Mover(action=PUBLISHED, person="ltrr policies init")
    move_pointer(root, settings.name, version, why=FIRST_SHADOW if shadow else FIRST, by=by)
    return version, True
