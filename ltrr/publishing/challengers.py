"""The challenger's life: its begin, its evaluation each night, its end, and its cost in alpha.

There is one challenger at a time. The hashes of its files and its exploration freeze it. The gate
judges it against one champion on dates after its training.

A challenger ends by promotion, by futility, by harm to a slice or by age. It also ends if the
champion's bandit changes otherwise, because a person promoted or rolled back. Its looks then say
nothing about the new champion, and its alpha stays spent. If no challenger is in trial, the night's
candidate begins, as long as the budget holds a whole share.

A night's trials are a function of the trials of the night before and of the night's evidence. A
rerun of a night therefore writes the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf

from ltrr.estimation.sequential import PROMOTE
from ltrr.publishing.gate import Judgement, Verdict
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import UNKNOWN, estimate_traffic, traffic_text
from ltrr.publishing.trials import (
    REPLACED,
    Challenger,
    FrozenBandit,
    alpha_left,
    current_trial,
    draw_alpha,
    end_if_overruled,
    find_next_alpha_date,
    judge_trial,
    only_known,
    with_trial,
)

GATE = "gate"
"""Name of the verdict that promoted a bundle, in its manifest's evaluation."""


@dataclass(frozen=True)
class Candidate:
    """The bandit that the night trained.

    Attributes:
        bandit: The frozen bandit.
        data_end: Last date of the training data.
        run_id: Id of the training run in MLflow.
        report: Comparison with the current champion on held-out users. It decides nothing; it
            serves to estimate the number of nights until a verdict.
        share: Share of users that the report covers.
    """

    bandit: FrozenBandit
    data_end: date
    run_id: str = ""
    report: Judgement | None = None
    share: float = 1.0


@dataclass(frozen=True)
class ChallengerReview:
    """The trials after the night's review of the challenger.

    Attributes:
        challengers: Every trial that the budget accounts for, and the trials that ended on this
            night.
        judged: The challenger that was in trial when the night began, in its new state; None if
            there was none.
        verdict: The gate's verdict on it; None if there was no challenger or it was replaced.
        next_why: Outcome of the night's candidate, with the reason.
        alpha_left: Alpha that remains in the budget after the night.
    """

    challengers: tuple[Challenger, ...]
    judged: Challenger | None
    verdict: Verdict | None
    next_why: str
    alpha_left: float

    @property
    def why(self) -> str:
        """Everything that was decided, in one line."""
        return "; ".join(reason for reason in (self.judged.why if self.judged else "", self.next_why) if reason)


def review_challenger(
    trials: Sequence[Challenger],
    day: date,
    champion: FrozenBandit,
    judgement: Judgement,
    candidate: Candidate | None,
    gate: GateSettings,
    waits: str = "",
    overruled: str = "",
) -> ChallengerReview:
    """Review the challenger with the evidence of this night.

    Args:
        trials: Trials of the night before.
        day: Date of the night.
        champion: Frozen bandit of the champion when the night began.
        judgement: Evidence on the current challenger; unused without one, or if the champion has
            changed.
        candidate: The night's candidate; None if nothing was trained.
        gate: Settings, fixed before the trial.
        waits: Why no look is taken and no trial begins on this night; empty if both are possible.
            The nights of the current challenger are not counted meanwhile.
        overruled: Why this night may not move the pointer; empty if it may. A promotion is then not
            carried out: its trial ends as replaced with its alpha spent, and no trial begins
            against a champion that will not serve.
    """
    known = only_known(trials, day, gate)
    tested, verdict = current_trial(known), None
    if tested is not None:
        tested, verdict = _judge_current(tested, day, champion, judgement, gate, waits)
        tested = end_if_overruled(tested, overruled)
        known = with_trial(known, tested)
        if tested.outcome == PROMOTE:
            champion = tested.bandit
            # The report compares with the previous champion and says nothing about the new one.
            candidate = replace(candidate, report=None) if candidate else None
    next_why = ""
    if current_trial(known) is None and (waits or overruled):
        next_why = f"no challenger begins: {waits or overruled}"
    elif current_trial(known) is None:
        begun, next_why = _begin(known, day, champion, candidate, gate)
        known = with_trial(known, begun) if begun else known
    left = alpha_left(known, day, gate)
    budget = f"of the budget of {gate.alpha:g} over {gate.budget_nights} nights {left:.3g} is left"
    if tested is not None:
        tested = replace(tested, why=f"{tested.why}; {budget}")
        known = with_trial(known, tested)
    return ChallengerReview(tuple(known), tested, verdict, next_why, left)


def _judge_current(
    tested: Challenger, day: date, champion: FrozenBandit, judgement: Judgement, gate: GateSettings, waits: str
) -> tuple[Challenger, Verdict | None]:
    """State of the current challenger after this night's look."""
    night = tested.on(day)
    if champion.digest != tested.against:
        why = f"replaced on night {night}: the champion's bandit has changed, so earlier looks no longer apply"
        ended = replace(tested, night=night, outcome=REPLACED, ended=day, critical=inf, slices={}, why=why)
        return ended, None
    if waits:
        why = f"night {tested.night} of {gate.life_nights} is extended: {waits}"
        return replace(tested, waited=tested.waited + 1, critical=inf, slices={}, why=why), None
    return judge_trial(tested, day, judgement, gate)


def _begin(
    known: Sequence[Challenger], day: date, champion: FrozenBandit, candidate: Candidate | None, gate: GateSettings
) -> tuple[Challenger | None, str]:
    """The night's candidate as the next challenger, or the reason that it is not."""
    if candidate is None:
        return None, "no new candidate; no challenger is in trial"
    if candidate.bandit.digest == champion.digest:
        return None, "the new candidate is the champion, byte for byte; no challenger is in trial"
    trial = Challenger(candidate.bandit, day, candidate.data_end, champion.digest, 0.0, run_id=candidate.run_id)
    begun = draw_alpha(known, trial, gate)
    if begun.alpha == 0.0:
        free = find_next_alpha_date(known, gate)
        until = f"before {free}" if free else "while the current trials are judged"
        return None, f"the budget has no alpha for a new challenger {until}; no challenger is in trial"
    traffic = _describe_traffic(candidate, begun.alpha, gate)
    why = (
        f"challenger {begun.trial} begins with alpha {begun.alpha:g}: it was trained on dates up to {begun.data_end} "
        f"and is judged on later ones, for at most {gate.life_nights} nights; {traffic}"
    )
    return replace(begun, why=why), why


def _describe_traffic(candidate: Candidate, alpha: float, gate: GateSettings) -> str:
    """Estimated number of nights until a verdict, from the report on held-out users."""
    report = candidate.report
    if report is None:
        return traffic_text(UNKNOWN, gate)
    seen = report.difference, report.champion_value, report.impressions, report.nights
    return traffic_text(estimate_traffic(*seen, alpha, gate, candidate.share), gate)
