"""One writer at a time: a lock on a file of the home, held for a job or a whole night.

The kernel lets go of the lock when its holder dies, however it dies, so a dead holder is taken over at once and no
process id is ever guessed about. Works for homes on a local disk (and on NFS with locking); tables in an object store
need a lease in that store, or a scheduler that starts one night at a time.
"""

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ltrr.errors import LeaseError

log = logging.getLogger(__name__)

LEASE_FILE = ".lease"


@dataclass(frozen=True)
class Lease:
    """The right to write to the tables of one home."""

    file: Path
    descriptor: int

    def check(self) -> None:
        """Nothing while the lease is held.

        Raises:
            LeaseError: the file was removed or replaced under its holder, so someone else may hold another one.
        """
        held = os.fstat(self.descriptor)
        if not self.file.exists() or not os.path.samestat(self.file.stat(), held):
            raise LeaseError(
                "the lease was taken away while it was held", which=str(self.file), todo="run the job again"
            )


@contextmanager
def hold_lease(home: Path, doing: str) -> Iterator[Lease]:
    """Hold the lease of `home` within the block; `doing` tells others what for.

    Raises:
        LeaseError: a live process holds it; the message names host, process, since when and what for.
    """
    home.mkdir(parents=True, exist_ok=True)
    file = home / LEASE_FILE
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise LeaseError(
                "another process is writing to this home",
                which=str(file),
                got=_read_holder(descriptor) or "a holder that has not written its name yet",
                todo="wait until it has ended, then run this again",
            ) from fault
        dead = _read_holder(descriptor)
        if dead:
            log.warning("lease=%s taken over from a dead holder: %s", file, dead)
        _write_holder(descriptor, doing)
        try:
            yield Lease(file, descriptor)
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
