"""Publish the bundle that serves from the next date on: a winner of a trial, or a refresh."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ltrr.artifacts.bundle import move_pointer, read_manifest
from ltrr.artifacts.pointer import Mover, one_line, open_policy, pointer_at, top_sequence
from ltrr.errors import PointerMovedError
from ltrr.evaluation.estimates import LIFE
from ltrr.pipelines.assemble_bundle import assemble_canary
from ltrr.pipelines.challenger_review import EarlierAttempt, estimates_of
from ltrr.pipelines.choose_release import choose_release, review_trials
from ltrr.pipelines.night import Night
from ltrr.pipelines.record_release import NightRelease, record_release, report_jobs
from ltrr.publishing.moves import Move, champion_of, collect_moves
from ltrr.publishing.release import publish, unrecorded_releases
from ltrr.publishing.release_rows import append_releases

log = logging.getLogger(__name__)


def run(night: Night) -> None:
    """Review the trials, publish the chosen bundle, and move the pointer to it.

    The pointer moves only after the published bundle has been loaded again. A refused
    challenger is a normal result. A rerun with the same result publishes and appends nothing. If a
    later night or a person has moved the pointer since, a rerun changes neither pointer nor trials.
    """
    with night.tracking.run("publish_policy") as tracked:
        report_jobs(night)
        try:
            release = _release(night)
        except PointerMovedError as moved:
            # A person moved the pointer after this night read it: decide again with that move. A
            # second move within seconds fails the job, which can be run again.
            log.warning("date=%s decided again: %s", night.date, moved)
            release = _release(night)
        record_release(night, tracked, release)
        log.info(
            "date=%s version=%s action=%s sequence=%s",
            *(night.date, release.version, release.choice.action, release.sequence),
        )


def _release(night: Night) -> NightRelease:
    """Choose, publish and move the pointer, based on one reading of the pointer's moves.

    Raises:
        PointerMovedError: The pointer has moved since it was read; this attempt moved nothing.
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
    canary = assemble_canary(night, pointer)
    reviews = review_trials(night, manifest, estimates, pointer, canary, earlier)
    choice = choose_release(night, manifest, reviews, estimates, canary)
    version = publish(root, name, choice.bundle.manifest, choice.bundle.files)
    # Moves by people who could not record them are no output of this night.
    append_releases(night.warehouse, name, unrecorded_releases(moves, night.date, version))
    release = NightRelease(champion, pointer, earlier, reviews, canary, choice, version, None)
    return replace(release, sequence=_move_pointer(night, moves, top, release))


def _move_pointer(night: Night, moves: Sequence[Move], top: int, release: NightRelease) -> int | None:
    """Move the pointer, unless a later night or a person has moved it.

    Returns the sequence of the night's own move to the version; None if there is none.
    """
    version, choice = release.version, release.choice
    if not release.earlier.overruled and not night.is_followed():
        why = one_line(f"night of {night.date}, {choice.action}: {choice.why}")
        by = Mover.of_night(night.date, night.attempt, choice.action)
        root, name = night.policies_root, night.settings.policy.name
        sequence = move_pointer(root, name, version, why, release.canary, by=by, after=top)
        # If a person has chosen this version meanwhile, that move names it and is not a move of
        # this night.
        is_own = sequence > top or any(move.sequence == sequence and move.night == night.date for move in moves)
        return sequence if is_own else None
    log.warning("date=%s version=%s pointer=left: others have moved it since", night.date, version)
    own = [move.sequence for move in moves if move.night == night.date and move.version == version]
    return own[-1] if own else None
