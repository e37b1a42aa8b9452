"""Payload store: models and memory parts that a job makes and a later job publishes in a bundle.

The path is `<policies>/<name>/payloads/<sha256>`. The name is a hash of the content, so a rerun
that makes the same bytes writes nothing, and the published bytes are those that were evaluated.
Spark tasks write their parts here themselves, so nothing large passes through the driver.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from ltrr.artifacts.store import Store
from ltrr.errors import ArtifactError

FOLDER = "payloads"


@dataclass(frozen=True)
class Payload:
    """Identity of some bytes: sha256 in hex, size in bytes."""

    sha256: str
    size: int

    @staticmethod
    def of(data: bytes) -> Payload:
        """The payload of these bytes.

        >>> Payload.of(b"").sha256[:12], Payload.of(b"").size
        ('e3b0c44298fc', 0)
        """
        return Payload(hashlib.sha256(data).hexdigest(), len(data))

    @property
    def path(self) -> str:
        """Path below `<policies>/<name>`."""
        return f"{FOLDER}/{self.sha256}"

    def check(self, data: bytes, which: str) -> bytes:
        """Check some bytes and return them.

        Raises:
            ArtifactError: size or hash differ.
        """
        found = Payload.of(data)
        if found != self:
            raise ArtifactError(
                "a published file is not what its manifest says",
                which=which,
                expected=f"{self.size} bytes, sha256 {self.sha256}",
                got=f"{found.size} bytes, sha256 {found.sha256}",
                todo="publish again, or roll back to an earlier version",
            )
        return data


def put_payload(policy_url: str | os.PathLike[str], data: bytes) -> Payload:
    """Store bytes under their hash in `<policies>/<name>`; existing bytes are only verified.

    Raises:
        ArtifactError: the stored object of this name has other content (a damaged disk).
    """
    store, payload = Store(policy_url), Payload.of(data)
    try:
        store.create(payload.path, data)
    except FileExistsError:
        payload.check(store.read(payload.path), payload.path)
    return payload


def get_payload(policy_url: str | os.PathLike[str], sha256: str) -> bytes:
    """The bytes with this hash, verified.

    Raises:
        ArtifactError: the payload does not exist, or was altered.
    """
    path = f"{FOLDER}/{sha256}"
    try:
        data = Store(policy_url).read(path)
    except FileNotFoundError as missing:
        raise ArtifactError(
            "a payload is missing", which=str(missing), todo="run the job that made it again for the same date"
        ) from None
    return Payload(sha256, len(data)).check(data, path)
