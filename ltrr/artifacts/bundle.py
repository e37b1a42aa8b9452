"""The policy bundle: a folder of files that is complete or absent, and that a pointer names.

Files go into `<policies>/<name>/<version>/`, the manifest last. A reader accepts a version only if
its manifest exists and every file has the hash in it. A publisher that stops half-way leaves a
folder that no pointer names; the next attempt completes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from ltrr.artifacts.manifest import Manifest, PolicySettings, is_policy_name, is_version
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.pointer import Pointer, current, move_pointer, open_policy, pointers, read_manifest_bytes, sequences
from ltrr.artifacts.store import Store
from ltrr.errors import ArtifactError

__all__ = [
    "Pointer",
    "current",
    "is_published",
    "move_pointer",
    "pointers",
    "policy_names",
    "publish_bundle",
    "read_bundle",
    "read_manifest",
    "uniform_bundle",
    "versions",
]

MANIFEST = "manifest.json"
BANDIT = "bandit.vw"
RANKER = "ranker.ubj"


def publish_bundle(
    root: str | os.PathLike[str], name: str, manifest: Manifest, files: Mapping[str, bytes | Payload]
) -> str:
    """Write a bundle. `move_pointer` then serves it.

    Args:
        root: Folder of the policies.
        name: Name of the policy.
        manifest: Manifest without files, which are added here.
        files: Name -> bytes, or a payload in the payload store of this policy.

    Returns:
        The version. Publishing the same bundle again writes nothing and keeps the first manifest.

    Raises:
        ArtifactError: a payload is missing, or the stored version is damaged.
        ConfigError: the store cannot create exclusively.
    """
    store = open_policy(root, name)
    store.prove_exclusive()
    contents = {key: file if isinstance(file, Payload) else Payload.of(file) for key, file in files.items()}
    complete = manifest.with_files(contents)
    version = complete.version
    if store.exists(f"{version}/{MANIFEST}"):
        read_bundle(root, name, version)
        return version
    for key, file in sorted(files.items()):
        _write_file(store, f"{version}/{key}", file)
    try:
        store.create(f"{version}/{MANIFEST}", complete.to_bytes())
    except FileExistsError:
        # Another publisher wrote the same version first; equal versions have equal hashes.
        read_bundle(root, name, version)
    return version


def _write_file(store: Store, path: str, file: bytes | Payload) -> None:
    """Write one file; a file that an interrupted publisher wrote is kept if it is the same."""
    content = file if isinstance(file, Payload) else Payload.of(file)
    try:
        if isinstance(file, Payload):
            file.check(store.read(file.path), file.path)
            store.copy(file.path, path)
        else:
            store.create(path, file)
    except FileNotFoundError as missing:
        raise ArtifactError(
            "a payload is missing", which=str(missing), todo="run the job that made it again for the same date"
        ) from None
    except FileExistsError:
        content.check(store.read(path), path)


def read_manifest(root: str | os.PathLike[str], name: str, version: str) -> Manifest:
    """The manifest of a version.

    Raises:
        ArtifactError: the version does not exist, or its manifest was altered.
    """
    return Manifest.of_bytes(read_manifest_bytes(open_policy(root, name), version), version)


def read_bundle(root: str | os.PathLike[str], name: str, version: str) -> tuple[Manifest, dict[str, bytes]]:
    """Manifest and files of a version, every byte verified.

    Raises:
        ArtifactError: the version does not exist, a file is missing, or a file differs from its
            hash in the manifest.
    """
    store = open_policy(root, name)
    manifest = Manifest.of_bytes(read_manifest_bytes(store, version), version)
    files: dict[str, bytes] = {}
    for key, payload in sorted(manifest.files.items()):
        path = f"{version}/{key}"
        try:
            data = store.read(path)
        except FileNotFoundError as missing:
            raise ArtifactError("a file of a bundle is missing", which=str(missing), todo="publish again") from None
        files[key] = payload.check(data, path)
    return manifest, files


def is_published(root: str | os.PathLike[str], name: str, version: str) -> bool:
    """Whether a complete version exists; False for a text that is not a version."""
    return is_version(version) and open_policy(root, name).exists(f"{version}/{MANIFEST}")


def policy_names(root: str | os.PathLike[str]) -> list[str]:
    """Names of all policies that were ever served: folders with a pointer, sorted."""
    return [name for name in Store(root).names() if is_policy_name(name) and _has_pointer(root, name)]


def _has_pointer(root: str | os.PathLike[str], name: str) -> bool:
    try:
        return bool(sequences(open_policy(root, name)))
    except NotADirectoryError:
        return False


def versions(root: str | os.PathLike[str], name: str) -> list[str]:
    """Every complete version, by date, oldest first."""
    store = open_policy(root, name)
    return [folder for folder in store.names() if is_version(folder) and store.exists(f"{folder}/{MANIFEST}")]


def uniform_bundle(
    settings: PolicySettings, as_of_date: date, created_at: str = ""
) -> tuple[Manifest, dict[str, bytes | Payload]]:
    """Manifest and files of the first champion, before any log, for `publish_bundle`.

    It has no models: every plan is equally likely (the floor has the whole probability), and pages
    are in the order of reciprocal rank fusion. Looks are fetched and logged, and the planner makes
    a shortlist from its prior, so the first log has the action sets of later logs.

    >>> settings = PolicySettings("search", ("title", "memory"))
    >>> manifest, files = uniform_bundle(settings, date(2026, 3, 1))
    >>> exploration = manifest.settings.exploration
    >>> exploration.floor_share, exploration.shortlist_size, files
    (1.0, 20, {})
    """
    uniform = replace(settings, exploration=replace(settings.exploration, floor_share=1.0, query_classes={}))
    return Manifest(uniform, as_of_date, created_at=created_at, lineage={"bandit": "uniform"}), {}
