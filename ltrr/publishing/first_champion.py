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

FIRST = "first champion: uniform over all plans"
FIRST_SHADOW = "first policy in shadow mode: services show their static page"


def publish_first_champion(
    root: str | os.PathLike[str], settings: PolicySettings, history_starts: date, *, shadow: bool | None = None
) -> tuple[str, bool]:
    """Publish the uniform bundle and move the pointer to it, unless a version already serves.

    Its date is the day before the first night. The first night judges against it and records it in
    `releases`.

    Args:
        root: Folder of the policies.
        settings: Settings of the policy.
        history_starts: First date with logs.
        shadow: Whether services show their own static page and only log the policy's choices. None
            leaves a policy as it is; a new one then serves its choices.

    Returns:
        The version that serves, and whether this call published it.

    Raises:
        UsageError: A policy with learned parts serves, and shadow mode would begin or end.
    """
    store = open_policy(root, settings.name)
    if sequences(store):
        version = current_pointer(store).version
        if shadow is None or read_manifest(root, settings.name, version).shadow == shadow:
            return version, False
        return _change_mode(root, settings.name, version, shadow=shadow), True
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    manifest, files = uniform_bundle(settings, history_starts - timedelta(days=1), created_at)
    version = publish_bundle(root, settings.name, replace(manifest, shadow=bool(shadow)), files)
    # Two simultaneous calls publish the same bundle: the second finds that it already serves.
    by = Mover(action=PUBLISHED, person="ltrr policies init")
    move_pointer(root, settings.name, version, why=FIRST_SHADOW if shadow else FIRST, by=by)
    return version, True


def has_champion(root: str | os.PathLike[str], name: str) -> bool:
    """Whether a version of the policy serves."""
    return bool(sequences(open_policy(root, name)))


def _change_mode(root: str | os.PathLike[str], name: str, version: str, *, shadow: bool) -> str:
    """Publish the first champion in the other mode, as long as it has learned no choice.

    Raises:
        UsageError: The champion has a bandit or values.
    """
    manifest = read_manifest(root, name, version)
    if BANDIT in manifest.files or manifest.values is not None:
        raise UsageError(
            "the policy has learned its choices, and cannot " + ("enter" if shadow else "leave") + " shadow mode",
            which=version,
            expected="a first champion, uniform over all plans",
            got="one with a bandit or learned values",
            todo="give the policy in shadow mode a policy.name of its own"
            if shadow
            else "begin a canary with `ltrr policies ramp`",
        )
    top = top_sequence(open_policy(root, name))
    changed = publish_bundle(root, name, replace(manifest, shadow=shadow), dict(manifest.files))
    by = Mover(action=PUBLISHED, person="ltrr policies init")
    move_pointer(root, name, changed, why=FIRST_SHADOW if shadow else FIRST, by=by, after=top)
    return changed
