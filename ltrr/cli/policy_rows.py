"""Published versions as rows and facts for `ltrr policies`."""

from __future__ import annotations

from typing import Any

from ltrr.artifacts.bundle import BANDIT, RANKER, read_manifest
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.memory_part import PREFIX
from ltrr.artifacts.pointer import Pointer
from ltrr.errors import ArtifactError


def serves_text(version: str, moves: list[Pointer]) -> str:
    """Which users a version serves; empty for a version that serves none."""
    newest = moves[-1] if moves else None
    canary = newest.canary if newest else None
    if newest and newest.version == version:
        return f"now, but for {canary.share:.4g} of users" if canary else "now"
    if canary and canary.version == version:
        return f"canary: {canary.share:.4g} of users since {canary.begun}"
    return ""


def version_row(root: str, name: str, version: str, moves: list[Pointer]) -> dict[str, Any]:
    """One published version as a row, with its damage if its manifest cannot be read."""
    naming = [
        pointer for pointer in moves if version in (pointer.version, pointer.canary.version if pointer.canary else None)
    ]
    damage = ""
    try:
        manifest: Manifest | None = read_manifest(root, name, version)
    except ArtifactError as fault:
        # A damaged version must not hide the others, which can serve instead.
        manifest, damage = None, str(fault)
    return {
        "version": version,
        "serves": serves_text(version, moves),
        "sequences": [pointer.sequence for pointer in naming],
        "moved by": str(naming[-1].by or "not recorded") if naming else "",
        **models_text(manifest),
        "memory parts": sum(file.startswith(PREFIX) for file in manifest.files) if manifest else None,
        "learned until": manifest.data_window.get("last", "") if manifest else "",
        "created": manifest.created_at if manifest else "",
        "damage": damage,
    }


def models_text(manifest: Manifest | None) -> dict[str, Any]:
    """The night that made a version, and its models; empty texts without a manifest."""
    if manifest is None:
        return dict.fromkeys(("night", "bandit", "values", "ranker"), "")
    bandit, ranker = (manifest.files.get(file) for file in (BANDIT, RANKER))
    return {
        "night": manifest.as_of_date,
        "bandit": bandit.sha256[:12] if bandit else "uniform" if _is_uniform(manifest) else "planner",
        "values": f"learned, {manifest.values.folds} folds" if manifest.values else "hit rates",
        "ranker": ranker.sha256[:12] if ranker else "fusion",
    }


def _is_uniform(manifest: Manifest) -> bool:
    return manifest.settings.exploration.floor_share >= 1.0


def manifest_facts(manifest: Manifest) -> dict[str, Any]:
    """The manifest of a version in plain values."""
    settings = manifest.settings
    features = {
        kind: len(getattr(settings, kind)) for kind in ("shared_features", "action_features", "ranker_features")
    }
    if manifest.values:
        learned = manifest.values.to_json(settings.space)
        features |= {kind: len(learned[kind]) for kind in ("candidate_features", "look_features")}
    return {
        "version": manifest.version,
        "shadow mode": manifest.shadow,
        "as_of_date": manifest.as_of_date,
        "policy": settings.name,
        "strategies": list(settings.strategies),
        "block_size": settings.block_size,
        "budget": settings.budget,
        "decide": settings.decide,
        "observe": settings.observe,
        "exploration": settings.exploration.to_json(),
        "values": manifest.values.to_plain() if manifest.values else "hit rates",
        "feature_groups": list(settings.features),
        "query_key_version": settings.query_key_version,
        "features": features,
        "data_window": dict(manifest.data_window),
        "table_versions": dict(manifest.table_versions),
        "mlflow_run_id": manifest.run_id,
        "lineage": dict(manifest.lineage),
        "created_at": manifest.created_at,
        "ltrr_version": manifest.ltrr_version,
        "format": manifest.format,
        "ope": {policy: dict(row) for policy, row in manifest.ope.items()},
        "files": {name: {"sha256": file.sha256, "size": file.size} for name, file in manifest.files.items()},
    }
