"""Write-once objects: complete or absent, and never overwritten.

On a local disk, a temporary file is written, forced to disk and linked to its name. A link fails if
the name exists, and a reader never sees half a file. Elsewhere (`s3://`, `gs://`, `abfs://`, ...)
the conditional create of the object store is used, and `prove_exclusive` checks at start-up that it
exists. Reading works on any fsspec address.
"""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path, PurePosixPath

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ltrr.errors import ArtifactError, ConfigError

# Services of other users read published files. The mode of the topmost folder decides who may do
# so; ltrr never changes it after creating the folder.
READABLE_FILE, READABLE_FOLDER = 0o644, 0o755


class Store:
    """A folder of write-once objects.

    Args:
        url: Local path or fsspec address.

    >>> store = Store("memory://doctest-store")
    >>> store.create("current/1.json", b"{}")
    >>> store.create("current/1.json", b"[]")
    Traceback (most recent call last):
        ...
    FileExistsError: current/1.json
    >>> store.read("current/1.json"), store.names("current"), store.names("nowhere")
    (b'{}', ['1.json'], [])
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = os.fspath(url)
        self._files, root = fsspec.core.url_to_fs(self.url)
        self._root = PurePosixPath(root)
        self._is_local = isinstance(self._files, LocalFileSystem)

    def create(self, path: str, data: bytes) -> None:
        """Write a new object.

        Raises:
            FileExistsError: the name exists; its object is unchanged.
        """
        target = self._at(path)
        try:
            if self._is_local:
                _create_local(Path(target), data)
            else:
                self._files.pipe_file(target, data, mode="create")
        except FileExistsError:
            raise FileExistsError(path) from None

    def read(self, path: str) -> bytes:
        """Content of an object.

        Raises:
            FileNotFoundError: the object does not exist.
        """
        try:
            return bytes(self._files.cat_file(self._at(path)))
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.url.rstrip('/')}/{path}") from None

    def exists(self, path: str) -> bool:
        """Whether the object exists now; cached listings are not used."""
        self._files.invalidate_cache()
        return bool(self._files.exists(self._at(path)))

    def names(self, folder: str = "") -> list[str]:
        """Sorted names in a folder; empty if the folder does not exist."""
        self._files.invalidate_cache()
        try:
            found = self._files.ls(self._at(folder), detail=False)
        except FileNotFoundError:
            return []
        names = {PurePosixPath(str(entry)).name for entry in found}
        return sorted(name for name in names if not name.startswith("."))

    def copy(self, source: str, target: str) -> None:
        """Give an object a second name; locally by a hard link, so the data is on disk once.

        Raises:
            FileExistsError: the target exists.
        """
        if not self._is_local:
            self.create(target, self.read(source))
            return
        linked = Path(self._at(target))
        _make_folder(linked.parent)
        try:
            os.link(self._at(source), linked)
        except FileExistsError:
            raise FileExistsError(target) from None
        _sync_folder(linked.parent)

    def prove_exclusive(self) -> None:
        """Check that this store refuses a second create of the same name.

        Raises:
            ConfigError: the second create succeeded, so two publishers could overwrite each other.
        """
        probe = f".probe/{uuid.uuid4().hex}"
        self.create(probe, b"first")
        try:
            self.create(probe, b"second")
        except FileExistsError:
            return
        finally:
            self._files.rm_file(self._at(probe))
        raise ConfigError(
            "the store overwrites existing objects",
            which=self.url,
            expected="an exclusive create",
            got="a second create of the same name succeeded",
            todo="publish to a file system or object store with conditional writes",
        )

    def _at(self, path: str) -> str:
        # Names come from manifests and commands; none may lead out of the folder.
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise ArtifactError(
                "a path leads out of its store", which=self.url, expected="a path below it", got=repr(path)
            )
        return str(self._root / parts)


def _create_local(target: Path, data: bytes) -> None:
    _make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), READABLE_FILE)
            os.fsync(file.fileno())
        os.link(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _make_folder(folder: Path) -> None:
    """Make the missing folders of a path, readable by services whatever the umask is."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        # The mode is extended, so a set-group-ID bit stays.
        one.chmod(stat.S_IMODE(one.stat().st_mode) | READABLE_FOLDER)


def _sync_folder(folder: Path) -> None:
    """Force a new name to disk; otherwise a power cut could undo a pointer in force."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
