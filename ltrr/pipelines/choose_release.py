"""Choice of the night's release: the winner of a trial, else a refresh of the champion.

A challenger, a canary or a ranker can win its trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ltrr.artifacts.bundle import RANKER
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.pointer import Pointer
from ltrr.estimation.sequential import EXPIRED, FUTILE, HARMED, PROMOTE
from ltrr.pipelines.assemble_bundle import AssembledBundle, CanaryBundle, assemble_bundle
from ltrr.pipelines.canary import canary_judgement
from ltrr.pipelines.challenger_review import EarlierAttempt, keep_final_review, review_night_challenger
from ltrr.pipelines.night import Night
from ltrr.pipelines.ranker_judging import review_night_ranker
from ltrr.publishing.canary_trial import (
    ENDED_BY_HAND,
    WAITS,
    CanaryReview,
    find_canary,
    frozen_with_ranker,
    review_canary,
)
from ltrr.publishing.challengers import GATE, ChallengerReview
from ltrr.publishing.judgement import ope_summary
from ltrr.publishing.ranker_gate import RANKER_GATE, RankerReview, final_ranker_review
from ltrr.publishing.release import PROMOTED, REFRESHED
from ltrr.publishing.trials import Challenger, alpha_left

IN_SHADOW = "the champion is in shadow mode, so no plan can be judged on the log"

_DECIDED = (PROMOTE, FUTILE, HARMED, EXPIRED)
"""Outcomes of a trial that the gate decides; each gets a row of its own in `releases`."""


@dataclass(frozen=True)
class TrialReviews:
    """The trials of a policy after a night's review.

    Attributes:
        challenger: Review of the challenger; it holds the trials of all kinds.
        canary: Review of the canary.
        ranker: Review of the ranker's trial.
    """

    challenger: ChallengerReview
    canary: CanaryReview
    ranker: RankerReview


@dataclass(frozen=True)
class ReleaseChoice:
    """The chosen release, and the candidates that lost their trials.

    Attributes:
        action: `promoted` or `refreshed`.
        why: Reasons, in one line.
        bundle: The bundle to publish.
        refused: Bundles whose trials ended without promotion, with the reason of each.
    """

    action: str
    why: str
    bundle: AssembledBundle
    refused: Sequence[tuple[AssembledBundle, str]]


def review_trials(
    night: Night,
    champion: Manifest,
    estimates: Sequence[Mapping[str, Any]],
    pointer: Pointer,
    canary: CanaryBundle | None,
    earlier: EarlierAttempt,
) -> TrialReviews:
    """Review challenger, canary and ranker; the trials of a final earlier attempt stay.

    Args:
        night: Night of `publish_policy`.
        champion: Manifest of the champion.
        estimates: Estimates of the challenger's life.
        pointer: Pointer at the start of the night.
        canary: Canary of the night.
        earlier: Earlier attempt of the same night.
    """
    gate = night.settings.gate
    # A challenger of a champion in shadow mode would have no page to be judged on.
    waits = WAITS if canary else IN_SHADOW if champion.shadow else ""
    review = review_night_challenger(night, champion, estimates, earlier, waits)
    bundle = canary.bundle if canary else None
    canary_review = review_canary(
        review.challengers,
        night.date,
        pointer.canary if bundle else None,
        frozen_with_ranker(bundle.complete if bundle else champion),
        frozen_with_ranker(champion),
        canary_judgement(night, champion.version, canary.rows if canary else ()),
        gate,
        ended_why=(canary.fault if canary else "") or ENDED_BY_HAND,
        overruled=earlier.overruled,
    )
    waits = _why_ranker_waits(review, canary)
    ranker = review_night_ranker(night, champion, canary_review.challengers, waits, earlier.overruled)
    left = alpha_left(ranker.challengers, night.date, gate)
    review = replace(review, challengers=ranker.challengers, alpha_left=left)
    if not earlier.is_final:
        return TrialReviews(review, canary_review, ranker)
    kept = keep_final_review(review, earlier, night.date, gate)
    return TrialReviews(
        kept,
        CanaryReview(kept.challengers, find_canary(kept.challengers, night.date)),
        final_ranker_review(kept.challengers, night.date),
    )


def choose_release(
    night: Night,
    champion: Manifest,
    reviews: TrialReviews,
    estimates: Sequence[Mapping[str, Any]],
    canary: CanaryBundle | None,
) -> ReleaseChoice:
    """Choose the one change of the night.

    A bandit goes first, then a ranker, else the champion is refreshed. While a canary runs, its own
    promotion is the only possible change.

    Args:
        night: Night of `publish_policy`.
        champion: Manifest of the champion.
        reviews: Reviews of the trials.
        estimates: Estimates of the challenger's life.
        canary: Canary of the night.
    """
    refused: list[tuple[AssembledBundle, str]] = []
    promoted: tuple[AssembledBundle, str] | None = None
    for trial, bundle, why in _assemble_decided_trials(night, champion, reviews, estimates):
        if trial.outcome == PROMOTE:
            promoted = bundle, why
        else:
            refused.append((bundle, why))
    reason = canary_why(reviews.canary, canary)
    canary_reason = f"canary: {reason}" if reviews.canary.judged or canary else ""
    if canary and canary.bundle and reviews.canary.judged and reviews.canary.judged.outcome == PROMOTE:
        promoted = canary.bundle, canary_reason
    others = _join_other_reasons(night, reviews)
    if promoted:
        bundle, why = promoted
        return ReleaseChoice(PROMOTED, f"{why}; {others}" if others else why, bundle, refused)
    why = "; ".join(filter(None, (REFRESH_WHY, others, canary_reason)))
    return ReleaseChoice(REFRESHED, why, assemble_bundle(night, champion), refused)


REFRESH_WHY = "the champion's bandit and ranker with the memory and history of this night"


def canary_why(review: CanaryReview, canary: CanaryBundle | None) -> str:
    """Reason of the canary's outcome; without a trial the fault of its first bundle."""
    return review.judged.why if review.judged else canary.fault if canary else ""


def _assemble_decided_trials(
    night: Night, champion: Manifest, reviews: TrialReviews, estimates: Sequence[Mapping[str, Any]]
) -> list[tuple[Challenger, AssembledBundle, str]]:
    """Trials of bandit and ranker that the gate ended on this night, with bundles and reasons."""
    found = []
    if trial := _only_decided(reviews.challenger.judged, night):
        ope = {**ope_summary(estimates), GATE: trial.to_json()}
        found.append((trial, assemble_bundle(night, champion, challenger=trial, ope=ope), f"bandit: {trial.why}"))
    if trial := _only_decided(reviews.ranker.judged, night):
        ope = {**champion.ope, RANKER_GATE: trial.to_json()}
        bundle = assemble_bundle(night, champion, ranker=trial.bandit.files[RANKER], ope=ope)
        found.append((trial, bundle, f"ranker: {trial.why}"))
    return found


def _only_decided(trial: Challenger | None, night: Night) -> Challenger | None:
    """The trial if the gate ended it on this night, else None."""
    return trial if trial and trial.ended == night.date and trial.outcome in _DECIDED else None


def _join_other_reasons(night: Night, reviews: TrialReviews) -> str:
    """Reasons without a row of their own in `releases`.

    They are added to the reason of the released version.
    """
    challenger, ranker = reviews.challenger, reviews.ranker
    bandit_why = challenger.next_why if _only_decided(challenger.judged, night) else challenger.why
    ranker_why = ranker.next_why if _only_decided(ranker.judged, night) else ranker.why
    return "; ".join(filter(None, (bandit_why, f"ranker: {ranker_why}" if ranker_why else "")))


def _why_ranker_waits(review: ChallengerReview, canary: CanaryBundle | None) -> str:
    """Why the ranker's trial takes no look on this night; empty if it may take one."""
    if canary:
        return WAITS
    is_promoted = review.judged is not None and review.judged.outcome == PROMOTE
    return "a bandit is promoted on this night, and only one change is made per night" if is_promoted else ""
