"""One writer at a time: file locks of the home and of the tables, held for a job or a night.

The kernel releases a lock when its holder dies in any way. The next process then takes the lease at
once, without a guess from process ids. The tables have a lease of their own, because two homes may
name the same tables. Locks work on a local disk and on NFS with locking. An object store has no
locks, so tables there are refused.
"""

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ltrr.errors import ConfigError, LeaseError

log = logging.getLogger(__name__)

LEASE_FILE = ".lease"


@dataclass(frozen=True)
class Lease:
    """The right to write to one home and its tables.

    Attributes:
        held: Lock file -> descriptor of the locked file.
    """

    held: dict[Path, int]

    def check(self) -> None:
        """Check that the lease is still held.

        Raises:
            LeaseError: A lock file was removed or replaced while it was locked, so another process
                may hold the new one.
        """
        for file, descriptor in self.held.items():
            if not file.exists() or not os.path.samestat(file.stat(), os.fstat(descriptor)):
                raise LeaseError(
                    "another process took the lease while this one held it", which=str(file), todo="run the job again"
                )


def local_tables(tables: str) -> Path:
    """The folder of `paths.tables`, which must be on a disk: a lease needs locks on files.

    >>> local_tables("/data/tables"), local_tables("file:///data/my%20tables")
    (PosixPath('/data/tables'), PosixPath('/data/my tables'))
    >>> local_tables("s3a://bucket/tables")
    Traceback (most recent call last):
    ltrr.errors.ConfigError: the tables are not on a disk: paths.tables: \
expected a folder on a disk, local or NFS, got s3a://bucket/tables; \
use a folder: ltrr has no lease in an object store, so two hosts could write at once

    Raises:
        ConfigError: It is a URL of another kind.
    """
    parts = urlsplit(tables)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if "://" in tables or parts.scheme in _OBJECT_STORES:
        raise ConfigError(
            "the tables are not on a disk",
            which="paths.tables",
            expected="a folder on a disk, local or NFS",
            got=tables,
            todo="use a folder: ltrr has no lease in an object store, so two hosts could write at once",
        )
    return Path(tables)


_OBJECT_STORES = frozenset(
    {"abfs", "abfss", "dbfs", "file", "gs", "hdfs", "s3", "s3a", "s3n", "viewfs", "wasb", "wasbs"}
)


@contextmanager
def hold_lease(home: Path, purpose: str, *, tables: str) -> Iterator[Lease]:
    """Hold the leases of `home` and of its tables within the block.

    Args:
        home: Folder of the home.
        purpose: Purpose of the lease, for the errors of other processes.
        tables: Value of `paths.tables`.

    Raises:
        LeaseError: A live process holds a lease; the message names its host, process, start and
            purpose.
        ConfigError: The tables are not on a disk.
    """
    folders = {folder.resolve(): None for folder in (home, local_tables(tables))}
    with ExitStack() as held:
        files = [folder / LEASE_FILE for folder in folders]
        yield Lease({file: held.enter_context(_lock(file, purpose)) for file in files})


@contextmanager
def _lock(file: Path, purpose: str) -> Iterator[int]:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise LeaseError(
                "another process is writing to this home or its tables",
                which=str(file),
                got=_read_holder(descriptor) or "a holder that has not written its name yet",
                todo="wait until it has ended, then run this again",
            ) from fault
        dead = _read_holder(descriptor)
        if dead:
            log.warning("lease=%s taken over from a dead holder: %s", file, dead)
        _write_holder(descriptor, purpose)
        try:
            yield descriptor
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _read_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except ValueError:
        # The holder died while it wrote its name, or it is writing it now.
        return ""
    return ", ".join(f"{name} {value}" for name, value in holder.items())


def _write_holder(descriptor: int, purpose: str) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "doing": purpose,
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    os.fsync(descriptor)
