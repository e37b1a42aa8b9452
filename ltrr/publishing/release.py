"""A night's release: which files make the bundle, publishing it, and the rows that say what was done and why.

Three kinds, never two in one night: a *refresh* (the champion's bandit, values and ranker with tonight's memory and
history), a new *bandit* with the values it was trained on, or a new *ranker*. Whatever is new comes with tonight's
memory and history too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from ltrr.artifacts.bundle import BANDIT, RANKER, publish_bundle
from ltrr.artifacts.history import FILE as HISTORY
from ltrr.artifacts.learned_values import only_value_files
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import Payload, get_payload
from ltrr.artifacts.pointer import Canary, open_policy
from ltrr.errors import ArtifactError
from ltrr.publishing.moves import Move
from ltrr.serving.policy import Policy

PUBLISHED, REFRESHED, REFUSED, PROMOTED, ROLLED_BACK = "published", "refreshed", "refused", "promoted", "rolled_back"
CANARY_BEGUN, CANARY_ENDED = "canary_begun", "canary_ended"


@dataclass(frozen=True)
class Parts:
    """What tonight's jobs put into the payload store.

    Attributes:
        memory: file name -> payload, of every part.
        history_sha256: of the history of all queries and classes; empty where there is none.
        history: file name -> payload, of every part of the history of single queries.
    """

    memory: Mapping[str, Payload]
    history_sha256: str
    history: Mapping[str, Payload] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """One row of `releases`.

    Attributes:
        version: the bundle the row is about.
        action: published | refreshed | refused | promoted | rolled_back | canary_begun | canary_ended.
        night: logical date; None by hand.
        why: in words.
        by_whom: the job, or a person.
        previous: version that served before; None where none did.
        sequence: of the pointer that made it current; None where the pointer did not move.
        lineage: MLflow run, payload hashes, data window.
        canary: that is tried beside the version from this pointer on.
    """

    version: str
    action: str
    night: date | None
    why: str
    by_whom: str
    previous: str | None
    sequence: int | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)
    canary: Canary | None = None

    def row(self) -> dict[str, Any]:
        """As it stands in the table."""
        return {
            "policy_version": self.version,
            "sequence": self.sequence,
            "action": self.action,
            "run_date": self.night,
            "at": datetime.now(UTC),
            "why": self.why,
            "by_whom": self.by_whom,
            "previous_version": self.previous,
            "lineage": dict(self.lineage),
            "canary_version": self.canary.version if self.canary else None,
            "canary_share": self.canary.share if self.canary else None,
        }


def bundle_files(
    root: str | os.PathLike[str],
    name: str,
    champion: Manifest,
    parts: Parts,
    models: Mapping[str, str],
) -> dict[str, Payload]:
    """The files of tonight's bundle, by content: models of the champion, or the given ones, with tonight's evidence.

    A bandit and its values come and go together: it was trained on them.

    Args:
        root: the policies' folder.
        name: of the policy.
        champion: whose models are kept where none is given.
        parts: of tonight.
        models: file -> sha256 of those that take the champion's place.

    Raises:
        ArtifactError: a payload is not in the store.
    """
    kept = {RANKER} if BANDIT in models else {RANKER, BANDIT, *only_value_files(champion.files)}
    files = {key: payload for key, payload in champion.files.items() if key in kept}
    files.update(parts.memory)
    files.update(parts.history)
    for key, sha256 in {HISTORY: parts.history_sha256, **models}.items():
        if sha256:
            files[key] = stored_payload(root, name, sha256)
    return files


def stored_payload(root: str | os.PathLike[str], name: str, sha256: str) -> Payload:
    """The payload of this hash, once its bytes are known to be there and whole.

    Raises:
        ArtifactError: there is none, or it was altered.
    """
    return Payload(sha256, len(get_payload(open_policy(root, name).url, sha256)))


def publish(root: str | os.PathLike[str], name: str, manifest: Manifest, files: Mapping[str, Payload]) -> str:
    """Publish a bundle and load it again through the loader that online uses, before anything points at it.

    Raises:
        ArtifactError: what was written cannot be served.
    """
    version = publish_bundle(root, name, manifest, files)
    policy = Policy.load(open_policy(root, name).url, version)
    total = float(policy.distribution("a query", []).dense().sum())
    if policy.version != version or abs(total - 1.0) > 1e-9:
        raise ArtifactError(
            "a bundle does not serve what was published",
            which=version,
            expected=f"{version}, probabilities that add up to 1",
            got=f"{policy.version}, {total:.12g}",
            todo="nothing points at it; publish again",
        )
    return version


def unrecorded(moves: Sequence[Move], night: date | None, version: str = "") -> list[Release]:
    """Rows of pointers that have none: of a first champion, a move by hand during a night, a night that died.

    Args:
        moves: all.
        night: that records them; None: a person.
        version: that this night publishes. Where an attempt that died had already pointed at it, the row of this
            attempt is the record, and the table is the same as if nothing had died.
    """
    rows = []
    for place, move in enumerate(moves):
        if move.is_recorded or (night is not None and (move.night, move.version) == (night, version)):
            continue
        # A pointer from before `by` is known by its version's date alone: only its own night may claim it.
        has_died = move.night is not None and (move.by is not None or move.night == night)
        rows.append(
            Release(
                move.version,
                (move.by.action if move.by else "") or _kind(moves[:place], move),
                move.night if has_died else None,
                f"an attempt that did not finish: {move.why}" if has_died else move.why,
                "publish_policy" if has_died else (move.by.person if move.by else "") or "by hand",
                moves[place - 1].version if place else None,
                move.sequence,
                canary=move.canary,
            )
        )
    return rows


def _kind(earlier: Sequence[Move], move: Move) -> str:
    if not earlier:
        return PUBLISHED
    if move.version == earlier[-1].version:
        return CANARY_BEGUN if move.canary else CANARY_ENDED
    return ROLLED_BACK if any(move.version == before.version for before in earlier) else PROMOTED
