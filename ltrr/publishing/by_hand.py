"""What a person does: promote a version, or roll back to the one before; each is a new sequence of the pointer."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ltrr.artifacts.pointer import move_pointer, open_policy
from ltrr.publishing.moves import Move, version_before
from ltrr.publishing.release import PROMOTED, ROLLED_BACK, Release
from ltrr.serving.policy import Policy


def promote(
    root: str | os.PathLike[str], name: str, moves: Sequence[Move], version: str, *, why: str, by_whom: str
) -> Release | None:
    """Serve `version` from now on; None where it serves already.

    It is loaded first as a service would load it: what cannot be served is not pointed at.

    Raises:
        ArtifactError: no such version, or it is damaged.
    """
    return _point(root, name, moves, version, PROMOTED, why, by_whom)


def roll_back(
    root: str | os.PathLike[str], name: str, moves: Sequence[Move], *, why: str, by_whom: str
) -> Release | None:
    """Serve what served before the current version first did.

    Raises:
        UsageError: there was nothing before.
        ArtifactError: it is damaged.
    """
    return _point(root, name, moves, version_before(moves), ROLLED_BACK, why, by_whom)


def _point(
    root: str | os.PathLike[str],
    name: str,
    moves: Sequence[Move],
    version: str,
    action: str,
    why: str,
    by_whom: str,
) -> Release | None:
    Policy.load(open_policy(root, name).url, version)
    previous = moves[-1].version if moves else None
    if version == previous:
        return None
    sequence = move_pointer(root, name, version, why=f"{why} ({by_whom})")
    return Release(version, action, None, why, by_whom, previous, sequence)
