"""What is served from tomorrow on: a refresh of the champion every night, a new bandit or ranker where it earned it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltrr.artifacts.bundle import BANDIT, RANKER, move_pointer, read_manifest
from ltrr.artifacts.learned_values import only_value_files
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.pointer import Canary, Mover, Pointer, one_line, open_policy, pointer_at, top_sequence
from ltrr.errors import ArtifactError, PointerMovedError
from ltrr.estimation.sequential import EXPIRED, FUTILE, HARMED, PROMOTE
from ltrr.evaluation.canary import BY_USER, CANARY
from ltrr.evaluation.draws_by_class import DRAWS_BY_CLASS
from ltrr.evaluation.estimates import LIFE
from ltrr.evaluation.judged_policy import CHALLENGER, CHAMPION
from ltrr.pipelines.canary import canary_judgement, report_canary
from ltrr.pipelines.gate_page import EarlierAttempt, estimates_of, keep_page, report_page, tonights_page
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.pipelines.ranker_judging import ranker_page, report_ranker
from ltrr.publishing.canary_trial import ENDED_BY_HAND, WAITS, CanaryPage, find_canary, frozen_with_ranker, turn_canary
from ltrr.publishing.challenger_rows import challenger_rows
from ltrr.publishing.challengers import GATE, Page
from ltrr.publishing.exploration_price import EXPLORATION_PRICE
from ltrr.publishing.judgement import ope_summary
from ltrr.publishing.moves import Move, champion_of, collect_moves
from ltrr.publishing.ranker_gate import RANKER_GATE, RankerPage, kept_ranker
from ltrr.publishing.release import (
    CANARY_ENDED,
    PROMOTED,
    REFRESHED,
    REFUSED,
    Parts,
    Release,
    bundle_files,
    publish,
    unrecorded,
)
from ltrr.publishing.release_rows import append_releases, release_rows
from ltrr.publishing.trials import Challenger, alpha_left
from ltrr.tracking.run import TrackedRun

log = logging.getLogger(__name__)

_BY = "publish_policy"
_DECIDED = (PROMOTE, FUTILE, HARMED, EXPIRED)
"""Outcomes of a trial that the gate decided, which get a row of their own in `releases`."""


@dataclass(frozen=True)
class _Bundle:
    """A bundle that could be published tonight."""

    manifest: Manifest
    files: Mapping[str, Payload]

    @property
    def complete(self) -> Manifest:
        """The manifest with its files."""
        return self.manifest.with_files(self.files)

    @property
    def version(self) -> str:
        return self.complete.version


@dataclass(frozen=True)
class _Tried:
    """Tonight's canary.

    Attributes:
        canary: as tomorrow's pointer would name it.
        bundle: its bandit, values and ranker with tonight's memory and history; None where that does not hold.
        rows: of `ope_estimates`, what its users and the champion's earned.
        fault: why there is no bundle.
    """

    canary: Canary
    bundle: _Bundle | None
    rows: Sequence[dict[str, Any]]
    fault: str = ""


@dataclass(frozen=True)
class _Decision:
    """What is published tonight, and the candidates that were turned down."""

    action: str
    why: str
    bundle: _Bundle
    refused: Sequence[tuple[_Bundle, str]]


@dataclass(frozen=True)
class _Settled:
    """What this attempt decided and did: everything but its rows.

    Attributes:
        champion: what served when the night first began.
        pointer: that named it.
        earlier: attempt of the same night.
        page: of the book, after bandits and canary.
        trial: of the canary.
        tried: the canary's bundle.
        ranker: the page of its trial.
        decision: what is published.
        version: that was published.
        sequence: of the pointer that names it; None where it was not moved.
    """

    champion: Move
    pointer: Pointer
    earlier: EarlierAttempt
    page: Page
    trial: CanaryPage
    tried: _Tried | None
    ranker: RankerPage
    decision: _Decision
    version: str
    sequence: int | None

    @property
    def canary(self) -> Canary | None:
        """As the pointer names it from tonight on."""
        return self.tried.canary if self.tried and self.trial.goes_on else None


def run(night: Night) -> None:
    """Judge, assemble, publish, load again, and only then point; refusing a challenger is a success.

    A rerun that comes out the same publishes nothing and appends nothing; a rerun of a night after which others have
    moved the pointer, later nights or people, leaves the pointer and the book of trials alone.
    """
    name = night.settings.policy.name
    with night.tracking.run("publish_policy") as tracked:
        _tell_night(night)
        try:
            settled = _settle(night)
        except PointerMovedError as moved:
            # A person moved the pointer between this night's reading and its writing: decide again, knowing it. Who
            # moves it a second time within seconds makes the job fail, to be run again.
            log.warning("date=%s decided again: %s", night.date, moved)
            settled = _settle(night)
        decision, page, trial, champion = settled.decision, settled.page, settled.trial, settled.champion
        refused = [
            _release(night, champion, bundle, bundle.version, REFUSED, why, None) for bundle, why in decision.refused
        ]
        released = _release(
            night, champion, decision.bundle, settled.version, decision.action, decision.why, settled.sequence
        )
        rows = [*refused, *_beside(night, settled), replace(released, canary=settled.canary)]
        night.write("releases", release_rows(night.spark, name, rows))
        book = [*page.challengers, *settled.earlier.others]
        night.write("challengers", challenger_rows(night.spark, night.date, book))
        night.note("version", settled.version)
        night.note("action", decision.action)
        night.note("why", decision.why)
        night.note("verdict", page.why)
        night.note("outcome", page.judged.outcome if page.judged else "")
        night.note("challenger", page.judged.trial if page.judged else "")
        night.note("canary", settled.canary.version if settled.canary else "")
        night.note("canary_outcome", trial.judged.outcome if trial.judged else "")
        night.note("canary_verdict", _canary_why(trial, settled.tried))
        night.note("ranker_outcome", settled.ranker.judged.outcome if settled.ranker.judged else "")
        night.note("ranker_verdict", settled.ranker.why)
        _report(tracked, settled)
        log.info(
            "date=%s version=%s action=%s sequence=%s",
            *(night.date, settled.version, decision.action, settled.sequence),
        )


def _settle(night: Night) -> _Settled:
    """Decide and point, on one reading of who moved the pointer.

    Raises:
        PointerMovedError: somebody has moved it since; nothing was pointed at.
    """
    name, root = night.settings.policy.name, night.policies_root
    store = open_policy(root, name)
    top = top_sequence(store)
    moves = collect_moves(night.read("releases"), root, name)
    champion = champion_of(moves, night.date)
    pointer = pointer_at(store, champion.sequence)
    manifest = read_manifest(root, name, champion.version)
    earlier = EarlierAttempt.of(night, moves)
    estimates = estimates_of(night, LIFE)
    tried = _tried(night, pointer)
    page, trial, ranker = _pages(night, manifest, estimates, pointer, tried, earlier)
    decision = _decide(night, manifest, page, ranker, estimates, trial, tried)
    version = publish(root, name, decision.bundle.manifest, decision.bundle.files)
    # What others did and could not write down is no output of this night.
    append_releases(night.warehouse, name, unrecorded(moves, night.date, version))
    settled = _Settled(champion, pointer, earlier, page, trial, tried, ranker, decision, version, None)
    return replace(settled, sequence=_point(night, moves, top, settled))


def _tell_night(night: Night) -> None:
    """Into the night's own run: what each job before this one took, and what it noted."""
    done = [run for job in JOBS if job != night.job and (run := night.commits.run(job, night.date)) is not None]
    told = night.tracking.night_run()
    told.metrics({f"seconds_{run.job}": run.seconds for run in done} | {"seconds": sum(run.seconds for run in done)})
    told.artifact_json("jobs.json", {run.job: dict(run.notes) | {"attempt": run.attempt} for run in done})


def _tried(night: Night, pointer: Pointer) -> _Tried | None:
    """Tonight's canary, refreshed as the champion is, published and loaded; None where none runs.

    It can only add: where its bundle does not hold it ends, and the champion goes on.
    """
    if pointer.canary is None:
        return None
    root, name, rows = night.policies_root, night.settings.policy.name, estimates_of(night, CANARY, BY_USER)
    try:
        manifest = read_manifest(root, name, pointer.canary.version)
        bundle = _bundle(night, manifest, ope=ope_summary(rows) or None, beside=pointer.version)
        version = publish(root, name, bundle.manifest, bundle.files)
    except ArtifactError as fault:
        log.warning("date=%s canary=%s ended: %s", night.date, pointer.canary.version, fault)
        return _Tried(pointer.canary, None, rows, f"ended: its bundle does not hold: {fault}")
    return _Tried(replace(pointer.canary, version=version), bundle, rows)


def _pages(
    night: Night,
    champion: Manifest,
    estimates: Sequence[Mapping[str, Any]],
    pointer: Pointer,
    tried: _Tried | None,
    earlier: EarlierAttempt,
) -> tuple[Page, CanaryPage, RankerPage]:
    """Tonight's page of the book: challengers, the canary, the ranker; the earlier attempt's where it is final."""
    page = tonights_page(night, champion, estimates, earlier, WAITS if tried else "")
    bundle = tried.bundle if tried else None
    trial = turn_canary(
        page.challengers,
        night.date,
        pointer.canary if bundle else None,
        frozen_with_ranker(bundle.complete if bundle else champion),
        frozen_with_ranker(champion),
        canary_judgement(night, champion.version, tried.rows if tried else ()),
        night.settings.gate,
        ended_why=(tried.fault if tried else "") or ENDED_BY_HAND,
        overruled=earlier.overruled,
    )
    ranker = ranker_page(night, champion, trial.challengers, _ranker_waits(page, tried), earlier.overruled)
    left = alpha_left(ranker.challengers, night.date, night.settings.gate)
    page = replace(page, challengers=ranker.challengers, alpha_left=left)
    if not earlier.is_final:
        return page, trial, ranker
    kept = keep_page(page, earlier, night.date, night.settings.gate)
    canary = CanaryPage(kept.challengers, find_canary(kept.challengers, night.date))
    return kept, canary, kept_ranker(kept.challengers, night.date)


def _decide(
    night: Night,
    champion: Manifest,
    page: Page,
    ranker: RankerPage,
    estimates: Sequence[Mapping[str, Any]],
    trial: CanaryPage,
    tried: _Tried | None,
) -> _Decision:
    """One change at a time: the bandit first, the ranker on a night when no bandit is promoted, else a refresh.

    While a canary runs there is no other change than its own.
    """
    refused: list[tuple[_Bundle, str]] = []
    promoted: tuple[_Bundle, str] | None = None
    judged = page.judged if page.judged and page.judged.ended == night.date else None
    if judged and judged.outcome in _DECIDED:
        bundle = _bundle(night, champion, challenger=judged, ope={**ope_summary(estimates), GATE: judged.to_json()})
        why = f"bandit: {judged.why}"
        if judged.outcome == PROMOTE:
            promoted = bundle, why
        else:
            refused.append((bundle, why))
    ranker_why = ranker.why
    if ranker.judged and ranker.judged.ended == night.date and ranker.judged.outcome in _DECIDED:
        tested, ranker_why = ranker.judged, ranker.next_why
        ope = {**champion.ope, RANKER_GATE: tested.to_json()}
        bundle = _bundle(night, champion, ranker=tested.bandit.files[RANKER], ope=ope)
        if ranker.promoted:
            promoted = bundle, f"ranker: {tested.why}"
        else:
            refused.append((bundle, f"ranker: {tested.why}"))
    canary_why = f"canary: {_canary_why(trial, tried)}" if trial.judged or tried else ""
    if tried and tried.bundle and trial.judged and trial.judged.outcome == PROMOTE:
        promoted = tried.bundle, canary_why
    # What became of the challenger stands in a row of its own where it ended, else in that of what is released.
    has_row = bool(judged and judged.outcome in _DECIDED)
    reasons = (page.next_why if has_row else page.why, f"ranker: {ranker_why}" if ranker_why else "")
    told = "; ".join(filter(None, reasons))
    if promoted:
        bundle, why = promoted
        return _Decision(PROMOTED, f"{why}; {told}" if told else why, bundle, refused)
    why = "the champion's bandit and ranker with tonight's memory and history"
    return _Decision(REFRESHED, "; ".join(filter(None, (why, told, canary_why))), _bundle(night, champion), refused)


def _with_conduct(night: Night, ope: Mapping[str, Any], policy: str) -> Mapping[str, Any]:
    """With what exploring costs the policy and what it draws, where tonight's evaluation could tell."""
    notes = night.notes_of("evaluate_policies")
    told = {name: json.loads(notes.get(name, "{}")).get(policy) for name in (EXPLORATION_PRICE, DRAWS_BY_CLASS)}
    return {**ope, **{name: facts for name, facts in told.items() if facts}}


def _bundle(
    night: Night,
    champion: Manifest,
    *,
    challenger: Challenger | None = None,
    ranker: str = "",
    ope: Mapping[str, Any] | None = None,
    beside: str = "",
) -> _Bundle:
    """Tonight's memory and history with the challenger's bandit or a new ranker; else with the champion's.

    For a canary it stands in the champion's place, and `beside` names the champion.
    """
    memory = json.loads(night.notes_of("build_memory")["memory_parts"])
    history = night.notes_of("compute_strategy_features")
    # Nights of earlier versions knew no history of single queries.
    queries = json.loads(history.get("history_parts", "{}"))
    files = bundle_files(
        night.policies_root,
        night.settings.policy.name,
        champion,
        Parts(
            {name: Payload(**part) for name, part in memory.items()},
            history["history_sha256"],
            {name: Payload(**part) for name, part in queries.items()},
        ),
        challenger.bandit.files if challenger else {RANKER: ranker} if ranker else {},
    )
    settings, values, run_id = champion.settings, champion.values, champion.run_id
    if challenger:
        # The exploration that was judged is the one that is served.
        settings = replace(settings, exploration=challenger.bandit.exploration)
        values, run_id = challenger.bandit.values, challenger.run_id
    closed = night.closed_dates()
    upstream = [night.committed(job, night.date) for job in JOBS[: JOBS.index(night.job)]]
    traced = {"bandit_sha256": BANDIT, "ranker_sha256": RANKER}
    traced |= {f"{Path(file).stem}_sha256": file for file in only_value_files(files)}
    manifest = Manifest(
        settings=settings,
        values=values,
        as_of_date=night.date,
        data_window={"first": str(closed[0]), "last": str(closed[-1])} if closed else {},
        table_versions={output.table: output.version for job in upstream for output in job.outputs},
        run_id=run_id,
        ope=_with_conduct(
            night,
            champion.ope if ope is None else ope,
            CHALLENGER if challenger else CANARY if beside else CHAMPION,
        ),
        lineage=({"champion": beside, "canary": champion.version} if beside else {"champion": champion.version})
        | ({"trial": challenger.trial, "bandit_data_end": str(challenger.data_end)} if challenger else {})
        | {key: files[file].sha256 for key, file in traced.items() if file in files},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return _Bundle(manifest, files)


def _ranker_waits(page: Page, tried: _Tried | None) -> str:
    """Why no ranker takes a look tonight; empty where one may."""
    if tried:
        return WAITS
    is_promoted = page.judged is not None and page.judged.outcome == PROMOTE
    return "a bandit is promoted tonight: one change a night" if is_promoted else ""


def _release(
    night: Night, champion: Move, bundle: _Bundle, version: str, action: str, why: str, sequence: int | None
) -> Release:
    return Release(version, action, night.date, why, _BY, champion.version, sequence, bundle.manifest.lineage)


def _canary_why(trial: CanaryPage, tried: _Tried | None) -> str:
    """What became of the canary, in words; one that broke before its first night has no trial."""
    return trial.judged.why if trial.judged else tried.fault if tried else ""


def _beside(night: Night, settled: _Settled) -> list[Release]:
    """The row of what became of the canary, next to the one of what serves; none where it serves alone by now."""
    trial, tried, pointer, champion = settled.trial, settled.tried, settled.pointer, settled.champion
    if pointer.canary is None or tried is None or (trial.judged and trial.judged.outcome == PROMOTE):
        return []
    if trial.goes_on:
        if tried.bundle is None:
            # The trial goes on because an earlier attempt is final: nothing ended tonight.
            return []
        why = f"the canary's bandit and ranker with tonight's memory and history; {_canary_why(trial, tried)}"
        row = _release(night, champion, tried.bundle, tried.canary.version, REFRESHED, why, None)
        return [replace(row, previous=pointer.canary.version)]
    why = f"canary: {_canary_why(trial, tried)}"
    return [Release(pointer.canary.version, CANARY_ENDED, night.date, why, _BY, champion.version)]


def _point(night: Night, moves: Sequence[Move], top: int, settled: _Settled) -> int | None:
    """Move the pointer where it is this night's to move; the sequence that names the version, None where none does."""
    version, decision = settled.version, settled.decision
    if not settled.earlier.overruled and not night.is_followed():
        why = one_line(f"night of {night.date}, {decision.action}: {decision.why}")
        by = Mover.of_night(night.date, night.attempt, decision.action)
        root, name = night.policies_root, night.settings.policy.name
        sequence = move_pointer(root, name, version, why, settled.canary, by=by, after=top)
        # A person may have chosen this very version meanwhile: then that move names it, and is no move of this night.
        is_mine = sequence > top or any(move.sequence == sequence and move.night == night.date for move in moves)
        return sequence if is_mine else None
    log.warning("date=%s version=%s pointer=left: others have moved it since", night.date, version)
    mine = [move.sequence for move in moves if move.night == night.date and move.version == version]
    return mine[-1] if mine else None


def _report(tracked: TrackedRun, settled: _Settled) -> None:
    decision, page, trial, version = settled.decision, settled.page, settled.trial, settled.version
    ranker = settled.ranker
    manifest = decision.bundle.manifest
    tracked.params({"version": version, "champion": manifest.lineage["champion"], "action": decision.action})
    tracked.tags(
        {
            "why": decision.why,
            "ranker": ranker.why or "none",
        }
    )
    report_page(tracked, page)
    report_ranker(tracked, ranker)
    report_canary(tracked, trial)
    tracked.artifact_bytes("manifest.json", manifest.with_files(decision.bundle.files).to_bytes())
    refused = [{"version": bundle.version, "why": why} for bundle, why in decision.refused]
    tracked.artifact_json(
        "releases.json", {"version": version, "action": decision.action, "why": decision.why, "refused": refused}
    )
