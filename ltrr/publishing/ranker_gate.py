"""The trial of a ranker: judged on logged unions against the served order.

It draws from the same budget of alpha as all trials. The night's ranker begins a trial if no trial
of its kind is judged; the sha256 of its booster freezes it. Each later night, its booster and the
served one score the same pages of the closed dates after its training (`ranking.judging`), and the
sequential gate takes one look. The trial ends by promotion, by futility or by age. It also ends if
the served order changes otherwise. Its looks then say nothing about the new order, and its alpha
stays spent.

**Limits of the trial.** Orders are deterministic: a page shows one order with probability 1. The
log therefore has no propensity from which to estimate the `page_reward` of another order. The trial
compares weighted DCG, a measure of an order from position-corrected clicks. Only a canary can show
whether the order earns more `page_reward`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf, isfinite, nan
from typing import Any

from ltrr.artifacts.bundle import RANKER
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.sequential import PROMOTE
from ltrr.publishing.gate import Judgement, Verdict
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import estimate_traffic, traffic_text
from ltrr.publishing.trials import (
    RANKER_TRIAL,
    REPLACED,
    Challenger,
    FrozenBandit,
    current_trial,
    draw_alpha,
    end_if_overruled,
    find_judged,
    find_next_alpha_date,
    judge_trial,
    only_known,
    with_trial,
)

MEASURE = "weighted DCG"
RANKER_GATE = "ranker_gate"
"""Name of the verdict on a ranker, in its manifest's evaluation."""


@dataclass(frozen=True)
class RankerCandidate:
    """The ranker that the night trained.

    Attributes:
        sha256: Hash of its booster.
        data_end: Last date of the training data.
        run_id: Id of the training run in MLflow.
        report: Comparison with the served order on held-out queries of held-out users. It decides
            whether a trial begins. This decision costs no alpha, because no trial judges these
            pages.
        share: Share of pages that the report covers.
        fault: Why it may not be tried; empty if it may.
    """

    sha256: str
    data_end: date
    run_id: str = ""
    report: Judgement | None = None
    share: float = 1.0
    fault: str = ""


@dataclass(frozen=True)
class RankerReview:
    """The trials after the night's review of the ranker.

    Attributes:
        challengers: Every trial that the budget accounts for, and the trials that ended on this
            night.
        judged: The ranker's trial that the night found, in its new state; None if there was none.
        verdict: Verdict of the gate; None if the gate was not asked.
        next_why: Outcome of the night's candidate, with the reason.
    """

    challengers: tuple[Challenger, ...]
    judged: Challenger | None
    verdict: Verdict | None
    next_why: str

    @property
    def promoted(self) -> str:
        """Sha256 of the booster that replaces the served order; empty if none does."""
        return self.judged.bandit.files[RANKER] if self.judged and self.judged.outcome == PROMOTE else ""

    @property
    def why(self) -> str:
        """Everything that was decided, in one line."""
        return "; ".join(filter(None, (self.judged.why if self.judged else "", self.next_why)))


def review_ranker(
    trials: Sequence[Challenger],
    day: date,
    policy: str,
    served: str,
    judgement: Judgement,
    candidate: RankerCandidate | None,
    gate: GateSettings,
    waits: str = "",
    overruled: str = "",
) -> RankerReview:
    """Review the ranker's trial with the evidence of this night.

    Args:
        trials: Trials of the night after the review of the other kinds.
        day: Date of the night.
        policy: Name of the policy.
        served: Sha256 of the served booster when the night began; empty: reciprocal rank fusion.
        judgement: Evidence on the current trial; unused without one, or if the served order has
            changed.
        candidate: The night's candidate; None if nothing was trained.
        gate: Settings, fixed before the trial.
        waits: Why no look is taken and no trial begins on this night; empty if both are possible.
            The clock of the current trial stands still meanwhile.
        overruled: Why this night may not move the pointer; empty if it may. A promotion is then not
            carried out.
    """
    known = only_known(trials, day, gate)
    tested, verdict = current_trial(known, RANKER_TRIAL), None
    if tested is not None:
        tested, verdict = _review_trial(tested, day, FrozenBandit.of_ranker(policy, served), judgement, gate, waits)
        tested = end_if_overruled(tested, overruled)
        known = with_trial(known, tested)
        if tested.outcome == PROMOTE:
            served = tested.bandit.files[RANKER]
            # The report compares with the previously served order.
            candidate = replace(candidate, report=None) if candidate else None
    next_why = ""
    if current_trial(known, RANKER_TRIAL) is None:
        begun = None
        if waits or overruled:
            next_why = f"no trial begins: {waits or overruled}" if candidate else ""
        else:
            begun, next_why = _begin(known, day, policy, served, candidate, gate)
        known = with_trial(known, begun) if begun else known
    return RankerReview(tuple(known), tested, verdict, next_why)


def _review_trial(
    tested: Challenger, day: date, served: FrozenBandit, judgement: Judgement, gate: GateSettings, waits: str
) -> tuple[Challenger, Verdict | None]:
    """State of the current trial after this night: replaced, extended by a night, or judged."""
    if tested.against != served.digest:
        night = tested.on(day)
        why = f"replaced on night {night}: the served order has changed since its trial began"
        return replace(tested, night=night, outcome=REPLACED, ended=day, critical=inf, slices={}, why=why), None
    if waits:
        why = f"night {tested.night} of {gate.life_nights} is extended: {waits}"
        return replace(tested, waited=tested.waited + 1, critical=inf, slices={}, why=why), None
    return judge_trial(tested, day, judgement, gate)


def final_ranker_review(trials: Sequence[Challenger], day: date) -> RankerReview:
    """The review of a night whose decisions are final, read from its trials."""
    return RankerReview(tuple(trials), find_judged(trials, day, RANKER_TRIAL), None, "")


def _begin(
    known: Sequence[Challenger],
    day: date,
    policy: str,
    served: str,
    candidate: RankerCandidate | None,
    gate: GateSettings,
) -> tuple[Challenger | None, str]:
    """The night's ranker as the next trial, or the reason that none begins."""
    if candidate is None:
        return None, ""
    if candidate.fault:
        return None, f"no trial begins: {candidate.fault}"
    if candidate.sha256 == served:
        return None, "no trial begins: the new ranker is the served one, byte for byte"
    report = candidate.report
    if report is not None and report.difference.value <= 0.0:
        seen = f"{MEASURE} differs by {report.difference.value:+.4f} from the served order on held-out queries"
        return None, f"no trial begins: {seen}"
    trial = Challenger(
        FrozenBandit.of_ranker(policy, candidate.sha256),
        begun=day,
        data_end=candidate.data_end,
        against=FrozenBandit.of_ranker(policy, served).digest,
        alpha=0.0,
        run_id=candidate.run_id,
        kind=RANKER_TRIAL,
    )
    begun = draw_alpha(known, trial, gate)
    if begun.alpha == 0.0:
        free = find_next_alpha_date(known, gate)
        until = f"before {free}" if free else "while the current trials are judged"
        return None, f"no trial begins: the budget has no alpha {until}"
    why = (
        f"trial {begun.trial} begins with alpha {begun.alpha:g}: the ranker was trained on dates up to "
        f"{begun.data_end} and is judged on later ones, for at most {gate.life_nights} nights"
    )
    if report is not None:
        figures = report.difference, report.champion_value, report.impressions, report.nights
        why = f"{why}; {traffic_text(estimate_traffic(*figures, begun.alpha, gate, candidate.share), gate)}"
    return replace(begun, why=why), why


def to_note(judgement: Judgement) -> dict[str, Any]:
    """A ranker's judgement as plain values for the notes of `evaluate_policies`; null if undefined.

    >>> seen = Judgement(Estimate(0.02, 0.005), 0.7, 240.0, 430.0, 6_000, 500, 3, measure=MEASURE)
    >>> of_note(to_note(seen)) == seen
    True
    """
    numbers = {
        "difference": judgement.difference.value,
        "standard_error": judgement.difference.standard_error,
        "champion_value": judgement.champion_value,
        "evidence": judgement.evidence,
        "effective_sample_size": judgement.effective_sample_size,
    }
    return {
        **{name: value if isfinite(value) else None for name, value in numbers.items()},
        "impressions": judgement.impressions,
        "users": judgement.users,
        "nights": judgement.nights,
        "objections": list(judgement.objections),
    }


def of_note(note: Mapping[str, Any] | None) -> Judgement | None:
    """The judgement of a note that `to_note` made; None without a note."""
    if note is None:
        return None

    def number(name: str) -> float:
        return nan if note[name] is None else float(note[name])

    return Judgement(
        difference=Estimate(number("difference"), number("standard_error")),
        champion_value=number("champion_value"),
        evidence=number("evidence"),
        effective_sample_size=number("effective_sample_size"),
        impressions=int(note["impressions"]),
        users=int(note["users"]),
        nights=int(note["nights"]),
        objections=tuple(note["objections"]),
        measure=MEASURE,
    )
