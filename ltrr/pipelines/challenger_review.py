"""Review of the challenger with the night's notes and estimates, and its report in MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from pyspark.sql import functions as F

from ltrr.artifacts.manifest import Manifest
from ltrr.estimation.estimators import list_deciding_estimators
from ltrr.evaluation.estimates import HELD_OUT
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER
from ltrr.pipelines.candidate import candidate_of
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import EvaluationNotes
from ltrr.publishing.challenger_rows import read_challengers, read_trials
from ltrr.publishing.challengers import Candidate, ChallengerReview, review_challenger
from ltrr.publishing.gate import Verdict
from ltrr.publishing.judgement import judgement_of
from ltrr.publishing.moves import Move, may_move
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import (
    Challenger,
    FrozenBandit,
    alpha_left,
    current_trial,
    describe_differences,
    find_judged,
    with_withdrawn,
)
from ltrr.tracking.run import TrackedRun


def estimates_of(night: Night, judged_on: str) -> list[dict[str, Any]]:
    """The night's estimates of one scan by the deciding estimator.

    At most a few dozen rows: one per policy and slice.
    """
    deciding = [estimator.name for estimator in list_deciding_estimators()]
    is_of_night = (F.col("as_of_date") == F.lit(night.date)) & (F.col("judged_on") == judged_on)
    rows = night.read("ope_estimates").where(is_of_night & F.col("estimator").isin(deciding))
    return [row.asDict() for row in rows.collect()]


@dataclass(frozen=True)
class EarlierAttempt:
    """Decisions of an earlier attempt of this night, and whether a later decision builds on them.

    Outcomes and spent alpha are append-only once a later decision builds on them. If a later night
    is committed, or another night or a person has moved the pointer, the trials of the committed
    attempt stay as they are (`is_final`). A rerun corrects tables, never a past trial.

    Attributes:
        trials: Trials of this policy as the attempt committed them; empty if no attempt was
            committed.
        others: Trials of other policies of this home on the same date, which are kept.
        is_final: Whether the trials can no longer change.
        overruled: Why this night may not move the pointer; empty if it may.
    """

    trials: Sequence[Challenger] = ()
    others: Sequence[Challenger] = ()
    is_final: bool = False
    overruled: str = ""

    @staticmethod
    def of(night: Night, moves: Sequence[Move]) -> EarlierAttempt:
        """From the tables of the home and the moves of the pointer."""
        trials = read_challengers(night.read_own_committed("challengers"), night.date)
        name = night.settings.policy.name
        overruled = "" if may_move(moves, night.date) else "others have moved the pointer since this night first began"
        is_done = night.is_committed()
        return EarlierAttempt(
            [one for one in trials if one.bandit.policy == name],
            [one for one in trials if one.bandit.policy != name],
            is_done and (night.is_followed() or bool(overruled)),
            overruled,
        )


def keep_final_review(
    review: ChallengerReview, earlier: EarlierAttempt, day: date, gate: GateSettings
) -> ChallengerReview:
    """The review of this attempt, or that of the earlier attempt if it is final.

    A final review keeps its trials; its reason lists the differences that this attempt finds.
    """
    if not earlier.is_final:
        return review
    differences = "; ".join(describe_differences(earlier.trials, review.challengers))
    stays = "decided by an earlier attempt of this night and acted on since, so it stays"
    why = f"{stays}: {differences}" if differences else stays
    return ChallengerReview(
        tuple(earlier.trials), find_judged(earlier.trials, day), None, why, alpha_left(earlier.trials, day, gate)
    )


def review_night_challenger(
    night: Night,
    champion: Manifest,
    estimates: Sequence[Mapping[str, Any]],
    earlier: EarlierAttempt,
    waits: str = "",
) -> ChallengerReview:
    """Review the trials of the night before with the evidence of this night.

    Args:
        night: Night of `publish_policy`.
        champion: Manifest of the champion.
        estimates: Estimates of the challenger's life.
        earlier: Earlier attempt of the same night.
        waits: Why no look is taken and no trial begins on this night; empty if both are possible.
    """
    notes, gate = night.notes_of(EvaluationNotes), night.settings.gate
    before = night.date - timedelta(days=1)
    trials = read_trials(night.read_own_previous("challengers"), night.settings.policy.name, before, gate)
    trials = with_withdrawn(trials, earlier.trials, night.date)
    tested = current_trial(trials)
    objections, evaluated = list(notes.objections), notes.champion_version
    if evaluated != champion.version:
        objections.append(f"it was judged against {evaluated}, but {champion.version} serves now: evaluate again")
    elif tested and notes.challenger != tested.trial:
        objections.append(f"{notes.challenger or 'no challenger'} was judged in its place: evaluate again")
    judgement = judgement_of(
        estimates,
        CHALLENGER,
        nights=notes.life_dates or 0,
        least_evidence=gate.least_evidence,
        objections=tuple(objections),
    )
    return review_challenger(
        trials,
        night.date,
        FrozenBandit.of_manifest(champion),
        judgement,
        _find_candidate(night),
        gate,
        waits,
        earlier.overruled,
    )


def _find_candidate(night: Night) -> Candidate | None:
    """The night's candidate with its report on held-out users."""
    candidate = candidate_of(night)
    if candidate is None:
        return None
    report = judgement_of(
        estimates_of(night, HELD_OUT),
        CANDIDATE,
        nights=night.notes_of(EvaluationNotes).judged_dates,
        least_evidence=night.settings.gate.least_evidence,
    )
    return replace(candidate, report=report, share=night.settings.evaluation.held_out_percent / 100.0)


def report_challenger(tracked: TrackedRun, review: ChallengerReview) -> None:
    """Report the verdict, its figures and the trials in MLflow."""
    judged = review.judged
    tracked.tags({"bandit": review.why, "outcome": judged.outcome if judged else "none"})
    is_promoted = bool(review.verdict and review.verdict.is_promoted)
    tracked.metrics({"is_promoted": float(is_promoted), "alpha_left": review.alpha_left})
    if judged:
        tracked.tags({"trial": judged.trial} | {f"slice_{name}": found for name, found in judged.slices.items()})
        tracked.metrics({"night_of_life": judged.night, "alpha": judged.alpha})
    if review.verdict:
        tracked.metrics(verdict_figures(review.verdict))
    tracked.artifact_json("challengers.json", [one.to_json() for one in review.challengers])


def verdict_figures(verdict: Verdict) -> dict[str, float]:
    """Figures of a verdict for MLflow, by name."""
    traffic = verdict.traffic
    figures = {
        "critical": verdict.critical,
        "spread": traffic.spread,
        "impressions_a_night": traffic.impressions_a_night,
        "impressions_a_night_needed": traffic.needed_a_night,
        "nights_to_verdict": traffic.nights,
        "nights_to_verdict_at_this_difference": traffic.nights_at_this_difference,
    }
    if verdict.look:
        difference = verdict.look.difference
        figures |= {"difference": difference.value, "standard_error": difference.standard_error}
        figures |= {"z": difference.value / difference.standard_error}
    return figures
