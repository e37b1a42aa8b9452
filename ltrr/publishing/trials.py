"""The trials of the gate's book, and the one budget of alpha that all of them draw from.

A trial is one frozen thing that is judged night after night against what it would replace. There are three kinds:

- `bandit`: a challenger, judged on the log (`publishing.challengers`);
- `canary`: a version that serves a share of the users, judged on its users (`publishing.canary_trial`);
- `ranker`: an order of the union, judged on logged unions.

**One budget.** The alpha of a trial is drawn from the whole book, whatever the kinds of the others: `draw_alpha` gives
a trial one share, or nothing where the budget does not hold a whole one. A trial holds its alpha while it is judged and
`budget_nights` after it ended, and only a promotion returns it at once (`estimation.sequential`). Then the chance that
any gate promotes anything that is no better is at most alpha in any `budget_nights` in a row.

**How to keep a trial.** On its first night: `drawn = draw_alpha(book, trial, gate)`; where `drawn.alpha` is above 0,
`book = with_trial(book, drawn)`. On each later night: `now, verdict = judge_trial(trial, day, judgement, gate)` and
`book = with_trial(book, now)`. `judge_trial` takes one look at everything since the trial began and ends the trial by
promotion, futility, harm to a slice or age. A night without a valid judgement is no look; its alpha waits.

A trial of a ranker is a `Challenger` of kind `RANKER_TRIAL` with `bandit=FrozenBandit.of_ranker(name, sha256)`: it is
frozen by the sha256 of its booster. `against` is the digest of the served order, `of_ranker(name, served_sha256)`.
Each night compares the two orders on the closed dates after `data_end`, as one `Judgement` whose difference and
standard error are by user. Where the served order changes otherwise, end the trial with `REPLACED`. The bundle that
promotes it takes the booster of `files["ranker.ubj"]`, so what was judged is what is served.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import inf, isfinite
from typing import Any

from ltrr.artifacts.bundle import BANDIT, RANKER
from ltrr.artifacts.learned_values import LearnedValues, only_value_files
from ltrr.artifacts.manifest import Manifest
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.sequential import KEEP, PROMOTE, Look, Trial, alpha_for_next, alpha_held, is_held
from ltrr.publishing.gate import Judgement, Verdict, judge_night
from ltrr.publishing.settings import GateSettings

BANDIT_TRIAL, CANARY_TRIAL, RANKER_TRIAL = "bandit", "canary", "ranker"
REPLACED = "replaced"
"""Outcome of a trial whose opponent changed otherwise: its looks say nothing about the new one."""
WITHDRAWN = "withdrawn"
"""Outcome of a trial that one attempt of a night began and a later attempt of the same night did not: alpha spent."""


@dataclass(frozen=True)
class FrozenBandit:
    """What a trial judges, byte for byte; memory and history are not part of it.

    Attributes:
        policy: its name: under one name all plans are the same.
        files: file -> sha256. Of a bandit: model and values, none where it plans without learning. Of a ranker: its
            booster, none for reciprocal rank fusion. Of a canary: both.
        values: how its learned values are asked; None: plans are valued by hit rates.
        exploration: how scores become probabilities.
    """

    policy: str
    files: Mapping[str, str]
    values: LearnedValues | None
    exploration: ExplorationSettings

    @staticmethod
    def of_manifest(manifest: Manifest) -> FrozenBandit:
        """The bandit of a bundle."""
        names = [name for name in (BANDIT, *only_value_files(manifest.files)) if name in manifest.files]
        files = {name: manifest.files[name].sha256 for name in names}
        return FrozenBandit(manifest.settings.name, files, manifest.values, manifest.settings.exploration)

    @staticmethod
    def of_ranker(policy: str, sha256: str) -> FrozenBandit:
        """An order of the union by its booster; an empty sha256 is reciprocal rank fusion.

        The exploration that it holds is a constant: an order does not depend on how plans are chosen.

        >>> served, tried = FrozenBandit.of_ranker("search", ""), FrozenBandit.of_ranker("search", "ab")
        >>> served.files, tried.files, served.digest == tried.digest
        ({}, {'ranker.ubj': 'ab'}, False)
        """
        return FrozenBandit(policy, {RANKER: sha256} if sha256 else {}, None, ExplorationSettings())

    @property
    def digest(self) -> str:
        """Equal for two that decide alike; 64 hex digits."""
        values = None if self.values is None else vars(self.values)
        identity = [self.policy, dict(self.files), values, self.exploration.to_json()]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


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
    kind: str = BANDIT_TRIAL
    waited: int = 0

    @property
    def trial(self) -> str:
        """Its name: at most one of a kind begins a night, and no two kinds freeze the same files."""
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
        """The trial for people: plain values, null where there is none."""
        newest = self.looks[-1].difference if self.looks else None
        return {
            "trial": self.trial,
            "kind": self.kind,
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
        """Which night of its life a date is: nights that could not be judged count, nights of a canary do not.

        The bound spends alpha by the night of life, at most all of it by the last one. That holds for any calendar
        that does not look at the trial's own figures. A canary stops the clock for the length of its own trial: no
        look is taken meanwhile and no alpha is spent, and what the trial learned meanwhile counts at its next look.
        """
        return (day - self.begun).days - self.waited


def current_trial(book: Iterable[Challenger], kind: str = BANDIT_TRIAL) -> Challenger | None:
    """The trial of this kind that is judged now, or None; there is at most one of each kind."""
    return next((one for one in book if one.is_living and one.kind == kind), None)


def only_known(book: Iterable[Challenger], day: date, gate: GateSettings) -> list[Challenger]:
    """The trials that tonight's page has to keep: those judged, those that hold alpha, and those that ended tonight."""
    return [one for one in book if one.is_living or one.ended == day or is_held(one.in_budget, day.toordinal(), gate)]


def alpha_left(book: Iterable[Challenger], day: date, gate: GateSettings) -> float:
    """Alpha of the budget that no trial holds at the end of a night with this book; 0 where more than all is held.

    More than all is held where a night that promoted was run again and does not promote now: the trial that had begun
    with the returned alpha is withdrawn, and both hold theirs.
    """
    held = alpha_held([one.in_budget for one in book], day.toordinal(), gate)
    return max(round(gate.alpha - held, 12), 0.0)


def draw_alpha(book: Sequence[Challenger], trial: Challenger, gate: GateSettings) -> Challenger:
    """The trial with its alpha from the one budget of all kinds; 0 where the budget does not hold a whole share.

    A trial that an earlier attempt of the same night began has its alpha already and keeps it.

    Args:
        book: every trial of every kind that holds alpha.
        trial: that begins tonight.
        gate: fixed before.

    >>> gate, day = GateSettings(), date(2026, 3, 2)
    >>> trial = Challenger(FrozenBandit.of_ranker("search", "ab"), day, day, "", 0.0, kind=RANKER_TRIAL)
    >>> draw_alpha([], trial, gate).alpha
    0.01
    >>> others = [replace(trial, bandit=FrozenBandit.of_ranker("search", f"{n}"), alpha=0.01) for n in range(5)]
    >>> draw_alpha(others, trial, gate).alpha
    0.0
    """
    earlier = next((one for one in book if one.trial == trial.trial), None)
    if earlier is not None:
        return replace(trial, alpha=earlier.alpha)
    return replace(trial, alpha=alpha_for_next([one.in_budget for one in book], trial.begun.toordinal(), gate))


def find_next_alpha_date(book: Iterable[Challenger], gate: GateSettings) -> date | None:
    """Date on which the trial that ended first returns its alpha; None where no trial of the book has ended."""
    ended = [one.ended for one in book if one.ended is not None and one.outcome != PROMOTE]
    return min(ended) + timedelta(days=gate.budget_nights) if ended else None


def with_trial(book: Iterable[Challenger], trial: Challenger) -> list[Challenger]:
    """The book with this trial in the place of its earlier state, or at the end."""
    known = list(book)
    if all(one.trial != trial.trial for one in known):
        return [*known, trial]
    return [trial if one.trial == trial.trial else one for one in known]


def find_judged(page: Iterable[Challenger], day: date, kind: str = BANDIT_TRIAL) -> Challenger | None:
    """The trial of this kind that a night judged, as its page keeps it; None where it judged none."""
    older = (one for one in page if one.kind == kind and one.begun < day)
    return next((one for one in older if one.is_living or one.ended == day), None)


def with_withdrawn(book: Iterable[Challenger], earlier: Iterable[Challenger], day: date) -> list[Challenger]:
    """The book of the night before, and the trials that an earlier attempt of tonight began: alpha spent.

    A rerun with another candidate or other settings starts no new life for free. The rerun that begins the same trial
    again takes it back (`draw_alpha`, `with_trial`).

    Args:
        book: the page of the night before.
        earlier: tonight's page as an earlier attempt committed it.
        day: tonight.
    """
    why = "withdrawn: another attempt of the night on which it began did not begin it; its alpha stays spent"
    begun = [one for one in earlier if one.begun == day]
    gone = [
        replace(one, night=0, outcome=WITHDRAWN, ended=day, looks=(), critical=inf, slices={}, why=why) for one in begun
    ]
    return [*book, *gone]


def describe_differences(kept: Iterable[Challenger], computed: Iterable[Challenger]) -> list[str]:
    """Trials about which two pages of one night disagree, one sentence each.

    >>> day = date(2026, 3, 2)
    >>> one = Challenger(FrozenBandit.of_ranker("search", "ab"), day, day, "", 0.01)
    >>> describe_differences([one], [replace(one, outcome=PROMOTE, ended=day)])
    ['2026-03-02-1bd7ca1e2572: keep stays, this attempt finds promote']
    >>> describe_differences([one], [one])
    []
    """
    ours, theirs = ({one.trial: one.outcome for one in page} for page in (kept, computed))
    outcomes = {trial: (ours.get(trial, "no trial"), theirs.get(trial, "no trial")) for trial in (*ours, *theirs)}
    return [
        f"{trial}: {stays} stays, this attempt finds {found}"
        for trial, (stays, found) in sorted(outcomes.items())
        if stays != found
    ]


def end_if_overruled(tested: Challenger, overruled: str) -> Challenger:
    """The trial after tonight's look; a promotion that cannot be carried out ends it as replaced, its alpha spent.

    Args:
        tested: after tonight's look.
        overruled: why the pointer is not tonight's to move; empty where it is.
    """
    if tested.outcome != PROMOTE or not overruled:
        return tested
    why = f"replaced: the gate would promote it, but {overruled}; {tested.why}"
    return replace(tested, outcome=REPLACED, why=why)


def judge_trial(trial: Challenger, day: date, judgement: Judgement, gate: GateSettings) -> tuple[Challenger, Verdict]:
    """One night of a trial of any kind: its state after tonight's look, and the verdict.

    Args:
        trial: as the night before left it.
        day: tonight.
        judgement: of everything since it began.
        gate: fixed before.
    """
    night = trial.on(day)
    verdict = judge_night(judgement, night, trial.looks, trial.alpha, gate)
    now = replace(
        trial,
        night=night,
        outcome=verdict.outcome,
        ended=None if verdict.outcome == KEEP else day,
        looks=trial.looks if verdict.look is None else (*trial.looks, verdict.look),
        critical=verdict.critical,
        slices=verdict.slices,
        why=verdict.why,
    )
    return now, verdict
