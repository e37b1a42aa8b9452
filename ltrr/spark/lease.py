"""One writer at a time: locks on files of the home and of the tables, held for a job or a whole night.

The kernel lets go of a lock when its holder dies, however it dies, so a dead holder is taken over
at once and no process id is ever guessed about. The tables have a lease of their own: two homes may
name the same tables. Locks work on a local disk and on NFS with locking. An object store has none,
so tables there are refused.
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
        held: lock file -> descriptor of the file as it was locked.
    """

    held: dict[Path, int]

    def check(self) -> None:
        """Nothing while the lease is held.

        Raises:
            LeaseError: a lock file was removed or replaced under its holder, so someone else may
                hold another one.
        """
        for file, descriptor in self.held.items():
            if not file.exists() or not os.path.samestat(file.stat(), os.fstat(descriptor)):
                raise LeaseError(
                    "another process took the lease while this one held it", which=str(file), todo="run the job again"
                )


def local_tables(tables: str) -> Path:
    """The folder of `paths.tables`, which must be on a disk: only there can a lease keep a second writer out.

    >>> local_tables("/data/tables"), local_tables("file:///data/my%20tables")
    (PosixPath('/data/tables'), PosixPath('/data/my tables'))
    >>> local_tables("s3a://bucket/tables")
    Traceback (most recent call last):
    ltrr.errors.ConfigError: tables cannot be written there: paths.tables: expected a folder on a disk, local or NFS, \
got s3a://bucket/tables; ltrr has no lease in an object store, so two hosts could write at once: use a folder

    Raises:
        ConfigError: it is a URL of another kind.
    """
    parts = urlsplit(tables)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if "://" in tables or parts.scheme in _OBJECT_STORES:
        raise ConfigError(
            "tables cannot be written there",
            which="paths.tables",
            expected="a folder on a disk, local or NFS",
            got=tables,
            todo="ltrr has no lease in an object store, so two hosts could write at once: use a folder",
        )
    return Path(tables)


_OBJECT_STORES = frozenset(
    {"abfs", "abfss", "dbfs", "file", "gs", "hdfs", "s3", "s3a", "s3n", "viewfs", "wasb", "wasbs"}
)


@contextmanager
def hold_lease(home: Path, doing: str, *, tables: str) -> Iterator[Lease]:
    """Hold the leases of `home` and of its tables within the block.

    `doing` names the purpose in the errors of other processes.

    Raises:
        LeaseError: a live process holds one; the message names host, process, since when and what
            for.
        ConfigError: the tables are not on a disk.
    """
    folders = {folder.resolve(): None for folder in (home, local_tables(tables))}
    with ExitStack() as held:
        yield Lease({folder / LEASE_FILE: held.enter_context(_lock(folder / LEASE_FILE, doing)) for folder in folders})


@contextmanager
def _lock(file: Path, doing: str) -> Iterator[int]:
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
        _write_holder(descriptor, doing)
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
        # Its holder died while it wrote its name, or is just writing it.
        return ""
    return ", ".join(f"{name} {value}" for name, value in holder.items())


def _write_holder(descriptor: int, doing: str) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "doing": doing,
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    os.fsync(descriptor)
