"""The policy bundle: a folder of files that is complete or absent, and found by a pointer.

Files go into `<policies>/<name>/<version>/` first, the manifest last. A reader believes a version
only when its manifest is there and every file has the hash that it names; a publisher that dies
half-way leaves a folder that no pointer reads, and the next attempt completes it.
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
    """Write a bundle; serving it is a further step (`move_pointer`).

    Args:
        root: the policies' folder.
        name: of the policy.
        manifest: without files; they are filled in here.
        files: name -> bytes, or a payload that lies in this policy's payload store.

    Returns:
        the version. Publishing the same again writes nothing, and the first manifest stands.

    Raises:
        ArtifactError: a payload is missing, or what lies under this version is damaged.
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
        # Another publisher of the same policy was a moment earlier; the version is the same by its
        # hash.
        read_bundle(root, name, version)
    return version


def _write_file(store: Store, path: str, file: bytes | Payload) -> None:
    """Put one file in place; one that a dead publisher left is kept if it is the same."""
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
        ArtifactError: no such version, or its manifest was altered.
    """
    return Manifest.of_bytes(read_manifest_bytes(open_policy(root, name), version), version)


def read_bundle(root: str | os.PathLike[str], name: str, version: str) -> tuple[Manifest, dict[str, bytes]]:
    """A version with every byte verified.

    Raises:
        ArtifactError: no such version, a file is missing, or a byte differs from what the manifest
            names.
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
    """Whether the version is there, complete; a text of a log that is no version is not."""
    return is_version(version) and open_policy(root, name).exists(f"{version}/{MANIFEST}")


def policy_names(root: str | os.PathLike[str]) -> list[str]:
    """Names of the policies that this home has or had: folders of the policies' root with a pointer, sorted."""
    return [name for name in Store(root).names() if is_policy_name(name) and _has_pointer(root, name)]


def _has_pointer(root: str | os.PathLike[str], name: str) -> bool:
    try:
        return bool(sequences(open_policy(root, name)))
    except NotADirectoryError:
        return False


def versions(root: str | os.PathLike[str], name: str) -> list[str]:
    """Every complete version, oldest date first."""
    store = open_policy(root, name)
    return [folder for folder in store.names() if is_version(folder) and store.exists(f"{folder}/{MANIFEST}")]


def uniform_bundle(
    settings: PolicySettings, as_of_date: date, created_at: str = ""
) -> tuple[Manifest, dict[str, bytes | Payload]]:
    """The first champion, before any log: what to hand to `publish_bundle`.

    No models: every plan is equally likely (the floor takes all the mass), the page is in order of
    reciprocal rank fusion. Looks are fetched and logged, and the planner still makes a shortlist
    from its prior, so that the first rows have the action sets that later ones have.

    >>> manifest, files = uniform_bundle(PolicySettings("search", ("title", "memory")), date(2026, 3, 1))
    >>> manifest.settings.exploration.floor_share, manifest.settings.exploration.shortlist_size, files
    (1.0, 20, {})
    """
    uniform = replace(settings, exploration=replace(settings.exploration, floor_share=1.0, query_classes={}))
    return Manifest(uniform, as_of_date, created_at=created_at, lineage={"bandit": "uniform"}), {}
