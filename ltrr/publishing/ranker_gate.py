"""The trial of a ranker: judged on logged unions against the served order, from the same budget of alpha as all trials.

Tonight's ranker begins a trial when none of its kind is judged, frozen by the sha256 of its booster. From then on its
booster and the served one score the same pages of the closed dates after its training (`ranking.judging`), and the
sequential gate takes one look a night. The trial ends by promotion, by futility or by age, or because the served order
changed otherwise: then its looks say nothing about the new one, and its alpha stays spent.

**What the trial cannot tell.** Orders are deterministic: a page shows one order with probability 1, so the log has no
propensity with which `page_reward` of another order could be estimated. The trial compares weighted DCG, which is
what position-corrected clicks say of an order. Whether the order earns more `page_reward` only a canary can tell.
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
"""Where a manifest's evaluation keeps the verdict on its ranker."""


@dataclass(frozen=True)
class RankerCandidate:
    """Tonight's trained ranker.

    Attributes:
        sha256: of its booster.
        data_end: last date that it was trained on.
        run_id: of its training, in MLflow.
        report: held-out queries of held-out users, against the served order. It decides whether a trial begins, which
            costs no alpha: no trial judges these pages.
        share: of the pages, that the report is of.
    """

    sha256: str
    data_end: date
    run_id: str = ""
    report: Judgement | None = None
    share: float = 1.0


@dataclass(frozen=True)
class RankerReview:
    """The book after tonight's ranker.

    Attributes:
        challengers: every trial that the budget has to know of, and those that ended tonight.
        judged: the ranker's trial that the night found, as it stands now; None where there was none.
        verdict: of the gate; None where it was not asked.
        next_why: what was done with tonight's candidate, and why.
    """

    challengers: tuple[Challenger, ...]
    judged: Challenger | None
    verdict: Verdict | None
    next_why: str

    @property
    def promoted(self) -> str:
        """Sha256 of the booster that replaces the served order; empty where none does."""
        return self.judged.bandit.files[RANKER] if self.judged and self.judged.outcome == PROMOTE else ""

    @property
    def why(self) -> str:
        """Everything that was decided, in one line."""
        return "; ".join(filter(None, (self.judged.why if self.judged else "", self.next_why)))


def review_ranker(
    book: Sequence[Challenger],
    day: date,
    policy: str,
    served: str,
    judgement: Judgement,
    candidate: RankerCandidate | None,
    gate: GateSettings,
    waits: str = "",
    overruled: str = "",
) -> RankerReview:
    """Tonight's page of the book.

    Args:
        book: tonight's page, as the other trials left it.
        day: tonight.
        policy: its name.
        served: sha256 of the served booster when the night began; empty: reciprocal rank fusion.
        judgement: of the current trial; not asked for without one, or where the served order changed.
        candidate: of tonight; None where nothing was trained.
        gate: fixed before.
        waits: why no trial may take a look or begin tonight; empty where one may. The clock of the current trial
            stands still.
        overruled: why the pointer is not tonight's to move; empty where it is. A promotion is not carried out then.
    """
    known = only_known(book, day, gate)
    tested, verdict = current_trial(known, RANKER_TRIAL), None
    if tested is not None:
        tested, verdict = _review_trial(tested, day, FrozenBandit.of_ranker(policy, served), judgement, gate, waits)
        tested = end_if_overruled(tested, overruled)
        known = with_trial(known, tested)
        if tested.outcome == PROMOTE:
            served = tested.bandit.files[RANKER]
            # The report compares with the order that served until now.
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


def final_ranker_review(book: Sequence[Challenger], day: date) -> RankerReview:
    """The page of a night that is decided for good, read back from its book."""
    return RankerReview(tuple(book), find_judged(book, day, RANKER_TRIAL), None, "")


def _begin(
    known: Sequence[Challenger],
    day: date,
    policy: str,
    served: str,
    candidate: RankerCandidate | None,
    gate: GateSettings,
) -> tuple[Challenger | None, str]:
    """Tonight's ranker as the next trial, or why there is none."""
    if candidate is None:
        return None, ""
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
    """A ranker's judgement as plain values, null where undefined, for the notes of `evaluate_policies`.

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
    """Back from `to_note`; None where there is none."""
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
