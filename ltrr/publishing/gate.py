"""The gate: a night's verdict on a trial, by the sequential bound of `estimation.sequential`.

The gate judges the difference between a challenger and the champion, wherever that difference comes
from. It can judge any trial that has an alpha of its own and that is evaluated each night on all
data since its first night.

A night takes no look if its evidence is below the floors or if there is an objection. Such a night
can only end a trial by age, and its alpha waits for the next look. A refusal is a valid result: the
gate exists to refuse changes without a gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

from ltrr.estimation.intervals import Estimate
from ltrr.estimation.sequential import (
    EXPIRED,
    FUTILE,
    HARMED,
    KEEP,
    NOT_JUDGED,
    NOT_YET,
    PROMOTE,
    UNHARMED,
    Look,
    SliceLook,
    Step,
    judge_looks,
)
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import Traffic, estimate_traffic, traffic_text


@dataclass(frozen=True)
class Judgement:
    """Evidence on a trial, from all data since its first night.

    Attributes:
        difference: Difference from the champion, paired by user, in reward per impression.
        champion_value: Champion's value on the same impressions, in reward per impression.
        evidence: R of the weaker side, by user.
        effective_sample_size: Effective sample size of the weaker side, in impressions.
        impressions: Number of impressions in the evidence.
        users: Number of users, which are the clusters.
        nights: Number of closed dates in the evidence.
        slices: Name of a slice -> the same evidence within that slice.
        objections: Reasons that forbid a look, whatever the figures: fallbacks, unequal replays, a
            champion that changed meanwhile.
        measure: Name of the compared measure, for messages.
    """

    difference: Estimate
    champion_value: float
    evidence: float
    effective_sample_size: float
    impressions: int
    users: int
    nights: int
    slices: Mapping[str, SliceLook] = field(default_factory=dict)
    objections: tuple[str, ...] = ()
    measure: str = "page reward"


@dataclass(frozen=True)
class Verdict:
    """The gate's decision on a trial on this night.

    Attributes:
        outcome: promote | keep | futile | harmed | expired.
        look: Look of this night, which later nights need; None if the night took no look.
        critical: Value that Z had to reach; inf if there was none.
        slices: Name -> harmed | unharmed | not yet judged | not judged; empty if no slice was
            judged.
        reasons: Sentences that explain the outcome; never empty.
        traffic: Figures of the traffic, with the number of nights that a verdict takes.
    """

    outcome: str
    look: Look | None
    critical: float
    slices: Mapping[str, str]
    reasons: tuple[str, ...]
    traffic: Traffic

    @property
    def is_promoted(self) -> bool:
        """Whether it replaces the champion."""
        return self.outcome == PROMOTE

    @property
    def is_refused(self) -> bool:
        """Whether its trial has ended without promotion."""
        return self.outcome in (FUTILE, HARMED, EXPIRED)

    @property
    def why(self) -> str:
        """All reasons in one line."""
        return "; ".join(self.reasons)


def judge_night(judgement: Judgement, night: int, earlier: Sequence[Look], alpha: float, gate: GateSettings) -> Verdict:
    """Promote, keep or refuse, with every reason.

    Args:
        judgement: The night's evidence.
        night: Night of the trial's life, 1-based.
        earlier: Looks of earlier nights, unchanged, oldest first.
        alpha: Alpha that the trial drew before its first look.
        gate: Settings, fixed before the trial.

    >>> gate, seen = GateSettings(), Estimate(0.12, 0.03)
    >>> judgement = Judgement(seen, 0.6, 240.0, 430.0, 6_000, 500, 1)
    >>> verdict = judge_night(judgement, 1, [], 0.01, gate)
    >>> verdict.outcome, round(verdict.critical, 2), verdict.look.night
    ('promote', 3.89, 1)
    >>> judgement = Judgement(seen, 0.6, 80.0, 430.0, 6_000, 500, 1)
    >>> verdict = judge_night(judgement, 1, [], 0.01, gate)
    >>> verdict.outcome, verdict.reasons[0]
    ('keep', 'night 1 of 14, no look: evidence R is 80, 100 are needed')
    """
    difference, value = judgement.difference, judgement.champion_value
    traffic = estimate_traffic(difference, value, judgement.impressions, judgement.nights, alpha, gate)
    longer = traffic_text(traffic, gate)
    age = f"night {night} of {gate.life_nights}"
    against = [*judgement.objections, *_list_missed_floors(judgement, gate)]
    if not (difference.is_defined and difference.standard_error > 0.0):
        against.append(f"no difference to judge on {judgement.impressions} impressions of {judgement.users} users")
    if against:
        outcome = EXPIRED if night >= gate.life_nights else KEEP
        reasons = (f"{age}, no look: {', '.join(against)}", *_end_text(outcome, gate), longer)
        return Verdict(outcome, None, inf, {}, reasons, traffic)
    look = Look(night, difference)
    step = judge_looks([*earlier, look], alpha, value, judgement.slices, gate)
    reasons = (
        f"{age}: {_difference_text(judgement, step, alpha, gate.spent(alpha, night))}",
        *(["the bound was crossed on an earlier night and is not crossed on this one"] if step.is_lost else []),
        *_end_text(step.outcome, gate),
        *_slices_text(step, judgement.slices),
        longer,
    )
    return Verdict(step.outcome, look, step.critical, step.slices, reasons, traffic)


def _list_missed_floors(judgement: Judgement, gate: GateSettings) -> Sequence[str]:
    floors = (
        ("evidence R", judgement.evidence, gate.least_evidence),
        ("effective sample size", judgement.effective_sample_size, gate.least_sample),
        ("number of users", float(judgement.users), float(gate.least_users)),
    )
    return [f"{name} is {got:.4g}, {floor:g} are needed" for name, got, floor in floors if not got >= floor]


def _difference_text(judgement: Judgement, step: Step, alpha: float, spent: float) -> str:
    difference, value = judgement.difference, judgement.champion_value
    relative = f" ({difference.value / value:+.1%})" if value > 0.0 else ""
    if isfinite(step.critical):
        low = difference.value - step.critical * difference.standard_error
        bound = (
            f"at least {low:+.4f} at this night's bound: Z {difference.value / difference.standard_error:.2f}, "
            f"{step.critical:.2f} promotes (of its alpha {alpha:.3g} up to {spent:.2g} may be spent by this night)"
        )
    else:
        bound = "no new information since the last look, so nothing is spent"
    return (
        f"{judgement.measure} differs by {difference.value:+.4f}{relative} from the champion's {value:.4f}, {bound}, "
        f"on {judgement.impressions} impressions of {judgement.users} users, R {judgement.evidence:.0f}"
    )


def _end_text(outcome: str, gate: GateSettings) -> Sequence[str]:
    if outcome == FUTILE:
        return (f"futile: even a true {gate.effect:+.0%} would be seen with less than {gate.futile_power:.0%}",)
    if outcome == EXPIRED:
        return (f"expired: its {gate.life_nights} nights are over",)
    return ()


def _slices_text(step: Step, slices: Mapping[str, SliceLook]) -> Sequence[str]:
    """Findings on the slices; a harmed slice has its figure."""
    texts = []
    for found in (HARMED, NOT_YET, UNHARMED, NOT_JUDGED):
        names = [name for name, status in step.slices.items() if status == found]
        if found == HARMED:
            names = [f"{name} ({_share(slices[name]):+.1%})" for name in names]
        if names:
            waits = "the bound is crossed, waiting for slices " if found == NOT_YET else "slices "
            texts.append(f"{waits}{found}: {', '.join(names)}")
    return texts


def _share(look: SliceLook) -> float:
    return look.difference.value / look.champion_value
