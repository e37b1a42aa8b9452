"""A night's release: the files of the bundle, its publication, and the rows that record it.

A night makes one of three kinds of release:

- a *refresh*: the champion's bandit, values and ranker with the memory and history of this night;
- a new *bandit* with the values of its training;
- a new *ranker*.

A new bandit or ranker also comes with the memory and history of this night.
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
    """Payloads that the night's jobs stored.

    Attributes:
        memory: File name -> payload, for every part of the memory.
        history_sha256: Hash of the history of all queries and classes; empty if there is none.
        history: File name -> payload, for every part of the history of single queries.
    """

    memory: Mapping[str, Payload]
    history_sha256: str
    history: Mapping[str, Payload] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """One row of `releases`.

    Attributes:
        version: Version of the bundle that the row describes.
        action: published | refreshed | refused | promoted | rolled_back | canary_begun |
            canary_ended.
        night: Logical date of the night; None for an action by hand.
        why: Reason of the action, in one line.
        by_whom: Name of the job or of the person.
        previous: Version that served before; None if there was none.
        sequence: Sequence of the pointer that made the version current; None if the pointer did not
            move.
        lineage: MLflow run, payload hashes and data window.
        canary: Canary that serves next to the version from this pointer on; None if there is none.
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
        """The release as a row of the table `releases`."""
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
    """The files of the night's bundle, by content.

    They are the champion's models or those given, with the memory and history of this night. A
    bandit and its values are always replaced together, because the bandit was trained on the
    values; and new values leave no old bandit.

    Args:
        root: Folder of the policies.
        name: Name of the policy.
        champion: Manifest whose models are kept unless `models` replaces them.
        parts: Memory and history of this night.
        models: File -> sha256 of the models that replace those of the champion.

    Raises:
        ArtifactError: A payload is not in the store.
    """
    is_replaced = BANDIT in models or only_value_files(models)
    kept = {RANKER} if is_replaced else {RANKER, BANDIT, *only_value_files(champion.files)}
    files = {key: payload for key, payload in champion.files.items() if key in kept}
    files.update(parts.memory)
    files.update(parts.history)
    for key, sha256 in {HISTORY: parts.history_sha256, **models}.items():
        if sha256:
            files[key] = stored_payload(root, name, sha256)
    return files


def stored_payload(root: str | os.PathLike[str], name: str, sha256: str) -> Payload:
    """The payload of this hash, after a check that its bytes are present and unaltered.

    Raises:
        ArtifactError: The payload is missing or altered.
    """
    return Payload(sha256, len(get_payload(open_policy(root, name).url, sha256)))


def publish(root: str | os.PathLike[str], name: str, manifest: Manifest, files: Mapping[str, Payload]) -> str:
    """Publish a bundle and load it with the loader of the service, before any pointer names it.

    Raises:
        ArtifactError: The written bundle cannot be served.
    """
    version = publish_bundle(root, name, manifest, files)
    policy = Policy.load(open_policy(root, name).url, version)
    total = float(policy.distribution("a query", []).dense().sum())
    if policy.version != version or abs(total - 1.0) > 1e-9:
        raise ArtifactError(
            "a published bundle does not load as it was written",
            which=version,
            expected=f"{version}, probabilities that add up to 1",
            got=f"{policy.version}, {total:.12g}",
            todo="publish again; no pointer names this bundle",
        )
    return version


def unrecorded_releases(moves: Sequence[Move], night: date | None, version: str = "") -> list[Release]:
    """Rows for unrecorded pointers: a first champion, a move by hand in a night, a failed night.

    Args:
        moves: All moves of the pointer.
        night: Night that records them; None if a person does.
        version: Version that this night publishes. If a failed attempt already moved the pointer to
            it, the row of this attempt is the record. The table is then the same as without the
            failure.
    """
    rows = []
    for place, move in enumerate(moves):
        if move.is_recorded or (night is not None and (move.night, move.version) == (night, version)):
            continue
        # A pointer older than the field `by` has only the date of its version. Only the night of
        # that date may record it.
        has_failed = move.night is not None and (move.by is not None or move.night == night)
        rows.append(
            Release(
                move.version,
                (move.by.action if move.by else "") or _infer_action(moves[:place], move),
                move.night if has_failed else None,
                f"an attempt that did not finish: {move.why}" if has_failed else move.why,
                "publish_policy" if has_failed else (move.by.person if move.by else "") or "by hand",
                moves[place - 1].version if place else None,
                move.sequence,
                canary=move.canary,
            )
        )
    return rows


def _infer_action(earlier: Sequence[Move], move: Move) -> str:
    if not earlier:
        return PUBLISHED
    if move.version == earlier[-1].version:
        return CANARY_BEGUN if move.canary else CANARY_ENDED
    return ROLLED_BACK if any(move.version == before.version for before in earlier) else PROMOTED
