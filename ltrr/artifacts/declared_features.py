"""Check that the features a bundle declares are those that this ltrr computes.

Models identify a feature only by its place in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ltrr.errors import ArtifactError


def check_features(described: Mapping[str, Any], computed: Mapping[str, Any], kinds: Iterable[str]) -> None:
    """Check that declared and computed features are equal.

    Args:
        described: Lists of features in the manifest, by kind.
        computed: Lists of features that this ltrr computes, by kind.
        kinds: Kinds to compare.

    Raises:
        ArtifactError: two lists differ; it gives the names in both.
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
