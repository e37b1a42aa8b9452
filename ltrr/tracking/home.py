"""Identity of a home in MLflow: several homes may share one server and one experiment.

The identity is a random number in the file `.ltrr-home`, so two hosts that mount one home agree on
it, wherever they mount it. The file also keeps the inode of the home's folder. A copy of a home
(`cp -r`, a restored backup) has another inode and takes a new identity: otherwise the copy would
close and supersede the runs of the original.
"""

from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path

from ltrr.errors import ConfigError

log = logging.getLogger(__name__)

HOME_ID_FILE = ".ltrr-home"


def read_home_id(home: Path) -> str:
    """The identity of a home, 16 hex digits, created at the first call.

    The caller holds the home's lease.

    Raises:
        ConfigError: The file exists and has another form than ltrr writes.
    """
    file = home / HOME_ID_FILE
    home.mkdir(parents=True, exist_ok=True)
    inode = home.stat().st_ino
    if file.exists():
        identity, written_for = _parse(file)
        if written_for == inode:
            return identity
        log.warning("home=%s is a copy or was restored: it gets an MLflow identity of its own", home)
    identity = uuid.uuid4().hex[:16]
    part = file.with_name(f"{HOME_ID_FILE}.{identity}")
    part.write_text(json.dumps({"home_id": identity, "inode": inode}) + "\n", encoding="utf-8")
    part.replace(file)
    return identity


def _parse(file: Path) -> tuple[str, int]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return str(content["home_id"]), int(content["inode"])
    except (ValueError, KeyError, TypeError) as fault:
        raise ConfigError(
            "the identity of the home cannot be read",
            which=str(file),
            expected='{"home_id": ..., "inode": ...}',
            todo="remove the file; ltrr writes a new one, but reruns no longer find this home's earlier runs in MLflow",
        ) from fault
