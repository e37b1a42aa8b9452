"""Comparison of two orders of logged unions: the served one and that of a trial or candidate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from ltrr.artifacts.bundle import RANKER
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import get_payload
from ltrr.artifacts.pointer import open_policy
from ltrr.estimation.intervals import UNDEFINED
from ltrr.evaluation.judged_impressions import only_on_dates
from ltrr.pipelines.alike_pages import only_alike_pages
from ltrr.pipelines.challenger_review import verdict_figures
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import KNOWN, EvaluationNotes, RankerNotes
from ltrr.publishing.gate import Judgement
from ltrr.publishing.ranker_gate import MEASURE, RankerCandidate, RankerReview, of_note, review_ranker, to_note
from ltrr.publishing.trials import RANKER_TRIAL, Challenger, FrozenBandit, current_trial
from ltrr.ranking.judging import CANDIDATE, SERVED, OrderQuality, fusion_order, judge_orders
from ltrr.ranking.rows import only_judging, only_of_width
from ltrr.tracking.run import TrackedRun


def judge_rankers(
    night: Night,
    champion: Manifest,
    trials: Sequence[Challenger],
    distrusted: Collection[date],
    objections: Sequence[str],
) -> None:
    """Judge the ranker's trial on all pages of its life; without a trial, report on the candidate.

    Both are one pass over `ranking_rows`, of at most a life or the window. The pass scores two
    boosters and returns two rows of sums. The notes hold the result.

    Args:
        night: Night of `evaluate_policies`.
        champion: Manifest of the champion, whose booster is compared.
        trials: Trials of the night before.
        distrusted: Dates that are not evaluated.
        objections: Objections to any verdict on this night.
    """
    name, served = night.settings.policy.name, _served_ranker(champion)
    night.note(served_ranker=served)
    trained = night.notes_of(RankerNotes)
    trial, candidate = current_trial(trials, RANKER_TRIAL), trained.ranker_sha256
    if trial is not None and trial.against == FrozenBandit.of_ranker(name, served).digest:
        dates = [day for day in night.closed_dates() if day > trial.data_end and day not in distrusted]
        found = _compare_orders(night, trial.bandit.files[RANKER], champion, dates, held_out=False)
        night.note(ranker_trial=trial.trial, ranker_life=to_note(_to_judgement(found, len(dates), objections)))
    elif candidate and candidate != served and trained.ranker_basis != KNOWN:
        window = night.closed_dates(night.settings.ranker.window_nights)
        found = _compare_orders(night, candidate, champion, window, held_out=True)
        night.note(ranker_report=to_note(_to_judgement(found, len(window), ())))


def review_night_ranker(
    night: Night, champion: Manifest, trials: Sequence[Challenger], waits: str = "", overruled: str = ""
) -> RankerReview:
    """Review the ranker's trial with the evidence of this night.

    Args:
        night: Night of `publish_policy`.
        champion: Manifest of the champion.
        trials: Trials of the night after the review of the other kinds.
        waits: Why no look is taken and no trial begins on this night; empty if both are possible.
        overruled: Why this night may not move the pointer; empty if it may.
    """
    notes, served = night.notes_of(EvaluationNotes), _served_ranker(champion)
    tested = current_trial(trials, RANKER_TRIAL)
    life = of_note(notes.ranker_life) or _to_judgement(None, 0, ())
    is_current = notes.served_ranker in (None, served)
    if tested is not None and (not is_current or notes.ranker_trial != tested.trial):
        life = _to_judgement(None, 0, ["it was not judged against the order that serves now: evaluate again"])
    policy, gate = night.settings.policy, night.settings.gate
    candidate = _find_candidate(night, is_current)
    return review_ranker(trials, night.date, policy.name, served, life, candidate, gate, waits, overruled)


def report_ranker(tracked: TrackedRun, review: RankerReview) -> None:
    """Report the state of the ranker's trial after this night in MLflow, as tags and figures."""
    if review.judged:
        judged = review.judged
        tracked.tags({"ranker_outcome": judged.outcome, "ranker_trial": judged.trial})
        tracked.metrics({"ranker_night_of_life": judged.night, "ranker_alpha": judged.alpha})
    if review.verdict:
        tracked.metrics({f"ranker_{name}": value for name, value in verdict_figures(review.verdict).items()})


def _find_candidate(night: Night, is_current: bool) -> RankerCandidate | None:
    """The night's ranker with its report; its training data end with the newest closed date."""
    trained = night.notes_of(RankerNotes)
    sha256 = trained.ranker_sha256
    if not sha256:
        return None
    report = of_note(night.notes_of(EvaluationNotes).ranker_report) if is_current else None
    settings = night.settings
    share = settings.evaluation.held_out_percent * settings.ranker.held_out_query_percent / 1e4
    run_id = trained.mlflow_run_id or ""
    fault = NOT_COMPARED if trained.ranker_basis == KNOWN else ""
    return RankerCandidate(sha256, night.closed_dates()[-1], run_id, report, share, fault)


NOT_COMPARED = (
    "the ranker was trained on pages without logged features, on which the order that serves cannot be computed, so it "
    "was compared with the order that the log shows only"
)
"""Why a ranker of `KNOWN` is no candidate for a trial."""


def _served_ranker(champion: Manifest) -> str:
    return champion.files[RANKER].sha256 if RANKER in champion.files else ""


def _booster_of(night: Night, champion: Manifest) -> bytes | None:
    """Verified bytes of the champion's booster; None: reciprocal rank fusion."""
    if RANKER not in champion.files:
        return None
    path = f"{champion.version}/{RANKER}"
    return champion.files[RANKER].check(open_policy(night.policies_root, night.settings.policy.name).read(path), path)


def _compare_orders(
    night: Night, compared: str, champion: Manifest, dates: Sequence[date], *, held_out: bool
) -> OrderQuality | None:
    if not dates:
        return None
    settings, policy = night.settings, night.settings.policy
    names = [feature.name for feature in policy.ranker_features]
    alike = only_alike_pages(night, only_on_dates(night.read("ranking_rows"), dates), dates)
    counted = only_counted_users(night, alike)
    rows = only_of_width(counted, len(names))
    if held_out:
        rows = only_judging(rows, settings.evaluation.held_out_percent, settings.ranker.held_out_query_percent)
    url = open_policy(night.policies_root, policy.name).url
    models = {CANDIDATE: get_payload(url, compared), SERVED: _booster_of(night, champion)}
    return judge_orders(rows, models, fusion_order(names), settings.ranker.ndcg_positions)


def _to_judgement(found: OrderQuality | None, nights: int, objections: Sequence[str]) -> Judgement:
    """The evidence summary for the gate; its floors apply to the weaker of the two sides."""
    if found is None:
        return Judgement(UNDEFINED, 0.0, 0.0, 0.0, 0, 0, nights, objections=tuple(objections), measure=MEASURE)
    return Judgement(
        difference=found.difference(CANDIDATE, SERVED),
        champion_value=found.value(SERVED).value,
        evidence=min(found.evidence(CANDIDATE), found.evidence(SERVED)),
        effective_sample_size=found.effective_sample_size,
        impressions=found.impressions,
        users=min(found.users, found.queries),
        nights=nights,
        objections=tuple(objections),
        measure=MEASURE,
    )
