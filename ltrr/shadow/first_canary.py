"""The first canary after shadow mode: the newest policy of the nights, serving its choices."""

from __future__ import annotations

import os
from dataclasses import replace

from ltrr.artifacts.bundle import read_manifest
from ltrr.publishing.by_hand import begin_canary
from ltrr.publishing.release import Release, publish
from ltrr.shadow.terms import canary_exploration


def begin_first_canary(
    root: str | os.PathLike[str], name: str, version: str, share: float, floor: float, *, why: str, by_whom: str
) -> Release:
    """Publish the version that serves its choices, and begin its canary.

    Both steps can be repeated: one policy has one version, so a call that was killed between them
    is completed by the next one. A second canary is refused.

    Args:
        root: Folder of the policies.
        name: Name of the policy.
        version: Version in shadow mode.
        share: Share of the users.
        floor: Share of the probability that is spread over all plans.
        why: The reason.
        by_whom: Name of the person.

    Raises:
        UsageError: A canary runs already, or the share is invalid.
        ArtifactError: The version does not exist or is damaged.
        PointerMovedError: Another process moved the pointer at the same moment.
    """
    manifest = read_manifest(root, name, version)
    exploration = canary_exploration(manifest.settings.exploration, floor)
    serving = replace(
        manifest,
        settings=replace(manifest.settings, exploration=exploration),
        lineage={**manifest.lineage, "shadow": version},
        shadow=False,
    )
    ramped = publish(root, name, serving, manifest.files)
    return begin_canary(root, name, ramped, share, why=why, by_whom=by_whom)
