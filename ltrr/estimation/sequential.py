"""Sequential test of a challenger: each night it is promoted, kept or rejected.

**Bound.** On night k of its life, a challenger has the estimate d_k of its difference from the
champion on all data so far, with standard error e_k. Only Z_k = d_k / e_k and the information I_k =
1 / e_k^2 matter: Cov(Z_j, Z_k) = sqrt(I_j / I_k) for j < k. This also holds for users who return,
if e_k is by user over the whole window: exactly if users are alike, approximately otherwise. A
schedule set in advance spends alpha: by night k of K the probability of a false promotion is alpha
(k / K)^shape, whatever the information (`estimation.boundary`). Lan & DeMets, "Discrete Sequential
Boundaries for Clinical Trials", Biometrika 1983; Kim & DeMets, Biometrika 1987 (the power family);
Jennison & Turnbull, "Group Sequential Methods", 2000.

**Budget.** Each challenger gets its share of alpha before its first night. A share is released when
its challenger is promoted (as in the fallback procedure: Wiens & Dmitrienko, 2005), or
`budget_nights` after its challenger ended. It is not released earlier: stopping early was
data-dependent, so the unspent alpha cannot be reused. A false promotion is that of a challenger
that is no better. With these rules its probability is at most alpha in any `budget_nights` in a
row, whatever the number of challengers and the choice of successors. There are two reasons. Given
the past, a challenger is falsely promoted with a probability of at most its share. And the shares
of challengers that are no better are not released before the first false promotion.

**Current look.** A promotion needs a look that crossed its bound *and* a current Z at or above the
current critical value. The second condition spends no alpha, because it only makes the event {some
look crossed} smaller. Without any difference, the probability of that event is the spent alpha. So
the condition only delays promotions.

**Slices.** A challenger can be better overall and worse in a slice. On the night when a challenger
would be promoted, all slices are tested once and together. A slice is harmed if its upper bound is
below zero, at `slice_alpha` shared over all slices. A slice delays the promotion if its data cannot
yet detect a harm of `slice_harm`, but will within the challenger's life. If they never will, the
slice is reported as not judged.

The estimates come from `estimation.intervals`. docs/studies/gate.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf, sqrt

from ltrr.errors import check_ranges
from ltrr.estimation.boundary import critical_values, crossing_probabilities, upper_tail
from ltrr.estimation.intervals import Estimate, quantile

PROMOTE, KEEP, FUTILE, HARMED, EXPIRED = "promote", "keep", "futile", "harmed", "expired"
UNHARMED, NOT_YET, NOT_JUDGED = "unharmed", "not yet judged", "not judged"


@dataclass(frozen=True)
class Design:
    """How challengers are judged; set before the first challenger.

    Args:
        alpha: Maximum probability of promoting any candidate that is no better, within
            `budget_nights` nights.
        budget_nights: Length, in nights, of the window in which the false-promotion rate stays at
            or below `alpha`.
        life_nights: Maximum number of nights of a trial. A challenger that is neither promoted nor
            rejected by then is replaced.
        shape: Shape of alpha spending, >= 1: 1 spends evenly, which favours early promotions; 3
            spends most in the last nights.
        effect: Smallest gain of interest, relative to the champion.
        futile_power: Probability of detecting a true gain of `effect` below which the gate rejects
            the challenger as futile.
        slice_alpha: Maximum probability of rejecting a challenger that harms no slice.
        slice_harm: Loss of a slice, relative to the champion, that the gate must detect.
        slice_power: Probability of detecting `slice_harm` from which a slice is evaluated.
        waits_for_slices: Whether a promotion waits for slices that do not have enough evidence yet
            but will have it in time.

    >>> design = Design()
    >>> design.share, [round(design.spent(design.share, night), 5) for night in (1, 7, 14)]
    (0.01, [5e-05, 0.0025, 0.01])
    """

    alpha: float = 0.05
    budget_nights: int = 60
    life_nights: int = 14
    shape: float = 2.0
    effect: float = 0.02
    futile_power: float = 0.05
    slice_alpha: float = 0.05
    slice_harm: float = 0.10
    slice_power: float = 0.9
    waits_for_slices: bool = True

    def __post_init__(self) -> None:
        rules = (
            ("alpha", 0.0 < self.alpha < 0.5, "between 0 and 0.5"),
            ("life_nights", 1 <= self.life_nights <= self.budget_nights, "1..budget_nights"),
            ("shape", self.shape >= 1.0, ">= 1"),
            ("effect", self.effect > 0.0, "> 0"),
            ("futile_power", 0.0 <= self.futile_power < 0.5, "0 or more, below 0.5"),
            ("slice_alpha", 0.0 < self.slice_alpha < 0.5, "between 0 and 0.5"),
            ("slice_harm", self.slice_harm > 0.0, "> 0"),
            ("slice_power", 0.5 <= self.slice_power < 1.0, "0.5 or more, below 1"),
        )
        check_ranges("gate", self, rules)

    @property
    def share(self) -> float:
        """Alpha of one challenger: the budget over the number of full lives in `budget_nights`."""
        return self.alpha / ceil(self.budget_nights / self.life_nights)

    def spent(self, alpha: float, night: int) -> float:
        """Part of a challenger's alpha spent by this night of its life, 1-based."""
        return alpha * float(min(night / self.life_nights, 1.0) ** self.shape)


@dataclass(frozen=True)
class Look:
    """One night of a challenger's life.

    Attributes:
        night: Night of its life, 1-based; nights without a verdict may be missing.
        difference: Challenger minus champion by user, on all data since the life began.
    """

    night: int
    difference: Estimate


@dataclass(frozen=True)
class SliceLook:
    """One slice on the current night.

    Attributes:
        difference: As in `Look`, within the slice.
        champion_value: The champion's value within the slice, in the same unit.
        has_evidence: Whether the slice has the minimum evidence.
    """

    difference: Estimate
    champion_value: float
    has_evidence: bool = True


@dataclass(frozen=True)
class Trial:
    """A challenger in the trial log, as the budget needs it.

    Attributes:
        alpha: Alpha assigned before its first night.
        ended: Night on which it was promoted, stopped, rejected or replaced; None for a current
            challenger.
        is_promoted: Whether it replaced the champion, which released its alpha.
    """

    alpha: float
    ended: int | None = None
    is_promoted: bool = False


@dataclass(frozen=True)
class Step:
    """The decision on a challenger after one night.

    Attributes:
        outcome: PROMOTE, KEEP, FUTILE, HARMED or EXPIRED.
        critical: Critical value of Z on this night; infinite without a look.
        slices: Result of `judge_slices`; empty unless the challenger would be promoted overall.
        is_lost: Whether an earlier look crossed its bound but the current Z is below its critical
            value.
    """

    outcome: str
    critical: float
    slices: Mapping[str, str]
    is_lost: bool = False


def assign_alpha(trials: Sequence[Trial], night: int, design: Design) -> float:
    """Alpha of a challenger that begins this night: its share, or zero if less is free.

    Args:
        trials: All earlier challengers, except those that ended more than `budget_nights` ago.
        night: This night, counted as in `Trial.ended`.
        design: Design of the test, with the budget.

    >>> design = Design()
    >>> assign_alpha([Trial(0.01, ended=night) for night in (14, 28, 42)], 43, design)
    0.01
    >>> five = [Trial(0.01, ended=night) for night in (5, 9, 15, 20, 30)]
    >>> assign_alpha(five, 31, design), assign_alpha(five, 65, design)
    (0.0, 0.01)
    >>> assign_alpha([*five[1:], Trial(0.01, ended=5, is_promoted=True)], 31, design)
    0.01
    """
    held = sum_held_alpha(trials, night, design)
    return design.share if held + design.share <= design.alpha * (1.0 + 1e-9) else 0.0


def sum_held_alpha(trials: Sequence[Trial], night: int, design: Design) -> float:
    """Alpha that is not free on this night.

    It is that of current challengers and of those that ended in the `budget_nights` before.

    >>> trials = [Trial(0.01), Trial(0.01, ended=3), Trial(0.01, ended=9, is_promoted=True)]
    >>> sum_held_alpha(trials, 10, Design())
    0.02
    """
    return sum(trial.alpha for trial in trials if is_held(trial, night, design))


def is_held(trial: Trial, night: int, design: Design) -> bool:
    """Whether the alpha of a challenger is not free yet."""
    return not trial.is_promoted and (trial.ended is None or night - trial.ended < design.budget_nights)


def judge_looks(
    looks: Sequence[Look], alpha: float, champion_value: float, slices: Mapping[str, SliceLook], design: Design
) -> Step:
    """The decision on a challenger after its newest look.

    A promotion needs a look that crossed its bound, and a current Z at or above the current
    critical value. That is the value of this night, or of the last look with new information.

    Args:
        looks: All its looks so far, oldest first; undefined looks are skipped.
        alpha: Its alpha (`assign_alpha`).
        champion_value: The champion's value on the same data, in the unit of the differences.
        slices: Slices on the current night.
        design: Design of the test, set in advance.

    >>> flat = [Look(night, Estimate(0.0, 0.02 / night**0.5)) for night in range(1, 15)]
    >>> [judge_looks(looks, 0.01, 0.6, {}, Design()).outcome for looks in (flat[:3], flat)]
    ['keep', 'expired']
    >>> good = [Look(night, Estimate(0.1, 0.06 / night**0.5)) for night in range(1, 7)]
    >>> slices = {"head": SliceLook(Estimate(-0.2, 0.01), 0.6)}
    >>> step = judge_looks(good, 0.01, 0.6, slices, Design())
    >>> step.outcome, step.slices, judge_looks(good, 0.01, 0.6, {}, Design()).outcome
    ('harmed', {'head': 'harmed'}, 'promote')
    """
    seen = [look for look in looks if look.difference.is_defined and look.difference.standard_error > 0.0]
    if not seen:
        return Step(_keep_or_expire(looks, design), inf, {})
    information = [look.difference.standard_error**-2 for look in seen]
    scores = [look.difference.value / look.difference.standard_error for look in seen]
    critical = critical_values(information, [design.spent(alpha, look.night) for look in seen])
    has_crossed = any(score >= value for score, value in zip(scores, critical, strict=True))
    newest = next((value for value in reversed(critical) if value < inf), inf)
    is_lost = has_crossed and scores[-1] < newest
    if has_crossed and not is_lost:
        found = judge_slices(slices, looks[-1].night, design)
        if HARMED in found.values():
            return Step(HARMED, critical[-1], found)
        return Step(KEEP if NOT_YET in found.values() else PROMOTE, critical[-1], found)
    gain = design.effect * champion_value
    left = conditional_power(scores[-1], information[-1], seen[-1].night, gain, alpha, design)
    if seen[-1].night < design.life_nights and left < design.futile_power:
        return Step(FUTILE, critical[-1], {}, is_lost)
    return Step(_keep_or_expire(looks, design), critical[-1], {}, is_lost)


def judge_slices(slices: Mapping[str, SliceLook], night: int, design: Design) -> dict[str, str]:
    """HARMED, UNHARMED or NOT_JUDGED for each slice.

    If the promotion must wait for some slices, the result has only these, each with NOT_YET.

    A slice can be judged when a loss of `slice_harm` would be found with probability `slice_power`.
    That takes a standard error of at most slice_harm x value / (z[1 - slice_alpha / slices] +
    z[slice_power]). Slices are tested once, because a test on every night of waiting would spend
    slice_alpha many times.

    >>> looks = {
    ...     "head": SliceLook(Estimate(-0.03, 0.01), 0.6),
    ...     "tail": SliceLook(Estimate(-0.03, 0.03), 0.6),
    ... }
    >>> judge_slices(looks, 3, Design()), judge_slices(looks, 14, Design())
    ({'tail': 'not yet judged'}, {'head': 'harmed', 'tail': 'not judged'})
    """
    if not slices:
        return {}
    level = quantile(1.0 - design.slice_alpha / len(slices))
    fit = design.slice_harm / (level + quantile(design.slice_power))
    known = {
        name: look for name, look in sorted(slices.items()) if look.difference.is_defined and look.champion_value > 0.0
    }
    errors = {
        name: look.difference.standard_error / look.champion_value if look.has_evidence else inf
        for name, look in known.items()
    }
    if design.waits_for_slices and night < design.life_nights:
        shrinks = sqrt(night / design.life_nights)
        waited_for = [
            name
            for name, look in known.items()
            if errors[name] > fit >= shrinks * look.difference.standard_error / look.champion_value
        ]
        if waited_for:
            return dict.fromkeys(waited_for, NOT_YET)
    found = dict.fromkeys(slices, NOT_JUDGED)
    for name, look in known.items():
        if look.has_evidence and look.difference.value + level * look.difference.standard_error < 0.0:
            found[name] = HARMED
        elif errors[name] <= fit:
            found[name] = UNHARMED
    return found


def conditional_power(z: float, information: float, night: int, effect: float, alpha: float, design: Design) -> float:
    """Probability of a promotion by the end of the life, given `z` this night and a true `effect`.

    It is an upper bound, because the last night's critical value is at least that of a single look
    at alpha. It assumes that each remaining night brings as much information as the nights so far.

    >>> round(conditional_power(-1.0, 2_000.0, 7, 0.0, 0.01, Design()), 6)
    9e-06
    """
    final = information * design.life_nights / night
    missing = final - information
    if missing <= 0.0:
        return float(z >= quantile(1.0 - alpha))
    need = quantile(1.0 - alpha) * sqrt(final) - z * sqrt(information)
    return upper_tail((need - effect * missing) / sqrt(missing))


@lru_cache(maxsize=64)
def traffic_factor(design: Design, alpha: float, power: float) -> float:
    """Factor f of the traffic that detects a true `effect` with this power.

    The number of impressions per night is (f s / effect)^2 / life_nights. s is the standard
    deviation of one impression's difference over the champion's value, including the correlation
    within users. All nights are assumed to have the same traffic.

    >>> round(traffic_factor(Design(), 0.01, 0.8), 2), round(traffic_factor(Design(), 0.05, 0.8), 2)
    (3.3, 2.59)
    """
    low, high = 0.0, 20.0
    while high - low > 1e-4:
        middle = (low + high) / 2.0
        if promotion_probabilities(design, alpha, middle**2 / design.life_nights, 1.0)[-1] < power:
            low = middle
        else:
            high = middle
    return high


def promotion_probabilities(design: Design, alpha: float, information: float, effect: float) -> tuple[float, ...]:
    """Probability that a challenger of this true difference is promoted by each night of its life.

    Args:
        design: Design of the test.
        alpha: The challenger's alpha.
        information: 1 / standard error^2 that one night brings.
        effect: True difference, in the unit of the standard error.

    >>> chances = promotion_probabilities(Design(), 0.01, 1.0, 1.0)
    >>> round(chances[6], 2), round(chances[13], 2)
    (0.39, 0.9)
    """
    nights = range(1, design.life_nights + 1)
    critical = _even_critical_values(design, alpha)
    return crossing_probabilities([night * information for night in nights], critical, effect)


def nights_to_verdict(design: Design, alpha: float, information: float, effect: float, power: float) -> float:
    """First night by which a challenger of this true difference is promoted with this power.

    It is infinite if there is none in its life.

    >>> [nights_to_verdict(Design(), 0.01, 1.0, effect, 0.8) for effect in (1.0, 0.1)]
    [12, inf]
    """
    chances = promotion_probabilities(design, alpha, information, effect)
    return next((night for night, chance in enumerate(chances, start=1) if chance >= power), inf)


@lru_cache(maxsize=64)
def _even_critical_values(design: Design, alpha: float) -> tuple[float, ...]:
    nights = range(1, design.life_nights + 1)
    return critical_values([float(night) for night in nights], [design.spent(alpha, night) for night in nights])


def _keep_or_expire(looks: Sequence[Look], design: Design) -> str:
    return EXPIRED if looks and looks[-1].night >= design.life_nights else KEEP
