"""Bundles that a service serves: the one that the pointer names, and that of the canary, if one runs.

A canary is drawn by user: a hash of the user and of the canary's begin says which of the two
versions answers, and the record says with which probability. A canary failure never affects the
champion: if its bundle is invalid, the champion serves everybody, nothing is drawn, and the records
say so (a propensity of 1).
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ltrr.artifacts.bundle import BANDIT, RANKER, read_bundle
from ltrr.artifacts.history import QueryHistories
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.pointer import Canary, current_pointer, read_manifest_bytes
from ltrr.artifacts.store import Store
from ltrr.errors import LtrrError, UsageError
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.memory import Memory
from ltrr.serving.ranker import Ranker
from ltrr.serving.values import PlanValuer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VersionDraw:
    """How it came that this version answers.

    Attributes:
        propensity: P(this version serves the user): the canary's share, or the rest; 1 where
            nothing was drawn.
        user: that it was drawn for; None where nothing was drawn.
    """

    propensity: float = 1.0
    user: str | None = None

    def check(self, impression_id: str, user: str) -> None:
        """Nothing where the record is of the user that the version was drawn for.

        Raises:
            UsageError: it is of another one, whose side may be the other.
        """
        if self.user not in (None, user):
            raise UsageError(
                "a search is recorded for another user than its version was drawn for",
                which=impression_id,
                expected="the `user` that `for_user` was given",
                got="another",
                todo="give both the same id",
            )


NOT_DRAWN = VersionDraw()


@dataclass(frozen=True, eq=False)
class LoadedBundle:
    """One bundle, whole."""

    manifest: Manifest
    version: str  # a hash over the manifest: not to be computed for every request
    chooser: PlanChooser
    ranker: Ranker
    memory: Memory
    history: QueryHistories

    @staticmethod
    def of(manifest: Manifest, files: Mapping[str, bytes]) -> LoadedBundle:
        """From verified files."""
        settings = manifest.settings
        space = settings.space
        valuer = PlanValuer.of(settings, manifest.values, files)
        return LoadedBundle(
            manifest,
            manifest.version,
            PlanChooser(
                space, settings.exploration, files.get(BANDIT), settings.observe, valuer, groups=settings.features
            ),
            Ranker(space, files.get(RANKER), settings.ranker_groups),
            Memory.of_files(files),
            QueryHistories.of_files(files, space),
        )


@dataclass(frozen=True, eq=False)
class ServedBundles:
    """All that a service answers from: swapped in a single assignment, so that no request sees half of two.

    Attributes:
        served: the bundle that answers.
        sequence: of the pointer; 0 where none was followed.
        canary: what the pointer says of a canary; None while none runs.
        canary_bundle: Bundle of the canary; None without a canary, or if its bundle is invalid.
        draw: how `served` was chosen.
    """

    bundle: LoadedBundle
    sequence: int = 0
    canary: Canary | None = None
    canary_bundle: LoadedBundle | None = None
    draw: VersionDraw = NOT_DRAWN

    @property
    def versions(self) -> tuple[str, ...]:
        """That may answer a request."""
        return (self.bundle.version, *([self.canary_bundle.version] if self.canary_bundle else []))

    def alone(self) -> ServedBundles:
        """The bundle without a canary: nothing is drawn."""
        return replace(self, canary=None, canary_bundle=None)

    def for_user(self, user: str) -> ServedBundles:
        """The bundle of the user's side, and how it was drawn.

        A search without a user is the champion's and not drawn: by session or impression a user
        would meet both, and one empty id for everybody would put all of them on one side.
        """
        if self.canary is None or self.canary_bundle is None or not user:
            return self.alone()
        if self.canary.serves(user):
            return ServedBundles(self.canary_bundle, self.sequence, draw=VersionDraw(self.canary.share, user))
        return ServedBundles(self.bundle, self.sequence, draw=VersionDraw(1.0 - self.canary.share, user))


def load_bundles(address: str, version: str | None = None) -> ServedBundles:
    """A verified bundle, this version or what the pointer names.

    Following the pointer, the manifest too must be the one that was pointed at; an invalid bundle
    of a canary is logged.

    Raises:
        NotReadyError: nothing is published there yet.
        ArtifactError: the bundle is incomplete, altered, or of another format.
    """
    if version is not None:
        return ServedBundles(_load(address, version))
    pointer = current_pointer(Store(address))
    bundles = ServedBundles(_load(address, pointer.version, pointer.manifest_sha256), pointer.sequence)
    return bundles if pointer.canary is None else with_canary(address, replace(bundles, canary=pointer.canary))


def with_canary(address: str, bundles: ServedBundles) -> ServedBundles:
    """The same with the canary's bundle where that holds; without it, and a warning, where it does not."""
    if bundles.canary is None:
        return bundles
    try:
        return replace(bundles, canary_bundle=_load(address, bundles.canary.version, bundles.canary.manifest_sha256))
    except (LtrrError, OSError) as fault:
        logger.warning(
            "policy=%s serving=%s canary=%s refused reason=%s",
            address,
            bundles.bundle.version,
            bundles.canary.version,
            fault,
        )
        return replace(bundles, canary_bundle=None)


def _load(address: str, version: str, manifest_sha256: str = "") -> LoadedBundle:
    root, name = posixpath.split(address)
    if manifest_sha256:
        manifest = read_manifest_bytes(Store(address), version)
        Payload(manifest_sha256, len(manifest)).check(manifest, f"{version}/manifest.json")
    return LoadedBundle.of(*read_bundle(root, name, version))
