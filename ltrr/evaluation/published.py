"""The planning part of a bundle: manifest, bandit, values and history."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from ltrr.artifacts.bundle import BANDIT, is_published, policy_names, read_manifest
from ltrr.artifacts.history import is_history
from ltrr.artifacts.learned_values import only_value_files
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.artifacts.pointer import open_policy
from ltrr.artifacts.service_version import service_version
from ltrr.errors import ArtifactError
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.policy import Policy


@dataclass(frozen=True)
class PlanningPart:
    """The part of a bundle that chooses plans, as bytes that can be sent to executors.

    Attributes:
        manifest: The bundle's manifest.
        files: Those of bandit, values and history that the bundle has.
    """

    manifest: Manifest
    files: dict[str, bytes]

    def chooser(self) -> PlanChooser:
        """The chooser, which gives P(plan)."""
        return self.policy().chooser

    def policy(self) -> Policy:
        """The policy of the online loader, without memory and ranker: enough to plan and replay."""
        return Policy.of(self.manifest, self.files)


def read_planning_part(root: str | os.PathLike[str], name: str, version: str) -> PlanningPart:
    """Planning part of a version, with every byte verified.

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
            raise ArtifactError(
                "a file of a bundle is missing", which=str(missing), todo="publish the bundle again"
            ) from None
    return PlanningPart(manifest, files)


def read_planning_parts(root: str | os.PathLike[str], name: str, versions: Collection[str]) -> dict[str, PlanningPart]:
    """Planning parts of the versions that are published below the root.

    There are a few, one for each night that served. A log can contain records of another policy of
    the same root, such as the predecessor of this policy. Its bundles are found under its own name.
    """
    owners = _find_owners(root, name, versions)
    return {version: read_planning_part(root, owner, version) for version, owner in owners.items()}


def read_block_sizes(root: str | os.PathLike[str], name: str, versions: Collection[str]) -> dict[str, int]:
    """Number of candidates of a block by version, for the versions published below the root."""
    owners = _find_owners(root, name, versions)
    return {version: read_manifest(root, owner, version).settings.block_size for version, owner in owners.items()}


def _find_owners(root: str | os.PathLike[str], name: str, versions: Collection[str]) -> dict[str, str]:
    """Version -> name of the policy that published it, preferably `name`.

    Versions that no policy published are left out.
    """
    names = [name, *(other for other in policy_names(root) if other != name)]
    found = {version: [one for one in names if is_published(root, one, version)] for version in sorted(versions)}
    return {version: owners[0] for version, owners in found.items() if owners}


def list_plan_differences(one: PolicySettings, other: PolicySettings) -> list[str]:
    """Differences in plans, looks, features and query keys. Exploration may differ.

    With any difference, a log of `other` cannot evaluate `one`.

    >>> strategies = ("title", "memory")
    >>> one = PolicySettings("search", strategies, block_size=5, budget=1)
    >>> other = PolicySettings("search", strategies, block_size=2, budget=1, observe="blind")
    >>> list_plan_differences(one, other)[:2]
    ['block_size 5, not 2', 'observe first_look, not blind']
    """
    names = (
        "strategies",
        "block_size",
        "budget",
        "decide",
        "observe",
        "features",
        "ranker_groups",
        "query_key_version",
    )
    differences = [
        f"{name} {_to_text(getattr(one, name))}, not {_to_text(getattr(other, name))}"
        for name in names
        if getattr(one, name) != getattr(other, name)
    ]
    if not differences and not has_same_plans(one, other):
        differences.append("features of another version of ltrr")
    return differences


def has_same_plans(one: PolicySettings, other: PolicySettings) -> bool:
    """Whether both have the same plans, looks, features and query keys.

    If they have, a log of `other` can evaluate `one`.
    """

    def frame(settings: PolicySettings) -> tuple[object, ...]:
        return (
            settings.space,
            settings.decide,
            settings.observe,
            settings.shared_features,
            settings.action_features,
            settings.ranker_features,
            settings.query_key_version,
        )

    return frame(one) == frame(other)


def _to_text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def list_same_plan_versions(
    root: str | os.PathLike[str], name: str, versions: Collection[str], settings: PolicySettings
) -> list[str]:
    """Versions with the plans, looks, features and ranker features of `settings`."""
    own = service_version(settings)
    return [
        version
        for version in sorted(versions)
        if version == own
        or (is_published(root, name, version) and has_same_plans(settings, read_manifest(root, name, version).settings))
    ]
