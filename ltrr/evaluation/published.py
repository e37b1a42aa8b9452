"""The part of a bundle that is judged or replayed: manifest, bandit, values and history, without memory and ranker."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from ltrr.artifacts.bundle import BANDIT, is_published, policy_names, read_manifest
from ltrr.artifacts.history import is_history
from ltrr.artifacts.learned_values import only_value_files
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.artifacts.pointer import open_policy
from ltrr.errors import ArtifactError
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.policy import Policy


@dataclass(frozen=True)
class PlanningPart:
    """The part of a bundle that chooses plans; only bytes, so that it can be sent to executors unchanged.

    Attributes:
        manifest: The bundle's manifest.
        files: Bandit, values and history, where the bundle has them.
    """

    manifest: Manifest
    files: dict[str, bytes]

    def chooser(self) -> PlanChooser:
        """P(plan) of this bundle."""
        return self.policy().chooser

    def policy(self) -> Policy:
        """As the online loader makes it, without memory and ranker: enough to plan and to replay."""
        return Policy.of(self.manifest, self.files)


def read_planning_part(root: str | os.PathLike[str], name: str, version: str) -> PlanningPart:
    """Bandit, values and history of a version, every byte verified.

    Raises:
        ArtifactError: The version does not exist, or a file is missing or altered.
    """
    manifest = read_manifest(root, name, version)
    store = open_policy(root, name)
    files = {}
    values = only_value_files(manifest.files)
    for key in sorted(key for key in manifest.files if key == BANDIT or key in values or is_history(key)):
        path = f"{version}/{key}"
        try:
            files[key] = manifest.files[key].check(store.read(path), path)
        except FileNotFoundError as missing:
            raise ArtifactError("a file of a bundle is missing", which=str(missing), todo="publish again") from None
    return PlanningPart(manifest, files)


def read_planning_parts(root: str | os.PathLike[str], name: str, versions: Collection[str]) -> dict[str, PlanningPart]:
    """The planning parts of the versions that are published below the root: a few, one for each night that served.

    A log may contain records of another policy of the same root, such as the one that this policy
    replaced. Its bundles are found under its own name.
    """
    owners = _owners(root, name, versions)
    return {version: read_planning_part(root, owner, version) for version, owner in owners.items()}


def block_sizes(root: str | os.PathLike[str], name: str, versions: Collection[str]) -> dict[str, int]:
    """Candidates of a block, by version, for those versions that are published below the root under any name."""
    owners = _owners(root, name, versions)
    return {version: read_manifest(root, owner, version).settings.block_size for version, owner in owners.items()}


def _owners(root: str | os.PathLike[str], name: str, versions: Collection[str]) -> dict[str, str]:
    """The policy that published each version, `name` if it did; versions that no policy published are left out."""
    names = [name, *(other for other in policy_names(root) if other != name)]
    found = {version: [one for one in names if is_published(root, one, version)] for version in sorted(versions)}
    return {version: owners[0] for version, owners in found.items() if owners}


def plan_differences(one: PolicySettings, other: PolicySettings) -> list[str]:
    """Differences in plans, looks and features that make a log of `other` useless for `one`; exploration may differ.

    >>> blind = PolicySettings("search", ("title", "memory"), block_size=2, budget=1, observe="blind")
    >>> plan_differences(PolicySettings("search", ("title", "memory"), block_size=5, budget=1), blind)[:2]
    ['block_size 5, not 2', 'observe first_look, not blind']
    """
    names = ("strategies", "block_size", "budget", "decide", "observe", "features")
    differences = [
        f"{name} {_text(getattr(one, name))}, not {_text(getattr(other, name))}"
        for name in names
        if getattr(one, name) != getattr(other, name)
    ]
    if not differences and not plans_alike(one, other):
        differences.append("features of another version of ltrr")
    return differences


def plans_alike(one: PolicySettings, other: PolicySettings) -> bool:
    """Whether both have the same plans, looks and features, so that a log of `other` can judge `one`."""

    def frame(settings: PolicySettings) -> tuple[object, ...]:
        return (
            settings.space,
            settings.decide,
            settings.observe,
            settings.shared_features,
            settings.action_features,
        )

    return frame(one) == frame(other)


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def alike_versions(
    root: str | os.PathLike[str], name: str, versions: Collection[str], settings: PolicySettings
) -> list[str]:
    """The published versions whose plans, looks, features and ranker features are those of `settings`."""
    published = {
        version: read_manifest(root, name, version).settings
        for version in sorted(versions)
        if is_published(root, name, version)
    }
    return [
        version
        for version, made in published.items()
        if plans_alike(settings, made) and made.ranker_features == settings.ranker_features
    ]
