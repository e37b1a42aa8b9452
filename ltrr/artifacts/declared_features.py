"""The features that a bundle declares must be those that this ltrr computes: models know them by their place alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ltrr.errors import ArtifactError


def check_features(described: Mapping[str, Any], computed: Mapping[str, Any], kinds: Iterable[str]) -> None:
    """Refuse a bundle whose lists of features differ from today's.

    Args:
        described: as the manifest has them, a list of features a kind.
        computed: as this ltrr would write them.
        kinds: which lists.

    Raises:
        ArtifactError: with the names of both.
    """
    for kind in kinds:
        if described[kind] != computed[kind]:
            raise ArtifactError(
                "the bundle's features are not those that this ltrr computes",
                which=kind,
                expected=", ".join(feature["name"] for feature in described[kind]),
                got=", ".join(feature["name"] for feature in computed[kind]),
                todo="serve it with the version of ltrr that wrote it",
            )
