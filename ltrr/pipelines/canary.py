"""The canary's part of a night: the reward of its users, and the gate's review of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from ltrr.artifacts.pointer import Pointer, open_policy
from ltrr.evaluation.canary import (
    CANARY,
    canary_life,
    canary_rows,
    count_sides,
    find_mismatch,
    only_drawn_impressions,
    sum_canary,
)
from ltrr.evaluation.estimates import summarize_policy
from ltrr.evaluation.judged_impressions import only_on_dates
from ltrr.evaluation.scoring import ALL
from ltrr.pipelines.challenger_review import verdict_figures
from ltrr.pipelines.counted_users import name_heavy_users, only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import EvaluationNotes
from ltrr.publishing.canary_trial import CanaryReview
from ltrr.publishing.gate import Judgement
from ltrr.publishing.judgement import judgement_of
from ltrr.tracking.run import TrackedRun


def judge_canary(
    night: Night,
    pointer: Pointer,
    distrusted: Collection[date],
    objections: Sequence[str],
    *,
    is_shadow: bool = False,
) -> list[dict[str, Any]]:
    """Rows of `ope_estimates` for the current canary, on the closed dates since it began.

    Every night sums the canary's whole life again. That is one join of impressions and slates,
    without scoring. At 1,000 times the data (20 million impressions a date), 14 dates are a shuffle
    of 280 million short rows.

    Args:
        night: Night of `evaluate_policies`.
        pointer: Pointer at the start of the night.
        distrusted: Dates that are not evaluated, because their log disagrees with the served plans.
        objections: Objections to any verdict on this night, for the gate.
        is_shadow: Whether the champion is in shadow mode, so that its users get static pages.
    """
    life = canary_life(open_policy(night.policies_root, night.settings.policy.name), pointer)
    if life is None:
        return []
    dates = [day for day in night.closed_dates() if day >= life.first_date and day not in distrusted]
    night.note(canary_dates=len(dates), canary_objections=tuple(objections))
    if not dates:
        return []
    drawn = only_drawn_impressions(only_on_dates(night.read("impressions"), dates), life)
    counted, slate_rows = only_counted_users(night, drawn), only_on_dates(night.read("slate_rows"), dates)
    slices = sum_canary(counted, slate_rows, is_shadow=is_shadow)
    counts, gate = count_sides(drawn, is_shadow=is_shadow), night.settings.gate
    mismatch: list[str] = []
    if pointer.canary and ALL in slices:
        summary = summarize_policy(slices[ALL], CANARY, 0.0)
        mismatch = find_mismatch(
            counts, summary, pointer.canary.share, gate.mismatch_level, gate.mismatch_size, gate.life_nights
        )
    rows = canary_rows(night.date, slices, life, counts, night.settings.evaluation, mismatch)
    judged_on = slate_rows.join(counted, on=["log_date", "impression_id"], how="left_semi")
    return name_heavy_users(night, rows, dates, judged_on)


def canary_judgement(night: Night, champion_version: str, rows: Sequence[dict[str, Any]]) -> Judgement:
    """The night's evidence summary of the canary, for the gate.

    Args:
        night: Night of `publish_policy`.
        champion_version: Version that serves next to the canary.
        rows: Committed rows of `judge_canary`.
    """
    notes = night.notes_of(EvaluationNotes)
    objections, evaluated = notes.canary_objections or (), notes.champion_version
    if evaluated != champion_version:
        why = f"the canary was compared with {evaluated}, but {champion_version} serves: run evaluate_policies again"
        objections = (*objections, why)
    return judgement_of(
        rows,
        CANARY,
        nights=notes.canary_dates or 0,
        least_evidence=night.settings.gate.least_evidence,
        objections=objections,
    )


def report_canary(tracked: TrackedRun, trial: CanaryReview) -> None:
    """Report the outcome of the canary on this night in MLflow, as tags and figures."""
    if trial.judged:
        canary = trial.judged
        tracked.tags({"canary": canary.why, "canary_outcome": canary.outcome, "canary_trial": canary.trial})
        tracked.tags({f"canary_slice_{name}": found for name, found in canary.slices.items()})
        tracked.metrics({"canary_night_of_life": canary.night, "canary_alpha": canary.alpha})
    if trial.verdict:
        tracked.metrics({f"canary_{name}": value for name, value in verdict_figures(trial.verdict).items()})
