"""The challenger's life: how it begins, is judged night after night, and ends; and what that costs of the budget.

One challenger at a time, frozen by the hashes of its files and by how it explores, judged against one champion on dates
after its training. It ends by promotion, by futility, by harm to a slice, by age, or because the champion's bandit
changed otherwise (a person promoted or rolled back): then its looks say nothing about the new champion, and its alpha
stays spent. When none lives, tonight's candidate begins, as long as the budget holds a whole share.

A night's book is a function of the book of the night before and of tonight's evidence: a night that is run again writes
the same rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import inf, isfinite
from typing import Any

from ltrr.artifacts.bundle import BANDIT
from ltrr.artifacts.learned_values import LearnedValues, only_value_files
from ltrr.artifacts.manifest import Manifest
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.sequential import KEEP, PROMOTE, Look, Trial, alpha_for_next, alpha_held, is_held
from ltrr.publishing.gate import Judgement, Verdict, judge_night
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import UNKNOWN, estimate_traffic, traffic_text

REPLACED = "replaced"
GATE = "gate"
"""Where a manifest's evaluation keeps the verdict that promoted it."""


@dataclass(frozen=True)
class FrozenBandit:
    """What chooses plans, byte for byte; memory, history and ranker are not of it.

    Attributes:
        policy: its name: under one name all plans are the same.
        files: its bandit and values, file -> sha256; none: it plans without learning.
        values: how its learned values are asked; None: plans are valued by hit rates.
        exploration: how scores become probabilities.
    """

    policy: str
    files: Mapping[str, str]
    values: LearnedValues | None
    exploration: ExplorationSettings

    @staticmethod
    def of_manifest(manifest: Manifest) -> FrozenBandit:
        """That of a bundle."""
        names = [name for name in (BANDIT, *only_value_files(manifest.files)) if name in manifest.files]
        files = {name: manifest.files[name].sha256 for name in names}
        return FrozenBandit(manifest.settings.name, files, manifest.values, manifest.settings.exploration)

    @property
    def digest(self) -> str:
        """Equal for two that choose alike; 64 hex digits."""
        values = None if self.values is None else vars(self.values)
        identity = [self.policy, dict(self.files), values, self.exploration.to_json()]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Candidate:
    """Tonight's trained bandit.

    Attributes:
        bandit: frozen.
        data_end: last date that it was trained on.
        run_id: of its training, in MLflow.
        report: what held-out users say of it against tonight's champion: it decides nothing, and tells how long a
            verdict will take.
        share: of the users, whom the report is of.
    """

    bandit: FrozenBandit
    data_end: date
    run_id: str = ""
    report: Judgement | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Challenger:
    """One trial as one night leaves it: a row of `challengers`, whose columns say what each attribute is."""

    bandit: FrozenBandit
    begun: date
    data_end: date
    against: str
    alpha: float
    night: int = 0
    outcome: str = KEEP
    ended: date | None = None
    looks: tuple[Look, ...] = ()
    critical: float = inf
    slices: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    run_id: str = ""
    canary: str = ""

    @property
    def trial(self) -> str:
        """Its name: one begins a night at most."""
        return f"{self.begun}-{self.bandit.digest[:12]}"

    @property
    def is_living(self) -> bool:
        """Whether it is still judged."""
        return self.ended is None

    @property
    def in_budget(self) -> Trial:
        """As the budget sees it."""
        ended = None if self.ended is None else self.ended.toordinal()
        return Trial(self.alpha, ended, self.outcome == PROMOTE)

    def to_json(self) -> dict[str, Any]:
        """What people are told of it: plain values, null where there is none."""
        newest = self.looks[-1].difference if self.looks else None
        return {
            "trial": self.trial,
            "kind": "canary" if self.canary else "bandit",
            "outcome": self.outcome,
            "night": self.night,
            "alpha": self.alpha,
            "difference": newest.value if newest else None,
            "standard_error": newest.standard_error if newest else None,
            "critical": self.critical if isfinite(self.critical) else None,
            "slices": dict(self.slices),
            "trained_until": self.data_end.isoformat(),
            "ended": self.ended.isoformat() if self.ended else None,
            "why": self.why,
        }

    def on(self, day: date) -> int:
        """Which night of its life a date is.

        The bound spends alpha by the calendar, so nights that could not be judged count.
        """
        return (day - self.begun).days


@dataclass(frozen=True)
class Page:
    """The book as one night leaves it.

    Attributes:
        challengers: every trial that the budget has to know of, and those that ended tonight.
        judged: who was under test when the night began, as it stands now; None where nobody was.
        verdict: of the gate on it; None where there was nobody to judge, or it was replaced.
        next_why: what became of tonight's candidate, in words.
        alpha_left: of the budget, when the night is over.
    """

    challengers: tuple[Challenger, ...]
    judged: Challenger | None
    verdict: Verdict | None
    next_why: str
    alpha_left: float

    @property
    def why(self) -> str:
        """Everything that was decided, in one line."""
        return "; ".join(told for told in (self.judged.why if self.judged else "", self.next_why) if told)


def living(book: Sequence[Challenger]) -> Challenger | None:
    """Who is under test on the log: one at most. A canary, which is tried on users, is another matter."""
    return next((challenger for challenger in book if challenger.is_living and not challenger.canary), None)


def alpha_left(book: Sequence[Challenger], day: date, gate: GateSettings) -> float:
    """Of the budget, when a night with this book is over."""
    return round(gate.alpha - alpha_held([one.in_budget for one in book], day.toordinal(), gate), 12)


def turn_page(
    book: Sequence[Challenger],
    day: date,
    champion: FrozenBandit,
    judgement: Judgement,
    candidate: Candidate | None,
    gate: GateSettings,
    waits: str = "",
) -> Page:
    """Tonight's page.

    Args:
        book: the page of the night before.
        day: tonight.
        champion: what served when the night began.
        judgement: of who is under test; not asked for where nobody is, or where the champion is another.
        candidate: of tonight; None where nothing was trained.
        gate: fixed before.
        waits: why no candidate may begin tonight, in words; empty where one may.
    """
    known = [one for one in book if one.is_living or is_held(one.in_budget, day.toordinal(), gate)]
    tested, verdict = living(known), None
    if tested is not None:
        now, verdict = _judged(tested, day, champion, judgement, gate)
        known = [now if one is tested else one for one in known]
        tested = now
        if now.outcome == PROMOTE:
            champion = now.bandit
            # The report compares with who served until now: of the new champion it says nothing.
            candidate = replace(candidate, report=None) if candidate else None
    next_why = ""
    if living(known) is None and waits:
        next_why = f"no challenger begins: {waits}"
    elif living(known) is None:
        begun, next_why = _begin(known, day, champion, candidate, gate)
        known += [begun] if begun else []
    left = alpha_left(known, day, gate)
    budget = f"of the budget of {gate.alpha:g} over {gate.budget_nights} nights {left:.3g} is left"
    if tested is not None:
        tested = replace(tested, why=f"{tested.why}; {budget}")
        known = [tested if one.trial == tested.trial else one for one in known]
    return Page(tuple(known), tested, verdict, next_why, left)


def _judged(
    tested: Challenger, day: date, champion: FrozenBandit, judgement: Judgement, gate: GateSettings
) -> tuple[Challenger, Verdict | None]:
    """Who is under test, after tonight."""
    night = tested.on(day)
    if champion.digest != tested.against:
        why = f"replaced on night {night}: the champion's bandit is another, so its looks say nothing any more"
        ended = replace(tested, night=night, outcome=REPLACED, ended=day, critical=inf, slices={}, why=why)
        return ended, None
    verdict = judge_night(judgement, night, tested.looks, tested.alpha, gate)
    looks = tested.looks if verdict.look is None else (*tested.looks, verdict.look)
    told = replace(
        tested, night=night, outcome=verdict.outcome, looks=looks, critical=verdict.critical, slices=verdict.slices
    )
    return replace(told, ended=None if verdict.outcome == KEEP else day, why=verdict.why), verdict


def _begin(
    known: Sequence[Challenger], day: date, champion: FrozenBandit, candidate: Candidate | None, gate: GateSettings
) -> tuple[Challenger | None, str]:
    """Tonight's candidate as the next challenger, or why there is none."""
    if candidate is None:
        return None, "no candidate tonight, so nobody is under test"
    if candidate.bandit.digest == champion.digest:
        return None, "tonight's candidate is the champion, byte for byte, so nobody is under test"
    alpha = alpha_for_next([one.in_budget for one in known], day.toordinal(), gate)
    if alpha == 0.0:
        first = min(one.ended for one in known if one.ended is not None)
        free = first + timedelta(days=gate.budget_nights)
        return None, f"the budget holds no alpha for a new challenger before {free}, so nobody is under test"
    begun = Challenger(candidate.bandit, day, candidate.data_end, champion.digest, alpha, run_id=candidate.run_id)
    why = (
        f"challenger {begun.trial} begins with alpha {alpha:g}: it was trained on dates up to {begun.data_end} "
        f"and is judged on later ones, for at most {gate.life_nights} nights; {_foreseen(candidate, alpha, gate)}"
    )
    return replace(begun, why=why), why


def _foreseen(candidate: Candidate, alpha: float, gate: GateSettings) -> str:
    """How long a verdict will take, from the report on held-out users."""
    report = candidate.report
    if report is None:
        return traffic_text(UNKNOWN, gate)
    seen = report.difference, report.champion_value, report.impressions, report.nights
    return traffic_text(estimate_traffic(*seen, alpha, gate, candidate.share), gate)
