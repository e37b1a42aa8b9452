"""Streams of nights with trials of all kinds; the real gate decides every start and every end.

The study calls `review_challenger`, `review_canary` and `review_ranker` of `ltrr.publishing` on
every night on which a trial may start, end or be promoted. On other nights it only adds a look. On
such a night, no score reaches the critical value of a single look that spends the whole alpha, and
the conditional power is above the limit for futility. On a sample of streams, the study asserts
that the real gate keeps the trial.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import nan, sqrt
from typing import Any

import numpy as np

from benchmarks.gate_study.challengers import NIGHTS, night_impressions
from benchmarks.ranker_study.kinds import Kind
from ltrr.arrays import Floats
from ltrr.artifacts.pointer import Canary as PointerCanary
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import UNDEFINED, Estimate, quantile
from ltrr.estimation.sequential import KEEP, PROMOTE, Look, conditional_power
from ltrr.publishing.canary_trial import review_canary
from ltrr.publishing.challengers import Candidate, review_challenger
from ltrr.publishing.gate import Judgement
from ltrr.publishing.ranker_gate import RankerCandidate, review_ranker
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import (
    BANDIT_TRIAL,
    CANARY_TRIAL,
    RANKER_TRIAL,
    Challenger,
    FrozenBandit,
    current_trial,
    judge_trial,
)

FIRST = date(2026, 3, 1)
CHECKED_STREAMS = 6
KINDS = (BANDIT_TRIAL, CANARY_TRIAL, RANKER_TRIAL)
_CHAMPION = FrozenBandit("search", {}, None, ExplorationSettings(floor_share=1.0))
_NOTHING = Judgement(UNDEFINED, nan, nan, nan, 0, 0, 0)


@dataclass(frozen=True)
class Scenario:
    """Settings of the streams of one line of the table.

    Attributes:
        name: Label in the table; it is part of the random seed of the streams.
        kinds: Kind -> trials of known true gain.
        impressions: Kind -> number of impressions judged each night.
        canary_chance: Probability that a person starts a canary on a night without one.
        gate: Settings of the gate.
        nights: Number of nights of a stream.
    """

    name: str
    kinds: dict[str, Kind]
    impressions: dict[str, int]
    canary_chance: float = 0.0
    gate: GateSettings = field(default_factory=GateSettings)
    nights: int = NIGHTS


@dataclass
class Outcome:
    """Results of streams.

    Attributes:
        promoted: Kind -> night of the first promotion, 1-based; infinite without a promotion.
        begun: Kind -> number of trials.
    """

    promoted: dict[str, Floats]
    begun: dict[str, Floats]

    def any_promoted(self) -> float:
        """Share of streams with a promotion of any kind."""
        return float(np.isfinite(np.minimum.reduce(list(self.promoted.values()))).mean())


def needed_impressions(kind: Kind, gate: GateSettings, factor: float) -> int:
    """Number of impressions each night with which the gate detects a gain of `effect`."""
    return round((factor * kind.spread() / gate.effect) ** 2 / gate.life_nights)


def run(scenario: Scenario, streams: int, seed: int) -> Outcome:
    """Simulate all streams; a stream ends at its first promotion."""
    rng = np.random.default_rng([seed, sum(map(ord, scenario.name))])
    return _Streams(scenario, streams, rng).run()


class _Streams:
    def __init__(self, scenario: Scenario, streams: int, rng: np.random.Generator) -> None:
        self.scenario, self.size, self.rng, self.gate = scenario, streams, rng, scenario.gate
        self.trials_of: list[tuple[Challenger, ...]] = [()] * streams
        self.canaries: list[PointerCanary | None] = [None] * streams
        self.is_over = np.zeros(streams, dtype=bool)
        life = self.gate.life_nights
        widths = {BANDIT_TRIAL: 3, CANARY_TRIAL: 6, RANKER_TRIAL: 6}
        self.sums = {kind: np.zeros((streams, widths[kind])) for kind in scenario.kinds}
        self.looks: dict[str, list[list[Look]]] = {kind: [[] for _ in range(streams)] for kind in scenario.kinds}
        self.critical = [quantile(1.0 - self.gate.spent(self.gate.share, night)) for night in range(1, life + 1)]
        self.outcome = Outcome(
            {kind: np.full(streams, np.inf) for kind in scenario.kinds},
            {kind: np.zeros(streams) for kind in scenario.kinds},
        )

    def run(self) -> Outcome:
        for night in range(self.scenario.nights):
            estimates = {kind: self._add_night(kind, night) for kind in self.scenario.kinds}
            for stream in np.flatnonzero(~self.is_over).tolist():
                self._review_night(stream, night, {kind: (v[stream], e[stream]) for kind, (v, e) in estimates.items()})
        return self.outcome

    def _add_night(self, kind: str, night: int) -> tuple[Floats, Floats]:
        """Add the sums of a night; return the estimates since each trial began.

        Streams without a trial get sums too. They are set to zero when a trial begins.
        """
        one, impressions = self.scenario.kinds[kind], night_impressions(self.scenario.impressions[kind], night)
        self.sums[kind] += one.night(self.rng, impressions, self.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            return one.estimates(self.sums[kind])

    def _review_night(self, stream: int, night: int, estimates: dict[str, tuple[float, float]]) -> None:
        """Review the trials of a stream, in the order of kinds of `publish_policy`."""
        day = FIRST + timedelta(days=night)
        if (
            CANARY_TRIAL in estimates
            and self.canaries[stream] is None
            and self.rng.random() < self.scenario.canary_chance
        ):
            self.canaries[stream] = PointerCanary(f"{day}-000000000001", 0.1, f"{day}T09:00:00.000+00:00")
        wait_reason = "a canary runs" if self.canaries[stream] else ""
        for kind in self.scenario.kinds:
            trial = current_trial(self.trials_of[stream], kind)
            if trial is None and kind != CANARY_TRIAL and wait_reason:
                continue
            if trial is None:
                self._review(kind, stream, night, _NOTHING, wait_reason)
                continue
            if trial.alpha > 0.0 and not (wait_reason and kind != CANARY_TRIAL):
                look = Look(trial.on(day), Estimate(*estimates[kind]))
                if self._is_certain_to_keep(kind, stream, look):
                    self.looks[kind][stream].append(look)
                    if stream < CHECKED_STREAMS:
                        self._check(kind, trial, day, look, stream)
                    continue
                self._review(kind, stream, night, self._judgement(kind, look.difference), wait_reason)
            elif trial.on(day) >= self.gate.life_nights:
                self._review(kind, stream, night, _NOTHING, wait_reason)
            if self.outcome.promoted[kind][stream] == night + 1:
                wait_reason = wait_reason or "a bandit is promoted this night"

    def _is_certain_to_keep(self, kind: str, stream: int, look: Look) -> bool:
        """Whether the gate keeps the trial this night for certain."""
        if look.night >= self.gate.life_nights:
            return False
        scores = [one.difference.value / one.difference.standard_error for one in [*self.looks[kind][stream], look]]
        if any(score >= self.critical[look.night - 1] for score in scores):
            return False
        error = look.difference.standard_error
        gain = self.gate.effect * self.scenario.kinds[kind].value
        power = conditional_power(scores[-1], error**-2, look.night, gain, self.gate.share, self.gate)
        return power >= self.gate.futile_power

    def _judgement(self, kind: str, difference: Estimate) -> Judgement:
        return Judgement(difference, self.scenario.kinds[kind].value, 1e6, 1e6, 10**6, 10**6, 1)

    def _review(self, kind: str, stream: int, night: int, judgement: Judgement, wait_reason: str) -> None:
        """Review a trial by the real gate of its kind.

        First the trial gets the looks of the nights without a review.
        """
        day = FIRST + timedelta(days=night)
        looks = tuple(self.looks[kind][stream]) if kind in self.looks else ()
        trials = tuple(
            replace(one, looks=looks) if one.is_judged and one.kind == kind else one for one in self.trials_of[stream]
        )
        before = current_trial(trials, kind)
        review = self._gate_review(kind, trials, day, night, judgement, wait_reason, stream)
        self.trials_of[stream] = review.challengers
        after = current_trial(review.challengers, kind)
        judged = review.judged if before else None
        if judged is not None and judged.outcome == PROMOTE:
            self.outcome.promoted[kind][stream] = night + 1
            self.is_over[stream] = True
        if after is not None and (before is None or after.trial != before.trial):
            self.outcome.begun[kind][stream] += 1
            self.sums[kind][stream] = 0.0
            self.looks[kind][stream] = []
        if kind == CANARY_TRIAL and judged is not None and not judged.is_judged:
            self.canaries[stream] = None

    def _gate_review(
        self, kind: str, trials: Any, day: date, night: int, judgement: Judgement, wait_reason: str, stream: int
    ) -> Any:
        end = day - timedelta(days=1)
        if kind == BANDIT_TRIAL:
            bandit = FrozenBandit("search", {"bandit.vw": f"b{night}"}, None, ExplorationSettings())
            if wait_reason:
                judgement = replace(judgement, objections=(wait_reason,))
            return review_challenger(trials, day, _CHAMPION, judgement, Candidate(bandit, end), self.gate, wait_reason)
        if kind == RANKER_TRIAL:
            return review_ranker(
                trials, day, "search", "", judgement, RankerCandidate(f"r{night}", end), self.gate, wait_reason
            )
        candidate = FrozenBandit("search", {"bandit.vw": "c", "ranker.ubj": f"c{night}"}, None, ExplorationSettings())
        before = current_trial(trials, CANARY_TRIAL)
        return review_canary(
            trials, day, self.canaries[stream], before.bandit if before else candidate, _CHAMPION, judgement, self.gate
        )

    def _check(self, kind: str, trial: Challenger, day: date, look: Look, stream: int) -> None:
        """Assert that the real gate keeps the trial on a night without a review."""
        earlier = replace(trial, looks=tuple(self.looks[kind][stream][:-1]))
        now, _ = judge_trial(earlier, day, self._judgement(kind, look.difference), self.gate)
        assert now.outcome == KEEP, (kind, look, now.outcome)


def measure_former_gate(kind: Kind, impressions: int, streams: int, seed: int, window: int = 14) -> float:
    """Share of streams with a false promotion if a new ranker is tested each night at level .025.

    This gate has no budget of alpha. The ranker of each night is another order of the same value,
    judged on the last `window` nights. Eight tenths of the variance of the difference are common to
    the rankers of all nights.
    """
    rng = np.random.default_rng([seed, 5])
    nights = [kind.night(rng, impressions, streams) for _ in range(NIGHTS + window)]
    crossed = np.zeros(streams, dtype=bool)
    for end in range(window, NIGHTS + window):
        value, error = kind.estimates(np.sum(nights[end - window : end], axis=0))
        # Rankers of different nights agree on most of their order.
        z = sqrt(0.8) * value / error + sqrt(0.2) * rng.normal(size=streams)
        crossed |= z > quantile(0.975)
    return float(crossed.mean())
