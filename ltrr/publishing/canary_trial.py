"""The canary's trial in the gate's book: judged as a challenger is, on its own users, from the same budget of alpha.

A person begins it; its alpha is given on the first night that finds it, before its first look. It ends as a challenger
does, by promotion, by futility, by harm to a slice or by age, or because a person ended it: then its alpha stays spent.
While it runs no challenger begins or is asked and no ranker is promoted: whatever served beside it would no longer be
what it is compared with. The clock of a challenger that lives already stands still meanwhile. Where the budget holds no
alpha it is reported and never promoted, and ends by age.
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
"""Outcome of a canary that was ended from outside: by a person, or because its bundle is invalid."""

ENDED_BY_HAND = "a person ended it"
WAITS = "a canary runs, and only one change is tested at a time"


@dataclass(frozen=True)
class CanaryReview:
    """The book after tonight's canary.

    Attributes:
        challengers: every trial that the budget has to know of, and those that ended tonight.
        judged: the canary that the night found, as it stands now; None where there was none.
        verdict: of the gate; None where it was not asked.
    """

    challengers: tuple[Challenger, ...]
    judged: Challenger | None = None
    verdict: Verdict | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it serves tomorrow beside the champion."""
        return self.judged is not None and self.judged.is_living


def find_canary(page: Sequence[Challenger], day: date) -> Challenger | None:
    """The canary's trial that a night found, as its page keeps it; None where it found none."""
    ended = (one for one in page if one.kind == CANARY_TRIAL and one.ended == day and one.outcome != WITHDRAWN)
    return current_trial(page, CANARY_TRIAL) or next(ended, None)


def frozen_with_ranker(manifest: Manifest) -> FrozenBandit:
    """What is tried: all of a bundle that a refresh leaves as it is."""
    bandit = FrozenBandit.of_manifest(manifest)
    ranker = {RANKER: manifest.files[RANKER].sha256} if RANKER in manifest.files else {}
    return replace(bandit, files={**bandit.files, **ranker})


def review_canary(
    book: Sequence[Challenger],
    day: date,
    canary: Canary | None,
    tried: FrozenBandit,
    champion: FrozenBandit,
    judgement: Judgement,
    gate: GateSettings,
    ended_why: str = ENDED_BY_HAND,
    overruled: str = "",
) -> CanaryReview:
    """Tonight's page of the book.

    Args:
        book: tonight's page, as the challengers left it.
        day: tonight.
        canary: that the pointer named when the night began; None where none, or where its bundle does not hold.
        tried: what the canary is; not asked for without one.
        champion: what served beside it.
        judgement: of the canary.
        gate: fixed before.
        ended_why: of one that runs in the book and not in the pointer.
        overruled: why the pointer is not tonight's to move; empty where it is. A promotion is not carried out then.
    """
    known, before = list(book), current_trial(book, CANARY_TRIAL)
    if before is not None and (canary is None or canary.begun != before.canary):
        ended = replace(before, night=before.on(day), outcome=ENDED, ended=day, critical=inf, slices={}, why=ended_why)
        known = with_trial(known, ended)
        if canary is None:
            return CanaryReview(tuple(known), ended)
        before = None
    if canary is None:
        return CanaryReview(tuple(known))
    if before is None:
        begun = _begin(known, day, canary, tried, champion, gate)
        return CanaryReview(tuple(with_trial(known, begun)), begun)
    now, verdict = _judged(before, day, judgement, gate)
    now = end_if_overruled(now, overruled)
    return CanaryReview(tuple(with_trial(known, now)), now, verdict)


def _begin(
    known: Sequence[Challenger],
    day: date,
    canary: Canary,
    tried: FrozenBandit,
    champion: FrozenBandit,
    gate: GateSettings,
) -> Challenger:
    trial = Challenger(
        tried,
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


def _judged(
    tested: Challenger, day: date, judgement: Judgement, gate: GateSettings
) -> tuple[Challenger, Verdict | None]:
    if tested.alpha > 0.0:
        return judge_trial(tested, day, judgement, gate)
    night = tested.on(day)
    outcome = EXPIRED if night >= gate.life_nights else KEEP
    why = f"night {night} of {gate.life_nights}, no look: the budget had no alpha when it began"
    return replace(tested, night=night, outcome=outcome, ended=None if outcome == KEEP else day, why=why), None
