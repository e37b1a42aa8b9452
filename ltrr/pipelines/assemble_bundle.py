"""Bundles that a night can publish.

Each contains the night's memory and history, and a chosen bandit, values and ranker.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltrr.artifacts.bundle import BANDIT, RANKER, read_manifest
from ltrr.artifacts.learned_values import StoredValues, only_value_files
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.pointer import Canary, Pointer
from ltrr.errors import ArtifactError
from ltrr.evaluation.canary import CANARY
from ltrr.evaluation.draws_by_class import DRAWS_BY_CLASS
from ltrr.evaluation.judged_policy import CHALLENGER, CHAMPION
from ltrr.pipelines.challenger_review import estimates_of
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import BanditNotes, EvaluationNotes, HistoryNotes, MemoryNotes
from ltrr.publishing.exploration_price import EXPLORATION_PRICE
from ltrr.publishing.judgement import ope_summary
from ltrr.publishing.release import Parts, bundle_files, publish
from ltrr.publishing.trials import Challenger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AssembledBundle:
    """A bundle that can be published.

    Attributes:
        manifest: Manifest without its list of files.
        files: Name in the bundle -> stored object.
    """

    manifest: Manifest
    files: Mapping[str, Payload]

    @property
    def complete(self) -> Manifest:
        """The manifest with its files."""
        return self.manifest.with_files(self.files)

    @property
    def version(self) -> str:
        """Version under which the bundle is published."""
        return self.complete.version


@dataclass(frozen=True)
class CanaryBundle:
    """The canary of a night.

    Attributes:
        canary: The canary as the pointer names it after this night.
        bundle: Its bandit, values and ranker with the night's memory and history; None if this
            bundle is invalid.
        rows: Rows of `ope_estimates` that compare its users with those of the champion.
        fault: Why there is no bundle.
    """

    canary: Canary
    bundle: AssembledBundle | None
    rows: Sequence[dict[str, Any]]
    fault: str = ""


def assemble_bundle(
    night: Night,
    champion: Manifest,
    *,
    challenger: Challenger | None = None,
    ranker: str = "",
    ope: Mapping[str, Any] | None = None,
    canary_of: str = "",
) -> AssembledBundle:
    """Assemble the night's memory and history with a bandit, values and a ranker.

    They come from a challenger, a new ranker or else the champion. A champion in shadow mode gets
    the values that the night learned, and the exploration of the settings.

    Args:
        night: Night of `publish_policy`.
        champion: Manifest of the champion, or of the canary if a canary is assembled.
        challenger: Trial whose bandit and values replace those of the champion.
        ranker: Hash of a booster that replaces the champion's.
        ope: Evaluation that the manifest keeps; by default that of `champion`.
        canary_of: Version of the champion if a canary is assembled, else empty.
    """
    history = night.notes_of(HistoryNotes)
    newest = _newest_values(night, champion)
    replaced = challenger.bandit.files if challenger else newest.files if newest else {}
    files = bundle_files(
        night.policies_root,
        night.settings.policy.name,
        champion,
        # Nights of earlier versions wrote no history of single queries.
        Parts(night.notes_of(MemoryNotes).memory_parts, history.history_sha256, history.history_parts or {}),
        {**replaced, **({RANKER: ranker} if ranker else {})},
    )
    settings, values, run_id = champion.settings, champion.values, champion.run_id
    if newest:
        settings, values = replace(settings, exploration=night.settings.policy.exploration), newest.learned
    if challenger:
        # The exploration that was judged is the one that is served.
        settings = replace(settings, exploration=challenger.bandit.exploration)
        values, run_id = challenger.bandit.values, challenger.run_id
    closed = night.closed_dates()
    upstream = [night.committed(job, night.date) for job in JOBS[: JOBS.index(night.job)]]
    evaluated = CHALLENGER if challenger else CANARY if canary_of else CHAMPION
    manifest = Manifest(
        settings=settings,
        values=values,
        as_of_date=night.date,
        data_window={"first": str(closed[0]), "last": str(closed[-1])} if closed else {},
        table_versions={output.table: output.version for job in upstream for output in job.outputs},
        run_id=run_id,
        ope=_with_exploration_and_draws(night, champion.ope if ope is None else ope, evaluated),
        lineage=_lineage(champion.version, challenger, canary_of, files),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        shadow=champion.shadow,
    )
    return AssembledBundle(manifest, files)


def _newest_values(night: Night, champion: Manifest) -> StoredValues | None:
    """Values of this night for a champion in shadow mode; None if it keeps its own.

    A policy in shadow mode serves no user, so it follows the learning without a trial.
    """
    if not champion.shadow:
        return None
    return StoredValues.of_note(night.notes_of(BanditNotes).values or "")


def assemble_canary(night: Night, pointer: Pointer) -> CanaryBundle | None:
    """Refresh the canary as the champion is refreshed, publish it and load it again.

    The result is None if no canary runs. A canary failure never affects the champion: if its bundle
    is invalid, the canary ends.
    """
    if pointer.canary is None:
        return None
    root, name, rows = night.policies_root, night.settings.policy.name, estimates_of(night, CANARY)
    try:
        manifest = read_manifest(root, name, pointer.canary.version)
        bundle = assemble_bundle(night, manifest, ope=ope_summary(rows) or None, canary_of=pointer.version)
        version = publish(root, name, bundle.manifest, bundle.files)
    except ArtifactError as fault:
        log.warning("date=%s canary=%s ended: %s", night.date, pointer.canary.version, fault)
        return CanaryBundle(pointer.canary, None, rows, f"ended: its bundle is invalid: {fault}")
    return CanaryBundle(replace(pointer.canary, version=version), bundle, rows)


def _lineage(base: str, challenger: Challenger | None, canary_of: str, files: Mapping[str, Payload]) -> dict[str, str]:
    """Versions and hashes that the bundle comes from."""
    sources = {"champion": canary_of, "canary": base} if canary_of else {"champion": base}
    if challenger:
        sources |= {"trial": challenger.trial, "bandit_data_end": str(challenger.data_end)}
    hashed = {"bandit_sha256": BANDIT, "ranker_sha256": RANKER}
    hashed |= {f"{Path(file).stem}_sha256": file for file in only_value_files(files)}
    return sources | {key: files[file].sha256 for key, file in hashed.items() if file in files}


def _with_exploration_and_draws(night: Night, ope: Mapping[str, Any], policy: str) -> Mapping[str, Any]:
    """Add the policy's exploration price and draws by class, if the night's evaluation has them."""
    notes = night.notes_of(EvaluationNotes)
    found = {
        EXPLORATION_PRICE: (notes.exploration_price or {}).get(policy),
        DRAWS_BY_CLASS: (notes.draws_by_class or {}).get(policy),
    }
    return {**ope, **{name: figures for name, figures in found.items() if figures}}
