"""Tonight's page of the gate's book: from the notes and estimates of the night, and into its run in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pyspark.sql import functions as F

from ltrr.artifacts.manifest import Manifest
from ltrr.evaluation.estimates import HELD_OUT
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER
from ltrr.pipelines.candidate import candidate_of
from ltrr.pipelines.night import Night
from ltrr.publishing.challenger_rows import read_book
from ltrr.publishing.challengers import Candidate, Page, turn_page
from ltrr.publishing.gate import Verdict
from ltrr.publishing.judgement import judgement_of
from ltrr.publishing.trials import FrozenBandit, living
from ltrr.tracking.run import TrackedRun


def estimates_of(night: Night, judged_on: str, estimator: str = "dr") -> list[dict[str, Any]]:
    """Tonight's estimates of one scan by the estimator that decides: a row a policy and slice, a few dozen at most."""
    is_tonights = (F.col("as_of_date") == F.lit(night.date)) & (F.col("judged_on") == judged_on)
    rows = night.read("ope_estimates").where(is_tonights & (F.col("estimator") == estimator))
    return [row.asDict() for row in rows.collect()]


def tonights_page(night: Night, champion: Manifest, estimates: Sequence[Mapping[str, Any]], waits: str = "") -> Page:
    """Tonight's page of the book: the page of the night before, and what tonight's evidence says.

    Args:
        night: of `publish_policy`.
        champion: that serves.
        estimates: of the challenger's life.
        waits: why nobody is asked or begins tonight; empty where nothing stands in the way.
    """
    notes, gate = night.notes_of("evaluate_policies"), night.settings.gate
    before = night.date - timedelta(days=1)
    book = read_book(night.read_own_previous("challengers"), night.settings.policy.name, before, gate)
    tested = living(book)
    objections = list(json.loads(notes["objections"]))
    if notes["champion_version"] != champion.version:
        judged = notes["champion_version"]
        objections.append(f"it was judged against {judged}, but {champion.version} serves now: evaluate again")
    elif tested and notes.get("challenger", "") != tested.trial:
        objections.append(f"{notes.get('challenger') or 'nobody'} was judged in its place: evaluate again")
    objections += [waits] if waits else []
    judgement = judgement_of(
        estimates,
        CHALLENGER,
        nights=int(notes.get("life_dates", "0")),
        least_evidence=gate.least_evidence,
        objections=tuple(objections),
    )
    return turn_page(book, night.date, FrozenBandit.of_manifest(champion), judgement, _candidate(night), gate, waits)


def _candidate(night: Night) -> Candidate | None:
    """Tonight's candidate with what the report on held-out users says of it."""
    candidate = candidate_of(night)
    if candidate is None:
        return None
    report = judgement_of(
        estimates_of(night, HELD_OUT),
        CANDIDATE,
        nights=int(night.notes_of("evaluate_policies")["judged_dates"]),
        least_evidence=night.settings.gate.least_evidence,
    )
    return replace(candidate, report=report, share=night.settings.evaluation.held_out_percent / 100.0)


def report_page(tracked: TrackedRun, page: Page) -> None:
    """The verdict in words and figures, and the page itself."""
    judged = page.judged
    tracked.tags({"bandit": page.why, "outcome": judged.outcome if judged else "none"})
    is_promoted = bool(page.verdict and page.verdict.is_promoted)
    tracked.metrics({"is_promoted": float(is_promoted), "alpha_left": page.alpha_left})
    if judged:
        tracked.tags({"trial": judged.trial} | {f"slice_{name}": found for name, found in judged.slices.items()})
        tracked.metrics({"night_of_life": judged.night, "alpha": judged.alpha})
    if page.verdict:
        tracked.metrics(verdict_figures(page.verdict))
    tracked.artifact_json("challengers.json", [one.to_json() for one in page.challengers])


def verdict_figures(verdict: Verdict) -> dict[str, float]:
    """What is told of a verdict as numbers."""
    traffic = verdict.traffic
    told = {
        "critical": verdict.critical,
        "spread": traffic.spread,
        "impressions_a_night": traffic.impressions_a_night,
        "impressions_a_night_needed": traffic.needed_a_night,
        "nights_to_verdict": traffic.nights,
        "nights_to_verdict_at_this_difference": traffic.nights_at_this_difference,
    }
    if verdict.look:
        difference = verdict.look.difference
        told |= {"difference": difference.value, "standard_error": difference.standard_error}
        told |= {"z": difference.value / difference.standard_error}
    return told
