"""The trials of the gate, and the one budget of alpha from which all of them draw.

A trial judges one frozen bandit, bundle or ranker each night against the one that it would replace.
There are three kinds:

- `bandit`: a challenger, judged on the log (`publishing.challengers`);
- `canary`: a version that serves a share of the users, judged on its users
  (`publishing.canary_trial`);
- `ranker`: an order of the union, judged on logged unions.

**One budget.** Trials of all kinds draw their alpha from the same budget. `draw_alpha` gives a
trial one share, or 0 if the budget has less than a whole share left. A trial holds its alpha while
it is judged and for `budget_nights` after its end; only a promotion returns it at once
(`estimation.sequential`). The probability that any gate promotes a change without a gain is
therefore at most alpha in any `budget_nights` consecutive nights.

**How to record a trial.** On its first night: `drawn = draw_alpha(trials, trial, gate)`. If
`drawn.alpha` is above 0: `trials = with_trial(trials, drawn)`. On each later night: `now, verdict =
judge_trial(trial, day, judgement, gate)` and `trials = with_trial(trials, now)`. `judge_trial`
takes one look at all data since the trial began. It ends the trial by promotion, futility, harm to
a slice or age. A night without a valid judgement takes no look, and its alpha waits.

**A trial of a ranker** is a `Challenger` of kind `RANKER_TRIAL` with
`bandit=FrozenBandit.of_ranker(name, sha256)`: the sha256 of its booster freezes it. `against` is
the digest of the served order, `of_ranker(name, served_sha256)`. Each night compares the two orders
on the closed dates after `data_end`, as one `Judgement` whose difference and standard error are by
user. If the served order changes otherwise, end the trial with `REPLACED`. The bundle that promotes
the ranker takes the booster of `files["ranker.ubj"]`, so the served booster is the judged one.
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
from ltrr.estimation.sequential import KEEP, PROMOTE, Look, Trial, assign_alpha, is_held, sum_held_alpha
from ltrr.publishing.gate import Judgement, Verdict, judge_night
from ltrr.publishing.settings import GateSettings

BANDIT_TRIAL, CANARY_TRIAL, RANKER_TRIAL = "bandit", "canary", "ranker"
REPLACED = "replaced"
"""Outcome of a trial whose opponent changed otherwise, so that its looks no longer apply."""
WITHDRAWN = "withdrawn"
"""Outcome of a trial that only an earlier attempt of its first night began; its alpha is spent."""


@dataclass(frozen=True)
class FrozenBandit:
    """The bandit, ranker or bundle that a trial judges, byte for byte, without memory and history.

    Attributes:
        policy: Name of the policy; all policies of one name have the same plans.
        files: File -> sha256. For a bandit: its model and values; empty if it plans without
            learning. For a ranker: its booster; empty for reciprocal rank fusion. For a canary:
            both.
        values: Settings of its learned values; None if it values plans by hit rates.
        exploration: Settings that turn scores into probabilities.
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

        The exploration that it holds is a constant: an order does not depend on how plans are
        chosen.

        >>> served = FrozenBandit.of_ranker("search", "")
        >>> judged = FrozenBandit.of_ranker("search", "ab")
        >>> served.files, judged.files, served.digest == judged.digest
        ({}, {'ranker.ubj': 'ab'}, False)
        """
        return FrozenBandit(policy, {RANKER: sha256} if sha256 else {}, None, ExplorationSettings())

    @property
    def digest(self) -> str:
        """Digest of 64 hex digits, equal for two bandits with the same decisions."""
        values = None if self.values is None else self.values.to_plain()
        identity = [self.policy, dict(self.files), values, self.exploration.to_json()]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Challenger:
    """One trial after a night: a row of `challengers`, whose columns describe the attributes."""

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
        """Unique name of the trial.

        At most one trial of a kind begins on a night, and no two kinds freeze the same files.
        """
        return f"{self.begun}-{self.bandit.digest[:12]}"

    @property
    def is_judged(self) -> bool:
        """Whether the trial is still judged."""
        return self.ended is None

    @property
    def in_budget(self) -> Trial:
        """The trial as an entry of the budget."""
        ended = None if self.ended is None else self.ended.toordinal()
        return Trial(self.alpha, ended, self.outcome == PROMOTE)

    def to_json(self) -> dict[str, Any]:
        """The trial as plain values for reports; null for a missing value."""
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
        """The night of the trial's life on a date.

        Nights that could not be judged count; nights of a canary do not. The bound spends alpha by
        the night of life, at most all of it by the last one. This is valid for any calendar that
        does not depend on the trial's own figures. A canary stops the clock for the length of its
        own trial. No look is taken meanwhile and no alpha is spent; the data of these nights count
        at the next look.
        """
        return (day - self.begun).days - self.waited


def current_trial(trials: Iterable[Challenger], kind: str = BANDIT_TRIAL) -> Challenger | None:
    """The trial of this kind that is judged now, or None; there is at most one of each kind."""
    return next((one for one in trials if one.is_judged and one.kind == kind), None)


def only_known(trials: Iterable[Challenger], day: date, gate: GateSettings) -> list[Challenger]:
    """The trials that a night records: those that are judged, hold alpha or ended on this night."""
    return [one for one in trials if one.is_judged or one.ended == day or is_held(one.in_budget, day.toordinal(), gate)]


def alpha_left(trials: Iterable[Challenger], day: date, gate: GateSettings) -> float:
    """Alpha of the budget that no trial holds at the end of a night.

    It is 0 if the trials hold more than the budget. They can hold more than the budget after a
    rerun of a night that promoted and now does not. The trial that had begun with the returned
    alpha is then withdrawn, and both trials hold their alpha.
    """
    held = sum_held_alpha([one.in_budget for one in trials], day.toordinal(), gate)
    return max(round(gate.alpha - held, 12), 0.0)


def draw_alpha(trials: Sequence[Challenger], trial: Challenger, gate: GateSettings) -> Challenger:
    """The trial with its alpha from the one budget; 0 if less than a whole share is left.

    A trial that an earlier attempt of the same night began already has its alpha and keeps it.

    Args:
        trials: Every trial of every kind that holds alpha.
        trial: Trial that begins on this night.
        gate: Settings, fixed before the trial.

    >>> gate, day = GateSettings(), date(2026, 3, 2)
    >>> bandits = [FrozenBandit.of_ranker("search", sha256) for sha256 in "abcdef"]
    >>> trial = Challenger(bandits[0], day, day, "", 0.0, kind=RANKER_TRIAL)
    >>> draw_alpha([], trial, gate).alpha
    0.01
    >>> others = [replace(trial, bandit=bandit, alpha=0.01) for bandit in bandits[1:]]
    >>> draw_alpha(others, trial, gate).alpha
    0.0
    """
    earlier = next((one for one in trials if one.trial == trial.trial), None)
    if earlier is not None:
        return replace(trial, alpha=earlier.alpha)
    return replace(trial, alpha=assign_alpha([one.in_budget for one in trials], trial.begun.toordinal(), gate))


def find_next_alpha_date(trials: Iterable[Challenger], gate: GateSettings) -> date | None:
    """Date on which the trial that ended first returns its alpha; None if no trial has ended."""
    ended = [one.ended for one in trials if one.ended is not None and one.outcome != PROMOTE]
    return min(ended) + timedelta(days=gate.budget_nights) if ended else None


def with_trial(trials: Iterable[Challenger], trial: Challenger) -> list[Challenger]:
    """The trials with this one in the place of its earlier state, or at the end."""
    known = list(trials)
    if all(one.trial != trial.trial for one in known):
        return [*known, trial]
    return [trial if one.trial == trial.trial else one for one in known]


def find_judged(trials: Iterable[Challenger], day: date, kind: str = BANDIT_TRIAL) -> Challenger | None:
    """The trial of this kind that a night judged, from that night's trials; None without one."""
    older = (one for one in trials if one.kind == kind and one.begun < day)
    return next((one for one in older if one.is_judged or one.ended == day), None)


def with_withdrawn(trials: Iterable[Challenger], earlier: Iterable[Challenger], day: date) -> list[Challenger]:
    """The trials of the night before, and the withdrawn ones of an earlier attempt of this night.

    The alpha of a withdrawn trial stays spent, so a rerun with another candidate or other settings
    does not begin a trial for free. A rerun that begins the same trial again replaces the withdrawn
    one (`draw_alpha`, `with_trial`).

    Args:
        trials: Trials of the night before.
        earlier: Trials of this night as an earlier attempt committed them.
        day: Date of the night.
    """
    why = "withdrawn: another attempt of the night on which it began did not begin it; its alpha stays spent"
    begun = [one for one in earlier if one.begun == day]
    withdrawn = [
        replace(one, night=0, outcome=WITHDRAWN, ended=day, looks=(), critical=inf, slices={}, why=why) for one in begun
    ]
    return [*trials, *withdrawn]


def describe_differences(kept: Iterable[Challenger], computed: Iterable[Challenger]) -> list[str]:
    """Trials on which two attempts of one night disagree, one sentence each.

    >>> day = date(2026, 3, 2)
    >>> one = Challenger(FrozenBandit.of_ranker("search", "ab"), day, day, "", 0.01)
    >>> describe_differences([one], [replace(one, outcome=PROMOTE, ended=day)])
    ['2026-03-02-1bd7ca1e2572: keep stays, this attempt finds promote']
    >>> describe_differences([one], [one])
    []
    """
    ours, theirs = ({one.trial: one.outcome for one in trials} for trials in (kept, computed))
    outcomes = {trial: (ours.get(trial, "no trial"), theirs.get(trial, "no trial")) for trial in (*ours, *theirs)}
    return [
        f"{trial}: {stays} stays, this attempt finds {found}"
        for trial, (stays, found) in sorted(outcomes.items())
        if stays != found
    ]


def end_if_overruled(tested: Challenger, overruled: str) -> Challenger:
    """The trial after the night's look; a promotion that is not carried out ends it as replaced.

    The alpha of a replaced trial stays spent.

    Args:
        tested: Trial after the night's look.
        overruled: Why this night may not move the pointer; empty if it may.
    """
    if tested.outcome != PROMOTE or not overruled:
        return tested
    why = f"replaced: the gate would promote it, but {overruled}; {tested.why}"
    return replace(tested, outcome=REPLACED, why=why)


def judge_trial(trial: Challenger, day: date, judgement: Judgement, gate: GateSettings) -> tuple[Challenger, Verdict]:
    """One night of a trial of any kind: its state after the night's look, and the verdict.

    Args:
        trial: Trial after the night before.
        day: Date of the night.
        judgement: Evidence on the trial, from all data since it began.
        gate: Settings, fixed before the trial.
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
