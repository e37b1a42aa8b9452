"""Loading the bundles that a service serves: that of the pointer, and that of a canary.

While a canary runs, a hash of the user and of the canary's begin decides which of the two versions
answers. The record contains the probability of this version. A canary failure never affects the
champion: if its bundle is invalid, the champion serves all users, nothing is drawn, and records
have a propensity of 1.
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
from ltrr.core.queries import query_key
from ltrr.core.surrogates import replace_surrogates
from ltrr.errors import LtrrError, UsageError
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.memory import Memory
from ltrr.serving.ranker import Ranker
from ltrr.serving.values import PlanValuer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VersionDraw:
    """Draw of the version that answers a user.

    Attributes:
        propensity: P(this version serves the user): the canary's share, or 1 - share for the
            champion; 1 if nothing was drawn.
        user: User for whom the version was drawn; None if nothing was drawn.
    """

    propensity: float = 1.0
    user: str | None = None

    def check(self, impression_id: str, user: str) -> None:
        """Check that a record is of the user for whom the version was drawn.

        Raises:
            UsageError: it is of another user, who may have the other version.
        """
        if self.user not in (None, user):
            raise UsageError(
                "the version of a search was drawn for another user",
                which=impression_id,
                expected="the `user` given to `for_user`",
                got="another user",
                todo="give `for_user` and `record` the same id",
            )


NOT_DRAWN = VersionDraw()


@dataclass(frozen=True, eq=False)
class LoadedBundle:
    """One bundle with its loaded parts."""

    manifest: Manifest
    version: str  # A hash over the manifest, computed once.
    chooser: PlanChooser
    ranker: Ranker
    memory: Memory
    history: QueryHistories

    def key(self, query_text: str) -> str:
        """The query_key of a text, by the version that the bundle was learned with.

        The record has U+FFFD for half a character, so the key of the record's text is the same.
        """
        return query_key(replace_surrogates(query_text), self.manifest.settings.query_key_version)

    @staticmethod
    def of(manifest: Manifest, files: Mapping[str, bytes]) -> LoadedBundle:
        """Load a bundle from its verified files."""
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
    """All bundles that a service answers from.

    A reload replaces them in a single assignment, so no request sees parts of two.

    Attributes:
        bundle: Bundle that answers.
        sequence: Sequence of the pointer; 0 if no pointer was followed.
        canary: Canary in the pointer; None without one.
        canary_bundle: Bundle of the canary; None without a canary, or if its bundle is invalid.
        draw: Draw that selected `bundle`.
    """

    bundle: LoadedBundle
    sequence: int = 0
    canary: Canary | None = None
    canary_bundle: LoadedBundle | None = None
    draw: VersionDraw = NOT_DRAWN

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions that may answer a request."""
        return (self.bundle.version, *([self.canary_bundle.version] if self.canary_bundle else []))

    def alone(self) -> ServedBundles:
        """The same bundle without a canary: nothing is drawn."""
        return replace(self, canary=None, canary_bundle=None)

    def for_user(self, user: str) -> ServedBundles:
        """The bundle that answers this user, and its draw.

        The champion answers a search without a user, without a draw. A draw by session or
        impression would give one user both versions, and the empty id would give all such searches
        the same version.
        """
        if self.canary is None or self.canary_bundle is None or not user:
            return self.alone()
        if self.canary.serves(user):
            return ServedBundles(self.canary_bundle, self.sequence, draw=VersionDraw(self.canary.share, user))
        return ServedBundles(self.bundle, self.sequence, draw=VersionDraw(1.0 - self.canary.share, user))


def load_bundles(address: str, version: str | None = None) -> ServedBundles:
    """Load this version, or the versions that the pointer names, every byte verified.

    The pointer also contains the hash of the manifest. An invalid bundle of a canary is logged.

    Raises:
        NotReadyError: nothing is published yet.
        ArtifactError: the bundle is incomplete, altered, or of another format.
    """
    if version is not None:
        return ServedBundles(_load(address, version))
    pointer = current_pointer(Store(address))
    bundles = ServedBundles(_load(address, pointer.version, pointer.manifest_sha256), pointer.sequence)
    return bundles if pointer.canary is None else with_canary(address, replace(bundles, canary=pointer.canary))


def with_canary(address: str, bundles: ServedBundles) -> ServedBundles:
    """The same bundles with that of the canary; without it, and a warning, if it is invalid."""
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
