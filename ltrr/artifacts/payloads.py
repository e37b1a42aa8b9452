"""Candidate models and memory parts between the job that makes them and the bundle that publishes them.

`<policies>/<name>/payloads/<sha256>`: the name is the content, so a rerun that makes the same bytes
writes nothing, and what was judged is byte for byte what is published. Spark tasks put their parts
here themselves: nothing large passes through the driver.
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
    """A stored object by its content: sha256 in hex, size in bytes."""

    sha256: str
    size: int

    @staticmethod
    def of(data: bytes) -> Payload:
        """Name these bytes.

        >>> Payload.of(b"").sha256[:12], Payload.of(b"").size
        ('e3b0c44298fc', 0)
        """
        return Payload(hashlib.sha256(data).hexdigest(), len(data))

    @property
    def path(self) -> str:
        """Where it lies below `<policies>/<name>`."""
        return f"{FOLDER}/{self.sha256}"

    def check(self, data: bytes, which: str) -> bytes:
        """The bytes, once they are known to be these.

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
    """Store bytes under their hash in `<policies>/<name>`; the same bytes again cost one read and change nothing.

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
    """The bytes of this hash, verified.

    Raises:
        ArtifactError: there are none, or they were altered.
    """
    path = f"{FOLDER}/{sha256}"
    try:
        data = Store(policy_url).read(path)
    except FileNotFoundError as missing:
        raise ArtifactError(
            "a payload is missing", which=str(missing), todo="run the job that made it again for the same date"
        ) from None
    return Payload(sha256, len(data)).check(data, path)
