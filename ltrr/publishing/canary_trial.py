"""The canary's trial: judged like a challenger, on its own users, from the same budget of alpha.

A person begins the canary. The first night that finds it draws its alpha, before its first look.
The trial ends like that of a challenger: by promotion, futility, harm to a slice or age. A person
can also end it; its alpha then stays spent.

While a canary runs, no challenger begins or takes a look and no ranker is promoted. Such a change
would replace the champion that the canary is compared with. The clock of the current challenger
stands still meanwhile. If the budget has no alpha, the canary is reported, never promoted, and ends
by age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf

from ltrr.artifacts.bundle import RANKER
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.pointer import Canary
from ltrr.estimation.sequential import EXPIRED, KEEP
from ltrr.publishing.gate import Judgement, Verdict
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import (
    CANARY_TRIAL,
    WITHDRAWN,
    Challenger,
    FrozenBandit,
    current_trial,
    draw_alpha,
    end_if_overruled,
    judge_trial,
    with_trial,
)

ENDED = "ended"
"""Outcome of a canary that a person ended, or whose bundle is invalid."""

ENDED_BY_HAND = "a person ended it"
WAITS = "a canary runs, and only one change is tested at a time"


@dataclass(frozen=True)
class CanaryReview:
    """The trials after the night's review of the canary.

    Attributes:
        challengers: Every trial that the budget accounts for, and the trials that ended on this
            night.
        judged: The canary's trial that the night found, in its new state; None if there was none.
        verdict: Verdict of the gate; None if the gate was not asked.
    """

    challengers: tuple[Challenger, ...]
    judged: Challenger | None = None
    verdict: Verdict | None = None

    @property
    def is_running(self) -> bool:
        """Whether the canary still serves next to the champion on the next day."""
        return self.judged is not None and self.judged.is_judged


def find_canary(trials: Sequence[Challenger], day: date) -> Challenger | None:
    """The canary's trial of a night, from the trials of that night; None if there was none."""
    ended = (one for one in trials if one.kind == CANARY_TRIAL and one.ended == day and one.outcome != WITHDRAWN)
    return current_trial(trials, CANARY_TRIAL) or next(ended, None)


def frozen_with_ranker(manifest: Manifest) -> FrozenBandit:
    """The frozen part of a canary's bundle: every file and setting that a refresh keeps."""
    bandit = FrozenBandit.of_manifest(manifest)
    ranker = {RANKER: manifest.files[RANKER].sha256} if RANKER in manifest.files else {}
    return replace(bandit, files={**bandit.files, **ranker})


def review_canary(
    trials: Sequence[Challenger],
    day: date,
    canary: Canary | None,
    frozen: FrozenBandit,
    champion: FrozenBandit,
    judgement: Judgement,
    gate: GateSettings,
    ended_why: str = ENDED_BY_HAND,
    overruled: str = "",
) -> CanaryReview:
    """Review the canary's trial with the evidence of this night.

    Args:
        trials: Trials of the night after the review of the challenger.
        day: Date of the night.
        canary: Canary that the pointer named when the night began; None if there was none or if its
            bundle is invalid.
        frozen: Frozen bundle of the canary; unused without a canary.
        champion: Frozen bundle of the champion that served next to the canary.
        judgement: Evidence on the canary.
        gate: Settings, fixed before the trial.
        ended_why: Reason for the end of a trial whose canary the pointer no longer names.
        overruled: Why this night may not move the pointer; empty if it may. A promotion is then not
            carried out.
    """
    known, before = list(trials), current_trial(trials, CANARY_TRIAL)
    if before is not None and (canary is None or canary.begun != before.canary):
        ended = replace(before, night=before.on(day), outcome=ENDED, ended=day, critical=inf, slices={}, why=ended_why)
        known = with_trial(known, ended)
        if canary is None:
            return CanaryReview(tuple(known), ended)
        before = None
    if canary is None:
        return CanaryReview(tuple(known))
    if before is None:
        begun = _begin(known, day, canary, frozen, champion, gate)
        return CanaryReview(tuple(with_trial(known, begun)), begun)
    now, verdict = _judge_current(before, day, judgement, gate)
    now = end_if_overruled(now, overruled)
    return CanaryReview(tuple(with_trial(known, now)), now, verdict)


def _begin(
    known: Sequence[Challenger],
    day: date,
    canary: Canary,
    frozen: FrozenBandit,
    champion: FrozenBandit,
    gate: GateSettings,
) -> Challenger:
    trial = Challenger(
        frozen,
        begun=day,
        data_end=date.fromisoformat(canary.version[:10]),
        against=champion.digest,
        alpha=0.0,
        canary=canary.begun,
        kind=CANARY_TRIAL,
    )
    drawn = draw_alpha(known, trial, gate)
    paid = f"with alpha {drawn.alpha:g}" if drawn.alpha else "without alpha, so it cannot be promoted"
    why = (
        f"canary of {canary.share:.4g} of users since {canary.begun}: its trial begins {paid}, and lasts at most "
        f"{gate.life_nights} nights"
    )
    return replace(drawn, why=why)


def _judge_current(
    tested: Challenger, day: date, judgement: Judgement, gate: GateSettings
) -> tuple[Challenger, Verdict | None]:
    if tested.alpha > 0.0:
        return judge_trial(tested, day, judgement, gate)
    night = tested.on(day)
    outcome = EXPIRED if night >= gate.life_nights else KEEP
    why = f"night {night} of {gate.life_nights}, no look: the budget had no alpha when it began"
    return replace(tested, night=night, outcome=outcome, ended=None if outcome == KEEP else day, why=why), None
